"""Runs a command such as `mim train`, with a log file and a readable error."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

TAIL = 15  # lines of a failed command that are shown if none of them names an error
_ERROR = re.compile(r'[\w.]*(Error|Exception|Interrupt)\b')


def run_logged(command: Sequence[str], log: Path, read: Callable[[str], None]) -> None:
    """Runs a command; every line of its output goes into `log` and to `read`.

    Args:
        command: What to run.
        log: File to write.
        read: Called with each line.

    Raises:
        RuntimeError: If the command fails: with its last lines.
    """
    package = str(Path(__file__).resolve().parents[2])  # a checkout that is not installed works too
    paths = [package, *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}
    tail: list[str] = []
    errors: list[str] = []
    with log.open('w', encoding='utf-8') as file:
        # MIM starts a process of its own: the group of both ends with us.
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            env=environment,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                file.write(line)
                file.flush()
                tail = [*tail, line.rstrip()][-TAIL:]
                if _ERROR.match(line) and 'CalledProcessError' not in line:
                    errors.append(line.rstrip())
                read(line)
            code = process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
    if code:
        told = '\n  '.join(errors or tail)
        raise RuntimeError(
            f'`{" ".join(command[2:6])} ...` ended with code {code}:\n  {told}\n'
            f'All it said is in {log}. `vitpose doctor` checks the installation.'
        )
