"""Smoothed tracks: less jitter and no lag in a rendered walk, short gaps filled, everything else as it was."""

from functools import cache

import numpy as np
import pytest

from tests.unit.predict.frames import make_frame, make_poses
from vitpose.predict.poses import Frame, Poses
from vitpose.predict.smoothing import smooth
from vitpose.synthetic.clip import render_clip
from vitpose.synthetic.keypoints import keypoint_set

FPS = 30


@cache
def walk(frames=90):
    """The keypoints (frames, K, 2) that are always in the image, and the boxes (frames, 4), of a rendered walk."""
    clip = list(render_clip(np.random.default_rng(0), keypoint_set('coco'), frames, people=1))
    people = [people[1] for _, people in clip]
    boxes = np.array([person['bbox'] for person in people], np.float32)
    points = np.array([person['keypoints'] for person in people], np.float32).reshape(frames, 17, 3)
    return points[:, (points[..., 2] > 0).all(0), :2], np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), 1)


def predicted(points, boxes, name='walk.mp4'):
    for i, (person, box) in enumerate(zip(points, boxes, strict=True)):
        scores, one = np.ones((1, len(person)), np.float32), np.ones(1, np.float32)
        poses = Poses(person[None].astype(np.float32), scores, box[None], one, np.zeros(1, int), np.zeros(1, int))
        yield Frame(name, np.zeros((1, 1, 3), np.uint8), i, i / FPS), poses


@pytest.mark.parametrize(('noise', 'most'), [(0.01, 1.2), (0.02, 0.8)])
def test_noise_of_a_walk_gives_at_most_half_the_velocity_error(noise, most):
    """The noise is a part of the person's height; the filter lags, which costs more than little noise."""
    points, boxes = walk()
    assert points.shape[1] >= 10
    noisy = points + np.random.default_rng(1).normal(0, noise, points.shape) * np.diff(boxes[:, 1::2])[..., None]
    smoothed = np.array([poses.keypoints[0] for _, poses in smooth(predicted(noisy.copy(), boxes))])
    speeds = [np.linalg.norm(np.diff(x - points, axis=0), axis=-1).mean() * FPS for x in (noisy, smoothed)]
    errors = [np.linalg.norm(x - points, axis=-1).mean() for x in (noisy, smoothed)]
    print(
        f'velocity error {speeds[0]:.1f} -> {speeds[1]:.1f} px/s, position error {errors[0]:.2f} -> {errors[1]:.2f} px'
    )
    assert speeds[1] <= speeds[0] / 2 and errors[1] <= most * errors[0]


def tracked(*ids, name='a.mp4'):
    """A frame per item: the track ids of its people, who move by 3 pixels per frame; None: a frame with an error."""
    for i, tracks in enumerate(ids):
        if tracks is None:
            yield Frame(name, None, i, error='broken'), make_poses(0, track=True)
            continue
        poses = make_poses(len(tracks), track=True)
        poses.track_ids = np.array(tracks, int)
        poses.keypoints[:] = np.float32(3 * i)
        poses.scores[:] = 0.2 + i / 10
        yield make_frame(name, index=i, time=i / FPS), poses


def ids(results):
    return [poses.track_ids.tolist() for _, poses in results]


def test_gaps_of_a_track_are_filled_up_to_a_length(monkeypatch):
    monkeypatch.setattr('vitpose.predict.smoothing._weight', lambda *_: 1)  # no filter
    results = list(smooth(tracked([4], [], [], [4]), max_gap=2))
    assert ids(results) == [[4]] * 4 and [frame.index for frame, _ in results] == [0, 1, 2, 3]
    added = results[1][1]
    np.testing.assert_allclose(added.keypoints, np.full((1, 3, 2), 3), atol=1e-5)
    np.testing.assert_allclose(added.scores, np.full((1, 3), 0.2))
    assert added.rows.tolist() == [-1] and added.boxes.dtype == np.float32 and len(added.to_dict()['boxes']) == 1
    assert ids(smooth(tracked([4], [], [], [4]), max_gap=1)) == [[4], [], [], [4]]
    assert ids(smooth(tracked([1, 2], [2], [2, 1], [-1], [2]))) == [[1, 2], [2, 1], [2, 1], [-1, 2], [2]]
    assert ids(smooth(tracked([4], None, [], [4]))) == [[4], [], [4], [4]]


def test_a_gap_is_filled_by_the_times_of_the_frames(monkeypatch):
    """As of a camera, of which frames were dropped."""
    monkeypatch.setattr('vitpose.predict.smoothing._weight', lambda *_: 1)  # no filter
    frames = list(tracked([4], [], [4]))
    for (frame, _), time in zip(frames, (0.0, 0.1, 1.0), strict=True):
        frame.time = time
    np.testing.assert_allclose(list(smooth(frames))[1][1].keypoints, np.full((1, 3, 2), 0.6), atol=1e-5)


def test_a_person_added_to_a_frame_of_nobody_has_the_extras(monkeypatch):
    frames = list(tracked([4], [], [4]))
    for (_, poses), value in zip(frames[::2], (0.25, 0.75), strict=True):
        poses.expected_oks, poses.covariance = np.full(1, value, np.float32), np.full((1, 3, 2, 2), value, np.float32)
    added = [poses for _, poses in smooth(iter(frames))][1]
    np.testing.assert_allclose(added.expected_oks, [0.5])
    np.testing.assert_allclose(added.covariance, np.full((1, 3, 2, 2), 0.5))
    assert added.presence is None and len(added.scores) == 1


def test_videos_and_images_are_apart():
    images = [(make_frame(f'{i}.jpg'), make_poses(1, track=True)) for i in range(2)]
    images[1][1].keypoints += 40
    results = list(smooth([*tracked([1], []), *tracked([], [1], name='b.mp4'), *images]))
    assert ids(results) == [[1], [], [], [1], [0], [0]]
    np.testing.assert_array_equal(results[-1][1].keypoints, make_poses(1).keypoints + 40)
    part, again = ([*tracked([1], [1])][1:] for _ in range(2))  # a part of a video, which starts again
    again[0][1].keypoints += 40
    expected = again[0][1].keypoints.copy()
    np.testing.assert_array_equal(list(smooth(part + again))[-1][1].keypoints, expected)
    with pytest.raises(ValueError, match='smooth: poses without track_ids: pass each frame to Tracker.update'):
        list(smooth([(make_frame(), make_poses(1))]))
