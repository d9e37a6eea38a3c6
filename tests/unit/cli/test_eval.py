"""`vitpose eval`: tables, JSON and refusals."""

import json
import sys

import pytest

from tests.unit.predict.frames import METAINFO, make_frame, make_poses
from vitpose.cli.main import main
from vitpose.predict.inputs.sources import Source
from vitpose.predict.outputs.output_files import Outputs


@pytest.fixture
def files(tmp_path):
    outputs = Outputs(tmp_path, [Source('a.jpg', 'image')], METAINFO, draw=False)
    outputs.write(make_frame('a.jpg'), make_poses(1))
    outputs.close()
    truth = dict(images=[dict(id=1, file_name='a.jpg')])
    points = [11, 5, 2, 8, 45, 2, 14, 45, 2]
    truth['annotations'] = [dict(id=1, image_id=1, category_id=1, bbox=[4, 2, 14, 48], keypoints=points)]
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    return 'eval', str(tmp_path / 'predictions.jsonl'), '--ann', str(tmp_path / 'truth.json')


def test_tables_and_json(files, capsys):
    assert main(files) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for row in (['coco/AP', '1.000'], ['EPE', '(pixels)', '0.333'], ['people', '1'], ['coco/AP', '(L)', '-']):
        assert row in lines
    assert ['head', '1', '1.000', '1.000', '1.000'] in lines and ['left_foot', '1', '0.000', '1.000', '1.000'] in lines
    assert 'the sigmas of the OKS are not known: 0.05 for each keypoint'.split() in lines
    assert main([*files, '--json']) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores['PCK@0.2'] == 1 and scores['keypoints']['head']['EPE'] == 1 and len(scores['notes']) == 1


def test_what_is_missing_is_named(files, refuses, tmp_path, monkeypatch):
    refuses('eval', tmp_path / 'none.jsonl', '--ann', files[-1], message='none.jsonl: no such file of predictions')
    refuses(*files[:3], tmp_path / 'none.json', message='--ann ')
    monkeypatch.setitem(sys.modules, 'pycocotools', None)
    refuses(*files, message='vitpose eval needs the package pycocotools (')
