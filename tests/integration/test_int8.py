"""`vitpose export --precision int8` from real crops to a file that predicts, with and without `--accuracy-drop`."""

import json
import re

import cv2
import numpy as np
import pytest

from tests.unit.bench.fitted_model import people, write_fitted
from vitpose import PosePredictor
from vitpose.bench.people import render_people
from vitpose.cli.main import main
from vitpose_mm.export.int8 import FEWEST

pytest.importorskip('nncf', reason='int8 needs nncf (requirements/tested.txt)')
pytestmark = pytest.mark.slow
PEOPLE = 25


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Config, checkpoint, and options with images of 200 people."""
    folder = tmp_path_factory.mktemp('int8')
    images, boxes = render_people(FEWEST // PEOPLE, PEOPLE)
    (folder / 'images').mkdir()
    with (folder / 'boxes.jsonl').open('w') as lines:
        for i, (image, own) in enumerate(zip(images, boxes, strict=True)):
            cv2.imwrite(str(folder / f'images/{i}.png'), image)
            lines.write(json.dumps(dict(file=f'{i}.png', boxes=own.tolist())) + '\n')
    calibration = ['--images', str(folder / 'images'), '--boxes', str(folder / 'boxes.jsonl')]
    return (*write_fitted(folder), ['--to', 'openvino', '--precision', 'int8', *calibration])


def quantised(file):
    """Number of quantisers of activations and weights in OpenVINO's IR."""
    return len(re.findall('type="FakeQuantize"', file.read_text()))


def test_int8_is_near_fp32_and_nearer_with_an_accuracy_drop(files, tmp_path, capsys):
    config, checkpoint, options = files
    plain, guarded = tmp_path / 'plain.xml', tmp_path / 'guarded.xml'
    assert main(['export', config, checkpoint, *options, '--out', str(plain)]) == 0
    assert 'differences from torch in fp32, 17 crops' in capsys.readouterr().out
    assert main(['export', config, checkpoint, *options, '--out', str(guarded), '--accuracy-drop', '0.00001']) == 0
    assert 0 < quantised(guarded) < quantised(plain)
    images, boxes = people()
    expected = np.concatenate(
        [each.keypoints for each in PosePredictor(config, checkpoint, device='cpu')(images, boxes)]
    )
    far = {}
    for file in (plain, guarded):
        predictor = PosePredictor(file)
        assert predictor.model.precision == 'int8' and predictor.model.network.computed == 'f32'
        found = np.concatenate([each.keypoints for each in predictor(images, boxes)])
        far[file] = np.linalg.norm(found - expected, axis=-1)
    assert 0 < far[guarded].mean() < far[plain].mean() and np.quantile(far[plain], 0.99) < 2
