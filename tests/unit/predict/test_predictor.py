"""PosePredictor: order, batches, bad frames and boxes, threads."""

import threading
import time
import weakref

import cv2
import numpy as np
import pytest

from tests.unit.predict.tiny_models import rendered
from vitpose import PosePredictor
from vitpose.predict.poses import Frame


@pytest.fixture(scope='module')
def predictor(model_files):
    """A predictor with small batches."""
    return PosePredictor.load(*model_files, device='cpu', batch_size=4)


def frames(count):
    for i in range(count):
        image, boxes = rendered(i % 4)
        yield Frame(f'{i}.jpg', image, index=i, boxes=boxes)


def test_one_image_gives_poses_and_a_list_gives_a_list(predictor, tmp_path):
    image, boxes = rendered(1)
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    poses = predictor(image, boxes)
    assert poses.keypoints.shape == (len(boxes), 17, 2) and poses.scores.shape == (len(boxes), 17)
    np.testing.assert_array_equal(poses.boxes, boxes)
    np.testing.assert_array_equal(poses.box_scores, np.ones(len(boxes)))
    assert {a.dtype for a in (poses.keypoints, poses.scores, poses.boxes, poses.box_scores)} == {np.dtype(np.float32)}
    assert (poses.track_ids, poses.dropped) == (None, [])
    named, whole, nobody = predictor([str(tmp_path / 'a.png'), tmp_path / 'a.png', image], [boxes, None, boxes[:0]])
    np.testing.assert_allclose(named.keypoints, poses.keypoints, atol=1e-3)
    np.testing.assert_array_equal(whole.boxes, [[0, 0, 320, 240]])
    shapes = [value.shape for value in (nobody.keypoints, nobody.scores, nobody.boxes, nobody.box_scores)]
    assert shapes == [(0, 17, 2), (0, 17), (0, 4), (0,)] and predictor([]) == []
    some = predictor(image, [[900, 0, 950, 50], *boxes, [0, 0, 0, 9]])
    np.testing.assert_allclose(some.keypoints, poses.keypoints, atol=1e-3)
    assert [line.split()[1] for line in some.dropped] == ['0', str(len(boxes) + 1)]


def test_people_share_batches_and_every_frame_comes_in_order(predictor, monkeypatch):
    sizes, heatmaps = [], predictor.model.heatmaps
    monkeypatch.setattr(predictor.model, 'heatmaps', lambda crops: sizes.append(len(crops)) or heatmaps(crops))
    results = list(predictor.stream(frames(11)))
    people = sum(len(frame.boxes) for frame in frames(11))
    assert people % 4 and sizes == [4] * -(-people // 4)  # the last batch is filled up
    assert [frame.index for frame, _ in results] == list(range(11))
    expected = predictor([rendered(i)[0] for i in range(4)], [rendered(i)[1] for i in range(4)])
    for frame, poses in results:
        image, boxes = rendered(frame.index % 4)
        np.testing.assert_array_equal(frame.image, image)
        np.testing.assert_array_equal(poses.boxes, boxes)
        np.testing.assert_allclose(poses.keypoints, expected[frame.index % 4].keypoints, atol=1e-3)


def test_broken_frames_do_not_change_the_others(predictor, tmp_path):
    (tmp_path / 'broken.jpg').write_bytes(b'\xff\xd8 nothing')
    good = list(predictor.stream(frames(8)))
    broken = [
        Frame(str(tmp_path / 'broken.jpg'), None),
        Frame('a video', None, error='it ends early'),
        np.zeros((3, 3), np.float32),
        tmp_path / 'absent.jpg',
    ]
    mixed = [item for pair in zip(frames(7), broken * 2, strict=False) for item in pair]  # the last batch is smaller
    results = list(predictor.stream(mixed))
    for (_, before), (_, after) in zip(good[:7], results[::2], strict=True):
        np.testing.assert_array_equal(before.keypoints, after.keypoints)
        np.testing.assert_array_equal(before.scores, after.scores)
    for frame, poses in results[1::2]:
        assert frame.image is None and '\n' not in frame.error
        assert poses.keypoints.shape == (0, 17, 2)
    assert [results[i][0].error.split(': ')[-1][:20] for i in (3, 7)] == ['it ends early', 'No such file or dire']


def test_memory_does_not_grow_and_the_stream_stops_with_its_consumer(predictor):
    """At most 3 batches of frames, and a few that are read ahead, are alive."""
    alive, closed, before = set(), [], threading.active_count()

    def endless():
        try:
            for i in range(10**6):
                image = rendered(0)[0].copy()
                alive.add(i)
                weakref.finalize(image, alive.discard, i)
                yield image
        finally:
            closed.append(True)

    stream = predictor.stream(endless())
    counts = [len(alive) for _, _ in zip(range(150), stream, strict=False)]
    time.sleep(0.3)
    assert max(*counts, len(alive)) <= 4 * predictor.batch_size + 2 * predictor._threads + 2
    assert max(counts[75:]) <= max(counts[:75]) + predictor.batch_size
    stream.close()
    assert closed and threading.active_count() <= before + predictor._threads


def test_frames_without_people_do_not_wait_for_a_batch(predictor):
    seen = []

    def empty_then_wait():
        for i in range(3):
            yield Frame(str(i), rendered(0)[0], boxes=np.zeros((0, 4)))
        assert any(seen or time.sleep(0.05) for _ in range(100))
        yield rendered(0)[0]

    for frame, _ in predictor.stream(empty_then_wait()):
        seen.append(frame.name)
    assert seen[0] == '0'


def test_few_people_in_many_frames_do_not_wait_for_a_full_batch(predictor):
    """At most 2 x batch_size frames are kept back."""
    taken = []

    def sparse():
        for i in range(100):
            taken.append(i)
            image, boxes = rendered(0)
            yield Frame(str(i), image, boxes=boxes[:1] if i == 0 else boxes[:0])

    next(predictor.stream(sparse()))
    assert len(taken) < 40


def test_a_call_raises_for_an_image_that_cannot_be_read(predictor, tmp_path):
    (tmp_path / 'broken.jpg').write_bytes(b'')
    with pytest.raises(ValueError, match=r'broken.jpg: empty \(0 bytes\)'):
        predictor([rendered(0)[0], tmp_path / 'broken.jpg'])
    with pytest.raises(ValueError, match='2 images with 1 sets of boxes'):
        predictor([rendered(0)[0]] * 2, [None])


def test_a_detector_finds_the_people_of_frames_without_boxes(predictor):
    class Halves:
        batch_size, calls = 2, []

        def __call__(self, images):
            self.calls.append(len(images))
            return [(np.float32([[0, 0, 160, 240], [160, 0, 320, 240]]), np.float32([0.9, 0.8]))] * len(images)

    detecting = PosePredictor(predictor.model, Halves(), batch_size=4)
    image, boxes = rendered(0)
    inputs = [image, Frame('bad', None, error='bad'), Frame('own', image, boxes=boxes), image, image]
    poses = [poses for _, poses in detecting.stream(inputs)]
    assert [len(found.boxes) for found in poses] == [2, 0, len(boxes), 2, 2]
    np.testing.assert_array_equal(poses[3].box_scores, np.float32([0.9, 0.8]))
    assert detecting.detector.calls == [1, 1, 1]
    with pytest.raises(ValueError, match='batch_size=0: expected at least 1'):
        PosePredictor(predictor.model, batch_size=0)
