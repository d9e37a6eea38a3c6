"""Commands in processes of their own, started or forked.

Starting `mim train` imports torch and MMPose three times: for mim's look at the help, for itself and for the training.
A process forked from a server that has imported them runs the same script of MMPose at once.
"""

import gc
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from pathlib import Path

import mmpose
import pytest
from yapf.yapflib import yapf_api

from projects.studies.forked_training import PRELOADED

GLOO_TRAIN = Path(__file__).with_name('gloo_train.py')
FORKED = get_context('forkserver')


class Started(subprocess.Popen):
    """A command in its own process group; its output is that of all its processes."""

    def __init__(self, command: Sequence[object], folder: Path, environment: dict[str, str]) -> None:
        streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        super().__init__(list(map(str, command)), cwd=folder, env=environment, **streams)
        self.pids = [self.pid]
        self.output = self.stdout


class Forked:
    """A script in processes forked from the server, each in its own process group, with the variables of torchrun."""

    def __init__(self, command: Sequence[object], folder: Path, environment: dict[str, str], count: int = 1) -> None:
        reader, writer = FORKED.Pipe(duplex=False)
        words = [str(word) for word in command]
        self.processes = []
        for variables in ranks(count) if count > 1 else [{}]:
            process = FORKED.Process(target=run_script, args=(words, str(folder), environment | variables, writer))
            process.start()
            self.processes.append(process)
        writer.close()
        self.pids = [process.pid for process in self.processes]
        self.output = open(os.dup(reader.fileno()))
        reader.close()

    def wait(self) -> int:
        for process in self.processes:
            process.join()
        return next((process.exitcode for process in self.processes if process.exitcode), 0)


def start_server(environment: dict[str, str]) -> None:
    """Start the server that imports what a training imports, with these environment variables."""
    FORKED.set_forkserver_preload([*PRELOADED, 'mmpose.apis', 'torch.utils.tensorboard'])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        forkserver.ensure_running()


def ranks(count: int) -> Iterator[dict[str, str]]:
    """The environment variables that torchrun sets for each of its processes."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    for rank in map(str, range(count)):
        sizes = dict.fromkeys(('WORLD_SIZE', 'LOCAL_WORLD_SIZE'), str(count))
        yield dict(RANK=rank, LOCAL_RANK=rank, MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), **sizes)


def run_script(words: list[str], folder: str, environment: dict[str, str], output: Connection) -> None:
    """Run a script with its arguments in this process, which was forked for it."""
    os.setsid()
    os.chdir(folder)
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment['PYTHONPATH'].split(os.pathsep)
    gc.freeze()  # MMEngine collects garbage after each dataset, which would touch and copy all modules' memory
    yapf_api.FormatCode = lambda text, **options: (text, True)  # yapf takes seconds
    sys.argv = words
    runpy.run_path(words[0], run_name='__main__')


def mmpose_script(action: str, *options: object) -> list[object]:
    """The command that `mim train mmpose` or `mim test mmpose` starts with these options."""
    words = [word for word in options if word != '--checkpoint']
    return [Path(mmpose.__file__).parent / f'.mim/tools/{action}.py', *words, '--launcher', 'none']


def read(command: Started | Forked, timeout: float) -> tuple[int, str]:
    """Return exit code and output of a command, which is killed after the timeout."""
    timer = threading.Timer(timeout, kill, [command])
    timer.start()
    try:
        output = command.output.read()
        return command.wait(), output
    finally:
        timer.cancel()
        kill(command)


def wait_for(command: Started | Forked, pattern: str) -> str:
    """Return the output up to the first line that matches a pattern."""
    lines = []
    for line in command.output:
        lines.append(line)
        if re.search(pattern, line):
            return ''.join(lines)
    raise AssertionError(f'{pattern!r} was never printed:\n{"".join(lines)[-6000:]}')


def kill(command: Started | Forked) -> None:
    for pid in command.pids:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    command.wait()
