"""Lists of results, with images.json beside them; `test_pose_formats.py` reads those that `--save coco` writes."""

import json

import numpy as np
import pytest

from tests.unit.own_data import makers
from tests.unit.own_data.makers import read

SCORES = [0.9, 0.3, 0.29, 0.1]


@pytest.fixture
def results(tmp_path):
    """The path of a list of results: one in each of two images, and one in a frame of a video."""
    content = makers.coco(2)
    makers.write_coco(tmp_path, content)
    frame = dict(id=3, file_name='run.mp4', frame=7, width=80, height=60)
    rows = []
    for image in (1, 2, 3):
        points = np.column_stack((makers.keypoints(image)[:, :2], SCORES)).ravel().tolist()
        rows.append(dict(image_id=image, category_id=1, keypoints=points, score=0.5, bbox=[2, 4, 34, 42]))
    head = dict(annotations=[], categories=content['categories'], images=[*content['images'], frame])
    (tmp_path / 'images.json').write_text(json.dumps(head))
    (tmp_path / 'keypoints.json').write_text(json.dumps(rows))
    return tmp_path / 'keypoints.json'


def test_keypoints_are_labeled_from_the_score_that_was_drawn(results):
    annotations = read(results)
    assert annotations.labels.names == makers.NAMES and not annotations.unreadable
    for i, photo in enumerate(annotations.photos, 1):
        (instance,) = photo.instances
        assert photo.path == results.with_name(f'frame {i - 1}.png') and instance.box == (2, 4, 34, 42)
        visible = np.array([[1], [1], [0], [0]])
        expected = np.column_stack((makers.keypoints(i)[:, :2], [2] * 4)) * visible
        np.testing.assert_array_equal(instance.keypoints, expected)
    assert len(annotations.photos) == 2
    for text in ('keypoints with a score below 0.3 are not labeled', '1 frames of videos are left out'):
        assert any(text in note for note in annotations.notes)
    results.with_name('settings.json').write_text('{"kpt_score": "0.1"}')  # as `vitpose predict` writes it
    assert all((photo.instances[0].keypoints[:, 2] == 2).all() for photo in read(results).photos)


def test_a_bad_result_is_left_out_and_named(results):
    rows = json.loads(results.read_text())
    rows[0]['keypoints'] = [1, 2]
    results.write_text(json.dumps(rows))
    annotations = read(results)
    (problem,) = annotations.unreadable
    assert annotations.count == 1 and 'annotations[0]: keypoints: expected 12 numbers, got 2' in problem


def test_results_without_images_are_refused(results):
    listed = results.with_name('images.json')
    head = json.loads(listed.read_text())
    listed.write_text(json.dumps(head | dict(images=head['images'][2:])))
    with pytest.raises(ValueError, match='only results of videos; label their frames with .* --save slp'):
        read(results)
    listed.write_text('[]')
    with pytest.raises(ValueError, match='images.json: expected an object with a list of images'):
        read(results)
    listed.unlink()
    with pytest.raises(ValueError, match='COCO results, without .*images.json, .*; pass a COCO keypoint file'):
        read(results)
    results.write_text('[{"id": 1, "data": {"img": "a.png"}, "annotations": []}]')
    with pytest.raises(ValueError, match="tasks in Label Studio's own format: export them as COCO or YOLO"):
        read(results)
