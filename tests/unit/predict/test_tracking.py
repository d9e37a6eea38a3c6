"""People keep their ids when they cross in a rendered video, and ids are not shared between sequences."""

import sys
from collections import Counter

import numpy as np
import pytest

from tests.unit.predict.frames import make_frame, make_poses, write_video
from vitpose.predict.inputs.video import read_video
from vitpose.predict.poses import Frame, Poses
from vitpose.predict.tracking import Tracker
from vitpose.synthetic.clip import render_clip
from vitpose.synthetic.keypoints import keypoint_set

pytest.importorskip('trackers', reason='tracking needs trackers, which needs numpy 2')
pytest.importorskip('av')
HEIGHT, WIDTH, FRAMES = 120, 200, 90


@pytest.fixture(scope='module')
def crossings(tmp_path_factory):
    """Rendered videos of three people who cross each other: paths, and for each frame {person: visible box}."""
    videos = []
    for seed in range(4, 8):
        clip = render_clip(np.random.default_rng(seed), keypoint_set('coco'), FRAMES, height=HEIGHT, width=WIDTH)
        images, people = zip(*clip, strict=True)
        boxes = [{number: each['bbox'] for number, each in found.items() if each['area'] > 200} for found in people]
        path = tmp_path_factory.mktemp('video') / 'crossing.mp4'
        write_video(path, images, rate=30)
        videos.append((path, boxes))
    return videos


def test_crossing_people_keep_their_ids_in_95_percent_of_the_frames(crossings):
    assert sum(len(people) < 3 for _, boxes in crossings for people in boxes) >= 2  # some are hidden
    shares = [share_of_kept_ids(path, boxes, seed) for seed, (path, boxes) in enumerate(crossings)]
    assert np.mean(shares) >= 0.95


def share_of_kept_ids(path, boxes, seed):
    """Share of boxes with the most frequent id of their person, with boxes that shake and come in any order."""
    rng, tracker = np.random.default_rng(seed), Tracker()
    given: dict[int, list[int]] = {}
    for frame, people in zip(read_video(str(path)), boxes, strict=True):
        order = rng.permutation(list(people))
        xywh = np.array([people[number] for number in order], float)
        xywh += rng.normal(0, 0.03, xywh.shape) * np.tile(xywh[:, 2:], 2)
        poses = make_poses(len(order))
        poses.boxes = np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), 1).astype(np.float32)
        tracker.update(frame, poses)
        for number, track in zip(order, poses.track_ids, strict=True):
            given.setdefault(number, []).append(int(track))
    assert sorted(given) == [1, 2, 3]
    main = {number: Counter(ids).most_common(1)[0] for number, ids in given.items()}
    assert len({track for track, _ in main.values()}) == 3 and min(track for track, _ in main.values()) >= 0
    return sum(count for _, count in main.values()) / sum(map(len, given.values()))


def ids(tracker, frame, poses=None):
    poses = make_poses(2) if poses is None else poses
    tracker.update(frame, poses)
    return poses.track_ids.tolist()


def test_ids_are_not_used_again_in_another_sequence():
    tracker = Tracker()
    assert [ids(tracker, make_frame('a.mp4', index=i)) for i in range(3)] == [[0, 1]] * 3
    assert [ids(tracker, make_frame('b.mp4', index=i)) for i in range(2)] == [[2, 3]] * 2
    assert [ids(tracker, make_frame(f'c/{i}.jpg')) for i in range(2)] == [[4, 5]] * 2
    assert ids(tracker, make_frame('d/0.jpg')) == [6, 7]


def test_frames_without_people_and_broken_frames():
    tracker = Tracker()
    empty = Poses(*(np.zeros(shape, np.float32) for shape in ((0, 3, 2), (0, 3), (0, 4), (0,), (0,))))
    assert ids(tracker, make_frame('a.mp4', index=0), empty) == []
    assert ids(tracker, make_frame('a.mp4', index=1)) in ([0, 1], [-1, -1])  # a person may appear with -1
    assert ids(tracker, make_frame('a.mp4', index=2)) == [0, 1]
    assert ids(tracker, Frame('a.mp4', None, 3, error='broken'), empty) == []
    assert ids(tracker, make_frame('a.mp4', index=4)) == [0, 1]


def test_box_without_score_to_start_a_track():
    poses = make_poses(2)
    poses.box_scores = np.array([0.9, 0.05], np.float32)
    assert ids(Tracker(), make_frame('a.mp4', index=0), poses) == [0, -1]


def test_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'trackers', None)
    with pytest.raises(ValueError, match=r"--track needs the package trackers .*: pip install 'vitpose_mm\[track\]'"):
        Tracker()
