"""`vitpose export --precision int8`, from people of given images to a file that predicts."""

import json
import re

import cv2
import numpy as np
import pytest

from tests.unit.bench.fitted_model import people, write_fitted
from vitpose import PosePredictor
from vitpose.bench.people import render_people
from vitpose.cli.main import main
from vitpose_mm.export.int8 import MIN_CALIBRATION_CROPS

pytest.importorskip('nncf', reason='int8 needs nncf (requirements/tested.txt)')
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Config, checkpoint, and a function that renders people and returns the options with their images."""
    folder = tmp_path_factory.mktemp('int8')

    def options(images, count):
        pictures, boxes = render_people(images, count)
        (folder / f'{images}').mkdir()
        with (folder / f'{images}.jsonl').open('w') as lines:
            for i, (picture, own) in enumerate(zip(pictures, boxes, strict=True)):
                cv2.imwrite(str(folder / f'{images}/{i}.png'), picture)
                lines.write(json.dumps(dict(file=f'{i}.png', boxes=own.tolist())) + '\n')
        given = ['--images', str(folder / f'{images}'), '--boxes', str(folder / f'{images}.jsonl')]
        return ['--to', 'openvino', '--precision', 'int8', *given]

    return (*write_fitted(folder), options)


def quantised(file):
    """Number of quantisers of activations and weights in OpenVINO's IR."""
    return len(re.findall('type="FakeQuantize"', file.read_text()))


def test_int8_is_near_fp32(files, tmp_path, capsys):
    config, checkpoint, options = files
    out = tmp_path / 'int8.xml'
    assert main(['export', config, checkpoint, *options(MIN_CALIBRATION_CROPS // 25, 25), '--out', str(out)]) == 0
    assert 'differences from torch in fp32, 17 crops' in capsys.readouterr().out and quantised(out)
    predictor, reference = PosePredictor.load(out), PosePredictor.load(config, checkpoint, device='cpu')
    assert predictor.model.precision == 'int8' and predictor.model.network.computed == 'f32'
    found, expected = (
        np.concatenate([each.keypoints for each in each_one(*people())]) for each_one in (predictor, reference)
    )
    far = np.linalg.norm(found - expected, axis=-1)
    assert far.max() > 0 and np.quantile(far, 0.99) < 2
