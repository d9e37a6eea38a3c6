"""Between detections, boxes of a video follow the keypoints of the frame before."""

import cv2
import numpy as np
import pytest

from tests.unit.predict.detection.test_two_pass import RectangleModel
from vitpose import PosePredictor
from vitpose.predict.detection.two_pass import TwoPassDetector
from vitpose.predict.poses import Frame


class CountingDetector:
    """Finds nothing but the place where the rectangle was at first; counts its images."""

    batch_size, score_threshold, count = 1, 0.3, 0

    def __call__(self, images):
        self.count += len(images)
        return [(np.float32([[90, 90, 170, 230], [0, 0, 20, 20]]), np.float32([0.9, 0.8])) for _ in images]


def frames(name='walk.mp4', count=7, index=True):
    for i in range(count):
        image = np.zeros((480, 640, 3), np.uint8)
        x = 100 + 12 * i
        cv2.rectangle(image, (x, 100), (x + 59, 219), (255,) * 3, -1)
        yield Frame(name, image, index=i if index else None)


@pytest.mark.parametrize(('every', 'count'), [(1, 7), (3, 3), (100, 1)])
def test_boxes_follow(every, count):
    detector = CountingDetector()
    results = list(PosePredictor(RectangleModel(None), detector, det_every=every).stream(frames()))
    assert detector.count == count and [frame.index for frame, _ in results] == list(range(7))
    for i, (_, poses) in enumerate(results):
        if i % every == 0:
            assert poses.box_scores.tolist() == pytest.approx([0.9, 0.8])  # both boxes of the detector
        else:  # nobody is in the other box
            margin = 12
            before = 100 + 12 * (i - 1)
            expected = [before - margin, 100 - margin, before + 59 + margin, 219 + margin]
            assert np.abs(poses.boxes - [expected]).max() < 6 and poses.box_scores.tolist() == pytest.approx([0.9])
            found = np.float32([(before + 12, 100), (before + 71, 100), (before + 12, 219), (before + 71, 219)])
            assert np.abs(poses.keypoints[0] - found).max() < 6


def test_each_video_and_each_image_of_a_folder_is_detected():
    detector = CountingDetector()
    later = list(frames('b.mp4', 3))[1:]  # from its second frame on
    inputs = [*frames('a.mp4', 2), *later, *frames('c.jpg', 3, index=False)]
    list(PosePredictor(RectangleModel(None), detector, det_every=5).stream(inputs))
    assert detector.count == 1 + 1 + 3
    list(PosePredictor(RectangleModel(None), detector, det_every=5).stream(later * 3))
    assert detector.count == 5 + 3  # a part of a video that starts again


def test_a_broken_frame_does_not_lose_anybody_and_given_boxes_are_used():
    detector = CountingDetector()
    inputs = list(frames(count=4))
    inputs[1] = Frame('walk.mp4', None, index=1, error='broken')
    inputs[3].boxes = np.float32([[5, 5, 60, 60]])
    results = [poses for _, poses in PosePredictor(RectangleModel(None), detector, det_every=9).stream(inputs)]
    assert [len(poses.boxes) for poses in results] == [2, 0, 1, 1] and detector.count == 1
    assert results[3].boxes.tolist() == [[5, 5, 60, 60]]


def test_images_share_batches_where_videos_are_followed():
    """One object in two passes: images are searched together, a video in its first frame."""
    model = RectangleModel('two_pass')
    sizes = []
    model.predict = lambda crops, predict=model.predict: sizes.append(len(crops)) or predict(crops)
    predictor = PosePredictor(model, batch_size=4)
    inputs = [*frames('a.jpg', 4, index=False), *frames('walk.mp4', 5)]
    names = [frame.name for frame, _ in predictor.stream(inputs)]
    assert names == ['a.jpg'] * 4 + ['walk.mp4'] * 5
    assert sizes == [4, 4] + [1] * 6


@pytest.mark.parametrize(('factor', 'expected'), [(1.0, [0]), (0.55, [0, 4])])
def test_one_object_is_searched_again_when_the_scores_fall(factor, expected):
    model, seen, searched = RectangleModel('two_pass'), [], []

    class Counting(TwoPassDetector):
        def __call__(self, images):
            searched.append(len(seen))
            return super().__call__(images)

    def predict(crops, predict=model.predict):
        keypoints, scores = predict(crops)
        return keypoints, scores * (factor if len(seen) == 3 else 1)

    model.predict = predict
    for frame, _ in PosePredictor(model, Counting(model)).stream(frames(count=7)):
        seen.append(frame.index)
    assert searched == expected
