"""Make a virtual environment with the tested (or the legacy) stack. Standard library only.

`make` calls it: ``python3 requirements/install.py tested [--peers] [--package] [--python PATH]``.
Every finished step leaves a stamp with the hash of its inputs in ``<venv>/setup``, beside its log:
a second call does nothing, an interrupted one resumes.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from interpreter import NoInterpreterError, pick, probe  # noqa: E402
from pins import STACKS, Stack  # noqa: E402
from stack import ROOT, Installer  # noqa: E402
from steps import Step, StepFailedError, human, is_done, run_steps  # noqa: E402

DISK_GB = 10
HEADERS = 'import sysconfig; print(sysconfig.get_paths()["include"])'


def choose(stack: Stack, chosen: str | None) -> tuple[str, str]:
    """Return path and version of the Python to use: the environment's own if it has a good one.

    Raises:
        NoInterpreterError: None runs, or the user asks for another than the environment has.
    """
    own = ROOT / stack.venv / 'bin' / 'python'
    version = probe(str(own)) if os.access(own, os.X_OK) else None
    if version not in stack.pythons:
        return pick(stack.pythons, chosen, without=ROOT / stack.venv)
    if chosen and probe(chosen) != version:
        raise NoInterpreterError(
            f'{stack.venv} is there already, with Python {version}; to make it with {chosen} '
            f'remove it first: rm -rf {stack.venv}'
        )
    return str(own), version


def check_machine(python: str, steps: list[Step], setup: Path) -> None:
    """Refuse at once what would fail after minutes: a full disk, no compiler, no headers.

    Raises:
        StepFailedError: Something is missing that the steps still to do need.
    """
    todo = {step.name for step in steps if not is_done(step, setup)}
    free = shutil.disk_usage(ROOT).free / 2**30
    if 'torch' in todo and free < DISK_GB:
        raise StepFailedError(f'{free:.1f} GB are free in {ROOT}, about {DISK_GB} are needed: make room.')
    if not todo & {'mmcv', 'openmmlab'}:
        return
    compilers = {'C++': os.environ.get('CXX', 'c++'), 'C': os.environ.get('CC', 'cc')}
    for language, compiler in compilers.items():
        if not shutil.which(compiler.split()[0]):
            raise StepFailedError(
                f'no {language} compiler ({compiler}), which mmcv and xtcocotools are built with. '
                'Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++.'
            )
    answer = subprocess.run([python, '-c', HEADERS], capture_output=True, text=True, check=True)
    if not (Path(answer.stdout.strip()) / 'Python.h').exists():
        raise StepFailedError(
            f"Python's headers are missing ({answer.stdout.strip()}/Python.h). "
            f'Debian, Ubuntu: apt install python{probe(python)}-dev.'
        )


def install(stack: Stack, chosen: str | None, peers: bool, package: bool) -> None:
    """Bring one environment up to date, one process at a time."""
    with Path(__file__).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print('Another installation runs in this folder: waiting for it to end.', flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        start = time.monotonic()
        installer = Installer(stack, lock.fileno(), chosen)
        python, version = choose(stack, chosen)
        steps = installer.steps(version, peers, package)
        check_machine(python, steps, installer.setup)
        ran = run_steps(steps, installer.setup)
        if ran:
            print(f'{stack.venv} is ready after {human(time.monotonic() - start)}.')
        else:
            print(f'{stack.venv} is up to date.')


def main() -> int:
    """Read the command line and install; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('stack', choices=STACKS)
    parser.add_argument('--peers', action='store_true', help='also what tests/parity compares with')
    parser.add_argument('--package', action='store_true', help='also this package, editable')
    parser.add_argument('--python', help='the Python to use, instead of looking for one')
    args = parser.parse_args()
    try:
        install(STACKS[args.stack], args.python or None, args.peers, args.package)
    except (NoInterpreterError, StepFailedError) as error:
        print(f'\n{error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nStopped. The same command goes on from here.', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
