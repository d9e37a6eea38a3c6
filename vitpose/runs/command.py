"""Run a command such as `mim train` with a log file and a readable error message."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..shipped import TOP

TAIL_LINES = 15  # shown from the end of a failed command if no line names an error
_ERROR = re.compile(r'[\w.]*(Error|Exception|Interrupt)\b')


def mim_command(action: str, config: Path, work_dir: Path, *options: str) -> list[str]:
    """Return the command line of `mim train mmpose` or `mim test mmpose` (`action` is 'train' or 'test')."""
    return [sys.executable, '-m', 'mim', action, 'mmpose', str(config), '--work-dir', str(work_dir), *options]


def python_path() -> str:
    """Return PYTHONPATH with the checkout, so that it works without being installed."""
    paths = list(filter(None, os.environ.get('PYTHONPATH', '').split(os.pathsep)))
    return os.pathsep.join(paths if str(TOP) in paths else [str(TOP), *paths])


def run_logged(command: Sequence[str | Path], log: Path, on_line: Callable[[str], None] = lambda line: None) -> None:
    """Run a command, write its output to a log file, call `on_line` with each line; raise `failure` if it fails."""
    output: Any = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')
    environment = {**os.environ, 'PYTHONPATH': python_path()}
    with log.open('w', encoding='utf-8') as file:
        # MIM starts a child process: a new session lets us terminate both.
        process = subprocess.Popen(command, env=environment, start_new_session=True, **output)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                file.write(line)
                file.flush()
                on_line(line)
            code = process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
    if code:
        raise failure(' '.join(map(str, command[2:6])) + ' ...', code, log)


def failure(name: str, code: int | None, log: Path) -> RuntimeError:
    """Make the error of a command that ended with an exit code, with the error lines of its log or its last lines."""
    lines = [line.rstrip() for line in log.read_text(encoding='utf-8', errors='replace').splitlines()]
    errors = [line for line in lines if _ERROR.match(line) and 'CalledProcessError' not in line]
    details = '\n  '.join(errors or lines[-TAIL_LINES:])
    more = f'The full output is in {log}. `vitpose doctor` checks the installation.'
    return RuntimeError(f'`{name}` failed with exit code {code}:\n  {details}\n{more}')
