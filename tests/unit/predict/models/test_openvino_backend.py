"""OpenVINO beside the rest of a process."""

import subprocess
import sys

import pytest

pytest.importorskip('openvino')
SCRIPT = """
import signal, sys
from pathlib import Path
import openvino
from vitpose.predict.models.openvino_backend import OpenVinoNetwork

inputs = openvino.opset13.parameter([-1, 4])
openvino.save_model(openvino.Model([openvino.opset13.relu(inputs)], [inputs]), sys.argv[1])
one, two = OpenVinoNetwork(Path(sys.argv[1])), OpenVinoNetwork(Path(sys.argv[1]))
del one
del two
signal.signal(signal.SIGUSR1, lambda *_: print('handled'))
signal.raise_signal(signal.SIGUSR1)
"""


def test_a_signal_after_two_networks_is_handled(root, tmp_path):
    command = [sys.executable, '-c', SCRIPT, str(tmp_path / 'model.xml')]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, 'handled\n'), done.stderr
