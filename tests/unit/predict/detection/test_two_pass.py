"""One object per image, found by the pose model itself."""

import cv2
import numpy as np
import pytest

from vitpose import PosePredictor
from vitpose.predict.detection.two_pass import TwoPassDetector, box_around
from vitpose.predict.models.crops import CropRule
from vitpose.predict.poses import Frame

CORNERS = np.array([[200, 150], [259, 150], [200, 269], [259, 269]], np.float32)


class RectangleModel:
    """Finds the corners of a bright rectangle in a crop."""

    device, num_keypoints, crop_rule = 'cpu', 4, CropRule((48, 64))

    def __init__(self, objects):
        self.metainfo = dict(objects=objects)

    def predict(self, crops):
        keypoints, scores = np.zeros((len(crops), 4, 2)), np.zeros((len(crops), 4))
        for i, crop in enumerate(crops):
            ys, xs = np.nonzero(crop[..., 0] > 127)
            if len(xs):
                keypoints[i] = [(x, y) for y in (ys.min(), ys.max()) for x in (xs.min(), xs.max())]
                scores[i] = 0.5, 0.6, 0.7, 0.8
        return keypoints, scores


@pytest.fixture
def image():
    pixels = np.zeros((480, 640, 3), np.uint8)
    return cv2.rectangle(pixels, (200, 150), (259, 269), (255,) * 3, -1)


@pytest.mark.parametrize('objects', ['two_pass', 'person'])
def test_the_second_pass_is_around_the_keychosenof_the_first(image, objects):
    predictor = PosePredictor(RectangleModel(objects))
    poses = predictor(image)
    margin = 0.1 * 120
    expected = [200 - margin, 150 - margin, 259 + margin, 269 + margin]
    assert np.abs(poses.boxes[0] - expected).max() < 16  # a pixel of the first crop is 13 in the image
    assert np.abs(poses.keypoints[0] - CORNERS).max() < 5
    whole = PosePredictor(RectangleModel(objects), detector=None)(image)
    assert np.abs(whole.keypoints[0] - CORNERS).max() > 5
    np.testing.assert_allclose(poses.box_scores, 0.65, atol=1e-6)


def test_a_network_with_cuda_graphs_gets_their_sizes_of_batches(image):
    model, sizes = RectangleModel('two_pass'), []
    predict, model.compiled = model.predict, True
    model.predict = lambda crops: sizes.append(len(crops)) or predict(crops)
    for model.device in ('cpu', 'cuda'):
        assert len(TwoPassDetector(model)([image] * 3)) == 3
    assert sizes == [3, 8]


@pytest.mark.parametrize(
    ('objects', 'boxes', 'told'),
    [
        (None, [[0, 0, 64, 48]], ''),
        (None, [[0, 0, 640, 480]], ''),
        (None, [[0, 0, 32, 24], [0, 0, 16, 12]], 'a.png: a box takes 0.25% of the image, and the model was trained'),
        (None, None, 'a.png: a box takes 100.00% of the image, and the model was trained with boxes of 2.00% to 24'),
        ('two_pass', None, ''),
    ],
)
def test_boxes_far_from_those_of_the_training_are_said_once(image, caplog, objects, boxes, told):
    model = RectangleModel(objects)
    model.metainfo['box_share'] = [0.02, 0.24] if not boxes or len(boxes) > 1 else [0.02, 0.26]
    frames = [Frame('a.png', image, boxes=boxes and np.float32(boxes)) for _ in range(3)]
    assert len(list(PosePredictor(model).stream(frames))) == 3
    assert len(caplog.messages) == bool(told) and all(line.startswith(told) for line in caplog.messages)


def test_boxes_and_other_models_need_no_search(image):
    boxes = [[190, 140, 270, 280]]
    np.testing.assert_array_equal(PosePredictor(RectangleModel('person'))(image, boxes).boxes, boxes)
    for objects in (None, 'whole_image', 'detector'):
        np.testing.assert_array_equal(PosePredictor(RectangleModel(objects))(image).boxes, [[0, 0, 640, 480]])


def test_without_sure_keypoints_the_whole_image_is_the_box(image, monkeypatch):
    monkeypatch.setattr('vitpose.predict.detection.two_pass.MIN_KEYPOINT_SCORE', 0.65)
    detector = TwoPassDetector(RectangleModel('two_pass'))
    (box, score), (empty_box, empty_score) = detector([image, np.zeros((30, 40, 3), np.uint8)])
    assert box.tolist() == [[0, 0, 640, 480]] and score.tolist() == [0]  # two keypoints are surer
    assert empty_box.tolist() == [[0, 0, 40, 30]] and empty_score.tolist() == [0]


def test_the_box_around_few_keypoints():
    points, size = np.array([(10, 20), (30, 40), (50, 60)], float), (100, 100)
    for chosen, scores, box in (
        (points, (0.9, 0.9, 0.2), None),
        (points[:2], (0.9, 0.9), [8, 18, 32, 42]),
        (points[:2], (0.9, 0.2), None),
        (points[:1], (0.9,), None),
        (points[[0, 0]], (0.9, 0.9), None),
    ):
        found = box_around(chosen, np.array(scores), size)
        assert (found if found is None else found.tolist()) == box


def test_the_box_stays_in_the_image():
    pixels = np.full((60, 40, 3), 255, np.uint8)
    ((box, _),) = TwoPassDetector(RectangleModel('two_pass'))([pixels])
    assert box.min() >= 0 and (box[0, 2:] <= (40, 60)).all()
