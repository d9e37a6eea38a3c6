"""MMPose's scripts in forked processes, which need not import it again."""

import os
import sys
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture(scope='session')
def environment(root) -> dict[str, str]:
    """Environment variables of the commands: this checkout first on the path, unbuffered output."""
    from tests.integration.commands import start_server  # imports MMPose, which may not be installed

    path = os.pathsep.join([str(root), *filter(None, [os.environ.get('PYTHONPATH')])])
    variables = {**os.environ, 'PYTHONPATH': path, 'PYTHONUNBUFFERED': '1', 'COLUMNS': '200'}
    start_server(variables)
    return variables


@pytest.fixture
def start(tmp_path, environment) -> Iterator[Callable]:
    """A function that starts a command in the test's temporary folder, and kills it after the test.

    `'train', CONFIG, ...` and `'test', CONFIG, '--checkpoint', FILE, ...` stand for `mim train mmpose` and
    `mim test mmpose`, whose scripts run in a forked process. With `gloo=2`, two processes train together.
    """
    from tests.integration.commands import GLOO_TRAIN, Forked, Started, kill, mmpose_script

    commands = []

    def start_command(*command, gloo: int = 0) -> Started | Forked:
        if gloo:
            commands.append(Forked((GLOO_TRAIN, *command[1:], '--launcher', 'pytorch'), tmp_path, environment, gloo))
        elif command[0] in ('train', 'test'):
            commands.append(Forked(mmpose_script(*command), tmp_path, environment))
        else:
            commands.append(Started(command, tmp_path, environment))
        return commands[-1]

    yield start_command
    for command in commands:
        kill(command)


@pytest.fixture
def run_forked(start) -> Callable[..., None]:
    """A function in place of `run_logged`: a training or test of MMPose runs in a forked process."""

    def run(command, log, on_line=lambda line: None) -> None:
        assert command[:2] == [sys.executable, '-m']
        if command[2] == 'mim':
            assert command[4] == 'mmpose'
            process = start(command[3], *command[5:])
        else:
            assert command[2] == 'vitpose.runs.mmpose_train'
            process = start('train', *command[3:])
        with log.open('w') as file:
            for line in process.output:
                file.write(line)
                on_line(line)
        assert process.wait() == 0, log.read_text()

    return run
