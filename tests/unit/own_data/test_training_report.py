"""report.html: the numbers of `vitpose eval`, worst and median images, and names that are no markup."""

import json
import re

import numpy as np
import pytest

from tests.unit.own_data import makers
from tests.unit.predict.frames import METAINFO, make_frame, make_poses
from vitpose.own_data.training_report import Prediction, draw_curve, measure_errors, read_notes, write_report
from vitpose.predict.evaluation import evaluate
from vitpose.predict.inputs.sources import Source
from vitpose.predict.outputs.output_files import Outputs

NAMES = ['head', 'left_foot', 'right_foot']


def predict(path, shift, person=0):
    """The prediction of a person of `make_poses`, whose labels are moved to the right; the third one is not labeled."""
    poses = make_poses(person + 1)
    points, visible = poses.keypoints[person], np.array([True, True, False])
    return Prediction(str(path), poses.boxes[person], points + (shift, 0), visible, points)


@pytest.fixture
def run(tmp_path):
    """A work directory with a log of a resumed run, and a config."""
    steps = [dict(loss=9.0 / step, time=60, step=step) for step in (1, 2, 3)]
    for name, records in dict(a=[*steps, {'coco/AP': 0.25, 'step': 1}], b=steps[1:]).items():
        folder = tmp_path / f'run/{name}/vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, records)))
        (folder.parent / 'run.log').touch()
    (tmp_path / 'run/best_coco_AP_epoch_1.pth').touch()
    (tmp_path / 'config.py').write_text('"""Mice: <3 keypoints."""\nlr = 1  # from the <checkpoint>\nother = 2\n')
    return tmp_path


def test_errors_are_those_of_eval(tmp_path):
    outputs = Outputs(tmp_path, [Source('a.jpg', 'image')], METAINFO, draw=False)
    outputs.write(make_frame('a.jpg'), make_poses(2))
    outputs.close()
    rows = [predict('a.jpg', 3), predict('a.jpg', 7, 1)]
    people = []
    for row in rows:
        keypoints = np.column_stack((row.labels, row.visible * 2)).ravel().tolist()
        box = np.concatenate((row.box[:2], row.box[2:] - row.box[:2])).tolist()
        people.append(dict(image_id=1, category_id=1, bbox=box, keypoints=keypoints))
    truth = tmp_path / 'truth.json'
    truth.write_text(json.dumps(dict(images=[dict(id=1, file_name='a.jpg', width=80, height=60)], annotations=people)))
    scores, _ = evaluate(tmp_path / 'predictions.jsonl', truth)
    errors = measure_errors(NAMES, rows)
    whole = errors.pop('all')
    assert errors == scores['keypoints'] and errors['head']['EPE'] == pytest.approx(5)
    assert (whole['labeled'], whole['EPE'], whole['PCK@0.1']) == (4, pytest.approx(5), scores['PCK@0.1'])
    assert errors['right_foot']['EPE'] is None and whole['PCK@0.2'] == scores['PCK@0.2'] != whole['PCK@0.1']


def test_page(run):
    rows = [predict(makers.write_image(run / f'<b>{i}.png', i), i) for i in range(13)]
    names = METAINFO['keypoint_id2name'] | {0: '<b>head'}
    meta = METAINFO | dict(dataset_name='<i>mice</i>', num_keypoints=3, keypoint_id2name=names)
    write_report(run / 'run/report.html', run / 'config.py', 'coco/AP', meta, rows, rows[:2])
    page = (run / 'run/report.html').read_text()
    assert '&lt;i&gt;mice&lt;/i&gt;: training' in page and '<b>' not in page and '<i>' not in page
    assert '13 held-out instances' in page and '2 of the training instances' in page
    for cells in ('&lt;b&gt;head</td><td>13</td><td>6.000', 'right_foot</td><td>0</td><td>-'):
        assert f'<td>{cells}</td>' in page
    shown = re.findall(r'&gt;(\d+).png: ([\d.]+) pixels', page)
    assert [int(name) for name, _ in shown] == [12, 11, 10, 9, 8, 7, 9, 8, 7, 6, 5, 4] and shown[0][1] == '12.0'
    assert page.count('src="data:image/jpeg;base64,') == 12 and '://' not in page and '<script' not in page
    assert '<li>Mice: &lt;3 keypoints.</li><li>lr = 1  # from the &lt;checkpoint&gt;</li></ul>' in page
    assert f'--checkpoint {run}/run/best_coco_AP_epoch_1.pth --out poses' in page
    assert 'last one: 0.250' in page and '4.0 minutes of training' in page  # a step was repeated
    assert len(page) < 600_000  # of noise
    write_report(run / 'run/report.html', run / 'config.py', 'coco/AP', meta, [], rows[:2])  # of detected boxes
    page = (run / 'run/report.html').read_text()
    assert '2 of the training instances' in page and 'No held-out labels' in page and '<h2>Worst' not in page
    (run / 'notes.txt').write_text('flips are off\nboxes derived')
    assert read_notes(run / 'config.py') == ['flips are off', 'boxes derived']
    (run / 'rats').mkdir()
    (run / 'rats/notes.txt').write_text('of rats')  # one of several datasets
    for name, notes in (('rats', ['of rats']), ('mice', ['flips are off', 'boxes derived'])):
        assert read_notes(run / 'config.py', name) == notes


def test_curve_has_all_parts_of_a_resumed_run_and_only_finite_numbers():
    nan, inf = float('nan'), float('inf')
    loss, score = [(1.0, 9.0), (2.0, inf), (2.0, nan), (3.0, 0.9)], [(1.0, 0.1), (2.0, nan), (3.0, 0.6)]
    svg = draw_curve(loss, score, '<AP>')
    assert re.findall(r'points="([^"]*)"', svg) == ['228.0,44.0 596.0,196.0', '228.0,196.0 596.0,44.0']
    assert svg.count('<circle') == 2 and '3.0 minutes of training' in svg and 'loss 0.9<' in svg
    assert '&lt;AP&gt; 0.6' in svg and draw_curve([], [], 'AP').count('<polyline points=""') == 2
