"""The JSON files: valid at every moment, readable by pycocotools and by `--boxes`."""

import inspect
import json
from types import SimpleNamespace

import numpy as np
import pytest
from mmpose.evaluation.metrics import CocoMetric
from pycocotools.coco import COCO

from tests.unit.predict.frames import METAINFO, make_frame, make_poses
from vitpose.predict.inputs.boxes import read_boxes
from vitpose.predict.inputs.sources import Source
from vitpose.predict.outputs.results import MIN_SCORE, CocoResults, JsonArray, JsonLines
from vitpose.predict.poses import Frame

BROKEN = Frame('c.jpg', None, error='not an image')


def test_each_line_is_there_as_soon_as_it_is_written_and_the_file_can_be_used_for_boxes(tmp_path):
    path = tmp_path / 'p.jsonl'
    lines = JsonLines(path)
    frames = [make_frame('a.jpg'), make_frame('v.mp4', index=3, time=0.12), make_frame('v.mp4', index=4, time=0.16)]
    predicted = [make_poses(2, dropped=['box 3: no area']), make_poses(1, track=True), make_poses(0)]
    lines.write(frames[0], predicted[0])
    (line,) = map(json.loads, path.read_text().splitlines())
    assert line == {
        'file': 'a.jpg',
        'size': [80, 60],
        'error': None,
        'boxes': [[4, 2, 18, 50], [19, 2, 33, 50]],
        'scores': [1, 1],
        'keypoints': [[[10, 5], [8, 45], [14, 45]], [[25, 5], [23, 45], [29, 45]]],
        'keypoint_scores': [[0.9, 0.8, 0.1]] * 2,
        'track_ids': None,
        'dropped': ['box 3: no area'],
    }
    lines.write(frames[1], predicted[1])
    lines.write(frames[2], predicted[2])
    lines.write(BROKEN, make_poses(0))
    _, video, _, broken = map(json.loads, path.read_text().splitlines())
    assert (video['frame'], video['time'], video['track_ids']) == (3, 0.12, [0])
    assert (broken['error'], broken['size'], broken['boxes']) == ('not an image', None, [])
    lines.close()
    given = read_boxes(path, [Source('a.jpg', 'image'), Source('v.mp4', 'video')])
    for poses, frame in zip(predicted, given.fill(frames), strict=True):
        np.testing.assert_array_equal(frame.boxes, poses.boxes)


@pytest.fixture
def coco_results(tmp_path):
    def write(given=None):
        results = CocoResults(tmp_path / 'keypoints.json', tmp_path / 'images.json', METAINFO, given)
        for frame, count in ((make_frame('a.jpg'), 2), (BROKEN, 0), (make_frame('v.mp4', 10, 20, index=7), 1)):
            results.write(frame, make_poses(count))
        assert not list(tmp_path.glob('*.json'))
        results.close()
        return tmp_path / 'keypoints.json', tmp_path / 'images.json'

    return write


def test_pycocotools_reads_the_results(coco_results):
    results, images = coco_results()
    truth = COCO(str(images))
    assert truth.loadImgs([1, 2]) == [
        {'id': 1, 'file_name': 'a.jpg', 'width': 80, 'height': 60},
        {'id': 2, 'file_name': 'v.mp4', 'width': 20, 'height': 10, 'frame': 7},
    ]
    (category,) = truth.dataset['categories']
    assert category['keypoints'] == ['head', 'left_foot', 'right_foot'] and category['skeleton'] == [[1, 2], [1, 3]]
    loaded = truth.loadRes(str(results))
    first, second, third = loaded.loadAnns(loaded.getAnnIds())
    assert [person['image_id'] for person in (first, second, third)] == [1, 1, 2]
    assert second['keypoints'] == [25, 5, 0.9, 23, 45, 0.8, 29, 45, 0.1] and second['category_id'] == 1
    assert second['score'] == pytest.approx(0.85)  # the third keypoint does not count


def test_given_ids_of_images_and_categories_are_used(coco_results):
    ids = {'a.jpg': 70, 'c.jpg': 80, 'v.mp4': 90}
    results, images = coco_results(SimpleNamespace(image_ids=ids, categories={'a.jpg': np.array([5, 3])}))
    assert not images.exists()
    people = json.loads(results.read_text())
    assert [(person['image_id'], person['category_id']) for person in people] == [(70, 5), (70, 3), (90, 1)]


def test_score_is_that_of_mmpose():
    """MMPose's CocoMetric multiplies the box score with the mean of the keypoint scores above 0.2."""
    defaults = inspect.signature(CocoMetric).parameters
    assert defaults['score_mode'].default == 'bbox_keypoint'
    assert defaults['keypoint_score_thr'].default == MIN_SCORE == 0.2


def test_array_is_empty_or_safe_in_a_script(tmp_path):
    JsonArray(tmp_path / 'a.json').close()
    assert json.loads((tmp_path / 'a.json').read_text()) == []
    array = JsonArray(tmp_path / 'b.html', '<script>', '</script>')
    array.append({'file': '</script><b>'})
    array.close()
    text = (tmp_path / 'b.html').read_text()
    assert text.count('<') == 2
    assert json.loads(text.removeprefix('<script>').removesuffix('</script>')) == [{'file': '</script><b>'}]
