import os
import sys
import time
from unittest.mock import Mock

import pytest

from vitpose.runs.command import run_logged


def test_error_of_a_failed_command_is_shown(tmp_path):
    command = [sys.executable, '-c', 'print("before"); raise KeyError("no such head")']
    with pytest.raises(RuntimeError, match=r"KeyError: 'no such head'[\s\S]*vitpose doctor"):
        run_logged(command, tmp_path / 'log')
    assert 'before' in (tmp_path / 'log').read_text()


@pytest.mark.slow
def test_interrupt_kills_the_command_and_its_children(tmp_path):
    child = 'import os, time; print(os.getpid(), flush=True); time.sleep(99)'
    command = [sys.executable, '-c', f'import subprocess, sys; subprocess.run([sys.executable, "-c", {child!r}])']
    with pytest.raises(KeyboardInterrupt):
        run_logged(command, tmp_path / 'log', Mock(side_effect=KeyboardInterrupt))
    grandchild = int((tmp_path / 'log').read_text())
    for _ in range(50):
        try:
            os.kill(grandchild, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail(f'process {grandchild} is still running')
