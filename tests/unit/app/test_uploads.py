"""Uploads: what is predicted, drawn and written; what cannot be."""

import json

import cv2
import numpy as np
import pytest

from tests.unit.predict.frames import write_video
from tests.unit.predict.tiny_files import dot, write_dots
from vitpose import PosePredictor
from vitpose.app import uploads
from vitpose.app.uploads import first_image, parse_boxes, predict_upload


@pytest.fixture
def predict(tmp_path):
    """A function that predicts a file of `tmp_path` and returns what is drawn, the notes and the lines."""
    predictor = PosePredictor.load(write_dots(tmp_path / 'dots.onnx'))

    def predict(name, boxes=None, threshold=0.3):
        folder = tmp_path / f'out {threshold}'
        folder.mkdir()
        drawn, notes = predict_upload(predictor, str(tmp_path / name), boxes, threshold, folder)
        assert drawn.parent == folder
        return drawn, notes, [json.loads(line) for line in (folder / 'predictions.jsonl').read_text().splitlines()]

    return predict


def test_image_with_boxes(predict, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), dot(60, 50))
    drawn, notes, (row,) = predict('a.png', np.float32([[40, 20, 90, 90], [500, 500, 600, 600]]))
    assert (row['file'], row['boxes']) == ('a.png', [[40, 20, 90, 90]])
    np.testing.assert_allclose(row['keypoints'], [[(60, 50)] * 2], atol=1.5)
    assert notes[0] == '1 person in 1 frame' and '500' in notes[1]
    assert drawn.name == 'a.jpg' and cv2.imread(str(drawn)).shape == (120, 160, 3)


def test_threshold_hides_keypoints_in_the_image_alone(predict, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), dot(60, 50))
    pixels = []
    for threshold in (0.3, 1e6):
        drawn, _, (row,) = predict('a.png', threshold=threshold)
        assert len(row['keypoints'][0]) == 2
        pixels.append(int((cv2.imread(str(drawn))[40:60, 50:70].max(-1) > 120).sum()))
    assert pixels[0] > pixels[1] + 10


def test_video_up_to_a_limit(predict, tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, 'MAX_FRAMES', 3)
    write_video(tmp_path / 'v.mp4', [dot(20 + 10 * i, 50) for i in range(5)])
    assert first_image(str(tmp_path / 'v.mp4')).shape == (120, 160, 3)
    drawn, notes, rows = predict('v.mp4')
    assert [row['frame'] for row in rows] == [0, 1, 2] and drawn.name == 'v.mp4'
    assert notes[0] == '3 people in 3 frames' and 'up to its frame 3' in notes[1]


@pytest.mark.parametrize(('name', 'message'), [('a.png', 'a.png: '), ('a.mp4', 'a.mp4: '), ('a.txt', 'expected an im')])
def test_foreign_files_are_refused_without_the_folder_of_the_upload(predict, tmp_path, name, message):
    (tmp_path / name).write_bytes(b'nothing of the kind')
    for refused in (lambda: first_image(str(tmp_path / name)), lambda: predict(name)):
        with pytest.raises(ValueError, match=message) as caught:
            refused()
        assert str(tmp_path) not in str(caught.value)


def test_boxes_are_read_from_text():
    np.testing.assert_array_equal(parse_boxes(' 1 2 3.5 4\n\n5,6, 7,8 '), [(1, 2, 3.5, 4), (5, 6, 7, 8)])
    assert parse_boxes(' \n') is None
    for text in ('1 2 3', 'a b c d', '1 2 3 4 5'):
        with pytest.raises(ValueError, match='expected four numbers, x1 y1 x2 y2'):
            parse_boxes(text)
