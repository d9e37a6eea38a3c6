"""Find a Python that can run the stack: each one is tried before it is believed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PROBE = 'import sys, ensurepip, venv; print("%d.%d" % sys.version_info[:2])'


class Interpreter(NamedTuple):
    """A Python that runs: its path and its version, such as ``'3.11'``."""

    path: str
    version: str


class NoInterpreterError(Exception):
    """No Python of a wanted version runs; the message says what was tried and what to do."""


def probe(path: str) -> str | None:
    """Run the Python at ``path`` and return its version, or None.

    A name on PATH proves nothing: pyenv's shims exist for versions that are not chosen and fail
    when called, and Debian's python3 comes without ensurepip until python3-venv is installed.
    """
    command = [path, '-c', PROBE]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def candidates(version: str) -> list[str]:
    """List where a Python of ``version`` may be: all of PATH, pyenv's store, this one."""
    names = (f'python{version}', 'python3', 'python')
    folders = [Path(folder) for folder in os.environ.get('PATH', '').split(os.pathsep) if folder]
    found = [folder / name for name in names for folder in folders]
    roots = {Path(os.environ.get('PYENV_ROOT', Path.home() / '.pyenv'))}
    roots |= {folder.parent for folder in folders if folder.name == 'shims'}
    for root in sorted(roots):
        found += sorted(root.glob(f'versions/{version}*/bin/python'), reverse=True)
    unique = dict.fromkeys(str(path) for path in found if os.access(path, os.X_OK))
    return [*unique, sys.executable]


def pick(wanted: tuple[str, ...], chosen: str | None = None, without: Path | None = None) -> Interpreter:
    """Return the first Python that runs, in the order of ``wanted`` versions.

    Args:
        wanted: Versions, best first, such as ``('3.11', '3.12')``.
        chosen: What the user asked for (``make PYTHON=...``): taken, or refused with the reason.
        without: A folder whose Pythons do not count: the environment that is to be made.

    Raises:
        NoInterpreterError: Nothing suitable runs.
    """
    if chosen:
        version = probe(chosen)
        if version in wanted:
            return Interpreter(chosen, version)
        said = f'is Python {version}' if version else 'does not run, or has no venv and ensurepip'
        wish = ' or '.join(sorted(wanted))
        raise NoInterpreterError(f'PYTHON={chosen} {said}; wanted is Python {wish}.')
    seen: dict[str, str | None] = {}
    for version in wanted:
        for path in candidates(version):
            if without is not None and without in Path(path).parents:
                continue
            if path not in seen:
                seen[path] = probe(path)
            if seen[path] == version:
                return Interpreter(path, version)
    tried = ', '.join(f'{path} ({version or "fails"})' for path, version in seen.items())
    raise NoInterpreterError(
        f'No Python {" or ".join(sorted(wanted))} that runs and can make a venv. '
        f'Tried: {tried}. Install one (Debian, Ubuntu: apt install python{wanted[0]}-venv '
        f'python{wanted[0]}-dev; or: pyenv install {wanted[0]}), or name it: '
        'make PYTHON=/path/to/python.'
    )
