"""PosePredictor: order, batches, bad frames and boxes, threads."""

import subprocess
import sys
import threading
import time
import weakref

import cv2
import numpy as np
import pytest

from tests.unit.predict.tiny_models import rendered, single, write
from vitpose import PosePredictor
from vitpose.predict.poses import Frame


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Config and checkpoint of a model of one dataset."""
    return write(single(), tmp_path_factory.mktemp('single'))


@pytest.fixture(scope='module')
def predictor(files):
    """A predictor with small batches."""
    return PosePredictor.load(*files, device='cpu', batch_size=4)


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
    listed = predictor([str(tmp_path / 'a.png'), tmp_path / 'a.png', image], [boxes, None, boxes[:0]])
    np.testing.assert_allclose(listed[0].keypoints, poses.keypoints, atol=1e-3)
    np.testing.assert_array_equal(listed[1].boxes, [[0, 0, 320, 240]])
    assert [len(each.keypoints) for each in listed] == [len(boxes), 1, 0]
    assert predictor([]) == []


def test_no_people_give_empty_arrays(predictor):
    poses = predictor(rendered(0)[0], [])
    shapes = [value.shape for value in (poses.keypoints, poses.scores, poses.boxes, poses.box_scores)]
    assert shapes == [(0, 17, 2), (0, 17), (0, 4), (0,)]


def test_bad_boxes_are_dropped(predictor):
    image, boxes = rendered(1)
    poses = predictor(image, [[900, 0, 950, 50], *boxes[:2], [0, 0, 0, 9]])
    np.testing.assert_allclose(poses.keypoints, predictor(image, boxes[:2]).keypoints, atol=1e-3)
    assert [line[:5] for line in poses.dropped] == ['box 0', 'box 3']


def test_people_share_batches_and_every_frame_comes_in_order(predictor, monkeypatch):
    sizes = []
    heatmaps = predictor.model.heatmaps
    monkeypatch.setattr(predictor.model, 'heatmaps', lambda crops: sizes.append(len(crops)) or heatmaps(crops))
    found = list(predictor.stream(frames(11)))
    people = sum(len(frame.boxes) for frame in frames(11))
    assert people % 4 and sizes == [4] * -(-people // 4)  # the last batch is filled up
    assert [frame.index for frame, _ in found] == list(range(11))
    for frame, poses in found:
        image, boxes = rendered(frame.index % 4)
        np.testing.assert_array_equal(frame.image, image)
        np.testing.assert_array_equal(poses.boxes, boxes)
        np.testing.assert_allclose(poses.keypoints, predictor(image, boxes).keypoints, atol=1e-3)


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
    found = list(predictor.stream(mixed))
    for (_, before), (_, after) in zip(good[:7], found[::2], strict=True):
        np.testing.assert_array_equal(before.keypoints, after.keypoints)
        np.testing.assert_array_equal(before.scores, after.scores)
    for frame, poses in found[1::2]:
        assert frame.image is None and '\n' not in frame.error
        assert poses.keypoints.shape == (0, 17, 2)
    assert [found[i][0].error.split(': ')[-1][:20] for i in (3, 7)] == ['it ends early', 'No such file or dire']


def test_the_stream_is_lazy_and_stops_with_its_consumer(predictor):
    taken, before = [], threading.active_count()

    def endless():
        try:
            for i in range(10**6):
                taken.append(i)
                yield rendered(0)[0]
        finally:
            taken.append('closed')

    stream = predictor.stream(endless())
    for _ in range(3):
        next(stream)
    time.sleep(0.3)
    assert len(taken) < 3 + 40
    stream.close()
    assert taken[-1] == 'closed'
    assert threading.active_count() <= before + predictor._threads


def test_frames_without_people_do_not_wait_for_a_batch(predictor):
    seen = []

    def empty_then_wait():
        for i in range(3):
            yield Frame(str(i), rendered(0)[0], boxes=np.zeros((0, 4)))
        assert [seen.append(1) for _ in range(100) if not seen and not time.sleep(0.05)] or seen
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


def test_memory_does_not_grow_with_the_number_of_frames(predictor):
    """At most 3 batches of frames, and a few that are read ahead, are alive."""
    alive, most = set(), []

    def many():
        for i in range(150):
            image = rendered(0)[0].copy()
            alive.add(i)
            weakref.finalize(image, alive.discard, i)
            yield image

    for _ in predictor.stream(many()):
        most.append(len(alive))
    assert max(most) <= 4 * predictor.batch_size + 2 * predictor._threads + 2
    assert max(most[75:]) <= max(most[:75]) + predictor.batch_size


def test_an_exception_of_the_source_arrives_after_the_frames_before_it(predictor):
    def broken():
        yield from frames(3)
        raise RuntimeError('unplugged')

    found = []
    with pytest.raises(RuntimeError, match='unplugged'):
        for frame, _ in predictor.stream(broken()):
            found.append(frame.index)
    assert found == [0, 1, 2][: len(found)]


def test_a_call_raises_for_an_image_that_cannot_be_read(predictor, tmp_path):
    (tmp_path / 'broken.jpg').write_bytes(b'')
    with pytest.raises(ValueError, match=r'broken.jpg: empty file'):
        predictor([rendered(0)[0], tmp_path / 'broken.jpg'])
    with pytest.raises(ValueError, match='2 images with 1 sets of boxes'):
        predictor([rendered(0)[0]] * 2, [None])


def test_a_detector_finds_the_people_of_frames_without_boxes(files):
    class Halves:
        batch_size = 2

        def __init__(self):
            self.calls = []

        def __call__(self, images):
            self.calls.append(len(images))
            boxes = np.array([[0, 0, 160, 240], [160, 0, 320, 240]], np.float32)
            return [(boxes, np.array([0.9, 0.8], np.float32)) for _ in images]

    predictor = PosePredictor.load(*files, device='cpu', batch_size=4, detector=Halves())
    image, boxes = rendered(0)
    given = [image, Frame('bad', None, error='bad'), Frame('own', image, boxes=boxes), image, image]
    found = [poses for _, poses in predictor.stream(given)]
    assert [len(poses.boxes) for poses in found] == [2, 0, len(boxes), 2, 2]
    np.testing.assert_array_equal(found[3].box_scores, np.array([0.9, 0.8], np.float32))
    assert predictor.detector.calls == [1, 1, 1]


@pytest.mark.slow
def test_importing_vitpose_loads_only_the_standard_library(root):
    code = (
        'import sys, vitpose; assert not {"numpy", "torch", "cv2", "vitpose_mm"} & set(sys.modules); '
        'assert not hasattr(vitpose, "nothing"); from vitpose import PosePredictor; print(PosePredictor.__name__)'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip().endswith('PosePredictor'), done.stderr


def test_a_batch_size_below_1_is_refused(files):
    with pytest.raises(ValueError, match='batch_size=0: expected at least 1'):
        PosePredictor.load(*files, batch_size=0)
