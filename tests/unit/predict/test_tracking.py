"""People keep their ids when they cross in a rendered video, and ids are not shared between sequences."""

import sys
from collections import Counter, defaultdict

import numpy as np
import pytest

from tests.unit.predict.frames import make_frame, make_poses
from vitpose.predict.poses import Frame
from vitpose.predict.tracking import Tracker
from vitpose.synthetic.clip import render_clip
from vitpose.synthetic.keypoints import keypoint_set

pytest.importorskip('trackers', reason='tracking needs trackers, which needs numpy 2')


@pytest.mark.parametrize('seed', [4, 6])
def test_crossing_people_keep_their_ids_in_95_percent_of_the_frames(seed):
    """That is, boxes have the most frequent id of their person; they shake and come in any order."""
    rng, tracker = np.random.default_rng(seed), Tracker()
    track_ids, hidden = defaultdict(list), 0
    clip = render_clip(np.random.default_rng(seed), keypoint_set('coco'), 90, height=120, width=200)
    for index, (_, people) in enumerate(clip):
        boxes = {number: person['bbox'] for number, person in people.items() if person['area'] > 200}
        order, hidden = rng.permutation(list(boxes)), hidden + (len(boxes) < 3)
        xywh = np.array([boxes[number] for number in order], float)
        xywh += rng.normal(0, 0.03, xywh.shape) * np.tile(xywh[:, 2:], 2)
        poses = make_poses(len(order))
        poses.boxes = np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), 1).astype(np.float32)
        tracker.update(make_frame('crossing.mp4', index=index), poses)
        for number, track in zip(order, poses.track_ids, strict=True):
            track_ids[int(number)].append(int(track))
    assert sorted(track_ids) == [1, 2, 3]
    main = [Counter(ids).most_common(1)[0] for ids in track_ids.values()]
    assert len({track for track, _ in main}) == 3 and min(track for track, _ in main) >= 0
    assert hidden and sum(count for _, count in main) / sum(map(len, track_ids.values())) >= 0.95


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
    assert ids(tracker, make_frame('a.mp4', index=0), make_poses(0)) == []
    assert ids(tracker, make_frame('a.mp4', index=1)) in ([0, 1], [-1, -1])  # a person may appear with -1
    assert ids(tracker, make_frame('a.mp4', index=2)) == [0, 1]
    assert ids(tracker, Frame('a.mp4', None, 3, error='broken'), make_poses(0)) == []
    assert ids(tracker, make_frame('a.mp4', index=4)) == [0, 1]


def test_box_without_score_to_start_a_track():
    poses = make_poses(2)
    poses.box_scores = np.array([0.9, 0.05], np.float32)
    assert ids(Tracker(), make_frame('a.mp4', index=0), poses) == [0, -1]


def test_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'trackers', None)
    with pytest.raises(ValueError, match=r"--track needs the package trackers .*: pip install 'vitpose_mm\[track\]'"):
        Tracker()
