"""`vitpose export --precision int8`, from people of given images to a file that predicts."""

import json
import re

import cv2
import numpy as np
import pytest

from tests.unit.bench.fitted_model import people, write_fitted
from vitpose import PosePredictor
from vitpose.bench.crowd_scenes import render_people
from vitpose.cli.main import main
from vitpose_mm.export.int8 import MIN_CALIBRATION_CROPS


def write_people(folder, pictures, boxes):
    folder.mkdir(exist_ok=True)
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f'{i}.png'), picture)
    rows = [dict(file=f'{i}.png', boxes=people.tolist()) for i, people in enumerate(boxes)]
    (folder / 'boxes.jsonl').write_text('\n'.join(map(json.dumps, rows)))


@pytest.mark.slow
def test_int8_is_near_fp32(tmp_path, capsys):
    pytest.importorskip('nncf', reason='int8 needs nncf (requirements/tested.txt)')
    config, checkpoint = write_fitted(tmp_path)
    write_people(tmp_path / 'images', *render_people(MIN_CALIBRATION_CROPS // 25, 25))
    out, images = tmp_path / 'int8.xml', str(tmp_path / 'images')
    options = ['--to', 'openvino', '--precision', 'int8', '--images', images, '--boxes', f'{images}/boxes.jsonl']
    assert main(['export', config, checkpoint, *options, '--out', str(out)]) == 0
    assert 'differences from torch in fp32, 17 crops' in capsys.readouterr().out
    assert re.search('type="FakeQuantize"', out.read_text())
    predictor, reference = PosePredictor.load(out), PosePredictor.load(config, checkpoint, device='cpu')
    assert predictor.model.precision == 'int8' and predictor.model.network.computed == 'f32'
    keypoints, expected = (
        np.concatenate([poses.keypoints for poses in predict(*people())]) for predict in (predictor, reference)
    )
    distance = np.linalg.norm(keypoints - expected, axis=-1)
    assert distance.max() > 0 and np.quantile(distance, 0.99) < 2
