"""`pip install vitpose_mm[onnx]`, or `[openvino]`, is enough to run an exported file: no torch, no OpenMMLab."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.bench.fitted_model import people, write_fitted
from tests.unit.predict.tiny_detectors import write_suppressed
from vitpose import PosePredictor
from vitpose.cli.main import main

pytestmark = pytest.mark.install
PACKAGES = {'onnx': ('onnxruntime', 'model.onnx'), 'openvino': ('openvino', 'model.xml')}


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A folder with config, checkpoint, exported files, images and boxes."""
    folder = tmp_path_factory.mktemp('files')
    config, checkpoint = write_fitted(folder)
    images, boxes = people()
    with (folder / 'boxes.jsonl').open('w') as lines:
        for i, (image, own) in enumerate(zip(images, boxes, strict=True)):
            cv2.imwrite(str(folder / f'{i}.png'), image)
            lines.write(json.dumps(dict(file=f'{i}.png', boxes=own.tolist())) + '\n')
    for kind, (_, name) in PACKAGES.items():
        assert main(['export', config, checkpoint, '--to', kind, '--out', str(folder / name)]) == 0
    return folder


def uv(*arguments: object) -> None:
    name = shutil.which('uv', path=os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']]))
    assert name, 'uv is missing: requirements/venv.sh installs it'
    subprocess.run([name, *map(str, arguments)], check=True, capture_output=True, text=True)


@pytest.mark.parametrize('extra', PACKAGES)
def test_an_exported_file_runs_without_torch_and_openmmlab(extra, root, files, tmp_path):
    uv('venv', '--python', sys.executable, tmp_path / 'bare')
    python = tmp_path / 'bare/bin/python'
    uv('pip', 'install', '--python', python, f'vitpose_mm[{extra}] @ {root.as_uri()}')

    def run(*arguments):
        environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
        return subprocess.run(
            [python, *map(str, arguments)], capture_output=True, text=True, env=environment, cwd=tmp_path
        )

    for name in ('torch', 'mmengine', 'mmcv', 'mmpose', 'mmdet', 'onnx'):
        assert f"No module named '{name}'" in run('-c', f'import {name}').stderr
    _, name = PACKAGES[extra]
    done = run(
        *('-m', 'vitpose', 'predict', files / '0.png', files / '1.png', '--boxes', files / 'boxes.jsonl'),
        *('--model', files / name, '--html', '--out', 'poses'),
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / 'poses/predictions.jsonl').read_text().splitlines()]
    found = np.concatenate([row['keypoints'] for row in rows])
    images, boxes = people()
    expected = PosePredictor.load(files / 'model.py', files / 'model.pth', device='cpu')(images, boxes)
    np.testing.assert_allclose(found, np.concatenate([each.keypoints for each in expected]), atol=0.05)
    assert (tmp_path / 'poses/drawn/0.jpg').is_file()

    if extra == 'onnx':  # a person detector from a file
        detector = write_suppressed(tmp_path / 'yolox.onnx')
        words = ('-m', 'vitpose', 'predict', files / '0.png', '--model', files / name, '--detector', detector)
        done = run(*words, '--out', 'none')
        assert done.returncode == 2 and 'pip install --no-deps rtmlib' in done.stderr
        uv('pip', 'install', '--python', python, '--no-deps', 'rtmlib', 'tqdm')
        done = run(*words, '--out', 'found')
        assert done.returncode == 0, done.stderr
        (row,) = map(json.loads, (tmp_path / 'found/predictions.jsonl').read_text().splitlines())
        assert len(row['boxes']) == len(row['keypoints']) == 1

    done = run('-m', 'vitpose', 'inspect', files / name, '--json')
    assert json.loads(done.stdout)['dataset'] == 'coco', done.stderr
    (other,) = (key for key in PACKAGES if key != extra)
    done = run('-m', 'vitpose', 'inspect', files / PACKAGES[other][1])
    assert done.returncode == 2 and f'vitpose_mm[{other}]' in done.stderr
    done = run('-m', 'vitpose', 'predict', '.', '--config', 'a.py', '--checkpoint', 'a.pth', '--out', 'others')
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    done = run('-c', 'import vitpose_mm')
    assert 'needs torch, mmengine, mmcv, mmpose, not installed here' in done.stderr
