"""Run installation steps once: say what and how long, keep a stamp, fail in a few lines."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

TAIL = 20
WIDTH = 180
HEARTBEAT = 60.0
_NOISE = re.compile(r'is ignored: it is neither|━|^\s*$|^\s*File "|Running command|^Looking in |note: This ')
_ERROR = re.compile(r'\berror\b', re.IGNORECASE)
_COUNT = re.compile(r'\[\d+/\d+\]')
_HINTS = (
    (r'No space left on device', 'Free some disk space: the stack takes about 8 GB, pip needs as much in passing.'),
    (
        r'No matching distribution|Could not find a version|Temporary failure in name|SSLError|'
        r'Connection (refused|reset)|Read timed out|NewConnectionError|CERTIFICATE_VERIFY',
        'pip cannot reach or find a package: check the network, the proxy, and what '
        '`pip config list` says of index-url.',
    ),
    (r'Python\.h: No such file', "Install Python's headers (Debian, Ubuntu: apt install python3.11-dev)."),
    (
        r'unrecognized command.line option.*std=c\+\+20|error: invalid value .c\+\+20',
        'The compiler is too old for C++20: install g++ 10 or newer and name it, e.g. CXX=g++-12.',
    ),
    (
        r'(g\+\+|gcc|cc1plus|c\+\+).*(No such file|not found)',
        'Install a C++ compiler (Debian, Ubuntu: apt install g++).',
    ),
    (r'Killed|[cC]annot allocate memory', 'Out of memory: set MAX_JOBS=1 and run it again.'),
)


class StepFailedError(Exception):
    """A step failed. The message is all that the user needs to see."""


class Step(NamedTuple):
    """One thing to do.

    ``what`` is said before, ``usually`` is how long it takes, ``inputs`` is all that decides its
    outcome (the stamp holds their hash), ``action`` does it and logs to the file it is given.
    """

    name: str
    what: str
    usually: str
    inputs: tuple[str, ...]
    action: Callable[[Path], None]


def digest(inputs: Sequence[str]) -> str:
    """Hash strings so that no two different sequences agree."""
    return hashlib.sha256(json.dumps(list(inputs)).encode()).hexdigest()[:16]


def is_done(step: Step, folder: Path) -> bool:
    """Whether the stamp of ``step`` in ``folder`` was left by the same inputs."""
    stamp = folder / f'{step.name}.stamp'
    return stamp.is_file() and stamp.read_text().strip() == digest(step.inputs)


def human(seconds: float) -> str:
    """Write a duration: ``'4 s'``, ``'3 min 5 s'``."""
    minutes, rest = divmod(round(seconds), 60)
    return f'{minutes} min {rest} s' if minutes else f'{rest} s'


def run_steps(steps: Sequence[Step], folder: Path) -> int:
    """Run the steps that are not done, in order, and return how many ran.

    Raises:
        StepFailedError: One failed; those before it keep their stamps: the next call starts there.
    """
    ran = 0
    for number, step in enumerate(steps, 1):
        if is_done(step, folder):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        stamp, log = folder / f'{step.name}.stamp', folder / f'{step.name}.log'
        stamp.unlink(missing_ok=True)
        print(f'[{number}/{len(steps)}] {step.what} (usually {step.usually})', flush=True)
        log.write_text('')
        start = time.monotonic()
        try:
            step.action(log)
        except StepFailedError as error:
            message = explain(step, log, str(error), time.monotonic() - start)
            raise StepFailedError(message) from error
        stamp.write_text(digest(step.inputs) + '\n')
        ran += 1
        print(f'      done in {human(time.monotonic() - start)}', flush=True)
    return ran


def run_logged(
    command: Sequence[str],
    log: Path,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    keep_open: Sequence[int] = (),
) -> None:
    """Run a command with its output in ``log``; say once a minute that it is still at it.

    Args:
        command: Program and arguments.
        log: File to append to.
        env: Its whole environment; None for ours.
        cwd: Folder to run in.
        keep_open: File descriptors to pass on: a lock then lasts as long as the command, also
            when only we are killed.

    Raises:
        StepFailedError: The command cannot be started or exits with another code than 0.
    """
    with log.open('a') as output:
        output.write('$ ' + ' '.join(command) + '\n')
        output.flush()
        try:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=env,
                cwd=cwd,
                pass_fds=keep_open,
            )
        except OSError as error:
            raise StepFailedError(f'cannot start {command[0]}: {error}') from error
        start = time.monotonic()
        while True:
            try:
                code = process.wait(timeout=HEARTBEAT)
                break
            except subprocess.TimeoutExpired:
                counts = _COUNT.findall(log.read_text(errors='replace'))
                at = f', {counts[-1].strip("[]").replace("/", " of ")} files' if counts else ''
                print(f'      ... {human(time.monotonic() - start)}{at}', flush=True)
            except BaseException:
                process.terminate()
                process.wait()
                raise
    if code:
        short = ' '.join([Path(command[0]).name, *command[1:4]])
        raise StepFailedError(f'`{short} ...` exited with code {code}')


def explain(step: Step, log: Path, reason: str, seconds: float) -> str:
    """Write what failed, the last lines of its log that say something, and what to do."""
    text = log.read_text(errors='replace')
    lines = [line.rstrip()[:WIDTH] for line in text.splitlines() if not _NOISE.search(line)]
    tail = lines[-TAIL:]
    # a compiler's own message stands far above the traceback of the build tool that called it
    early = [line for line in lines[:-TAIL] if _ERROR.search(line) and line[:2] != '$ '][:3]
    shown = [*early, '...', *tail[len(early) + 1 :]] if early else tail
    advice = [hint for pattern, hint in _HINTS if re.search(pattern, text + reason)]
    advice.append('Then run the same command again: it goes on from this step.')
    return '\n'.join(
        [
            f'FAILED after {human(seconds)}: {step.what}',
            f'  {reason}',
            f'The last lines of {log}:',
            *(f'  | {line}' for line in shown),
            'What to do:',
            *(f'  - {hint}' for hint in advice),
        ]
    )
