"""The first command of the README where POSIX's modules and functions are missing, as on Windows, and without torch.

Neither macOS nor Windows itself was seen; GitHub's workflow runs the command on both.
"""

import json
import subprocess
import sys

import cv2
import numpy as np

MISSING = """
import os, signal, sys
sys.modules.update(dict.fromkeys(('fcntl', 'grp', 'pwd', 'resource', 'termios', 'tty', 'readline', 'torch')))
for place, names in ((signal, 'SIGTERM SIGHUP SIGKILL SIGUSR1 pthread_sigmask sigwaitinfo'),
                     (os, 'symlink link fork forkpty killpg getuid geteuid sched_getaffinity register_at_fork')):
    for name in names.split():
        delattr(place, name)
from vitpose.cli.main import main
code = main(['predict', 'photo.jpg'])
heavy = {'mmengine', 'mmcv', 'mmpose', 'mmdet', 'scipy', 'matplotlib', 'yaml', 'onnx', 'gradio', 'av'}
print(code, sorted(heavy & sys.modules.keys()))
"""


def test_predict_needs_neither_posix_nor_torch(tmp_path):
    cv2.imwrite(str(tmp_path / 'photo.jpg'), np.full((480, 640, 3), 127, np.uint8))
    command = [sys.executable, '-c', MISSING]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ['0 []'], done.stdout + done.stderr
    _, line = (tmp_path / 'poses/predictions.jsonl').read_text().splitlines()
    assert len(json.loads(line)['keypoints'][0]) == 17
    assert cv2.imread(str(tmp_path / 'poses/drawn/photo.jpg')).shape == (480, 640, 3)
