import numpy as np

from vitpose.synthetic.clip import render_clip
from vitpose.synthetic.keypoints import keypoint_set


def clip(seed=0, frames=40, **kwargs):
    return list(render_clip(np.random.default_rng(seed), keypoint_set('coco'), frames, height=96, width=128, **kwargs))


def test_a_seed_gives_the_same_video_and_another_seed_another_one():
    first, again, other = (np.stack([image for image, _ in clip(seed, 5)]) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5


def test_people_walk_past_each_other():
    frames = clip()
    left = {number: [people[number]['bbox'][0] for _, people in frames if number in people] for number in (1, 2, 3)}
    moved = {number: path[-1] - path[0] for number, path in left.items()}
    assert moved[1] > 40 and moved[2] < -40 and moved[3] > 40
    assert left[1][0] < left[2][0] and left[1][-1] > left[2][-1]
    assert np.abs(np.diff(left[3])).max() < 12  # nobody jumps


def test_frames_are_drawn_afresh():
    (first, people), *_, (last, people_at_the_end) = clip(people=1)
    x, y, width, height = people[1]['bbox']
    assert x + width < people_at_the_end[1]['bbox'][0]
    where = slice(y, y + height // 2), slice(x, x + width)
    empty = clip(people=0, frames=1)[0][0][where].astype(int)
    assert np.abs(last[where] - empty).mean() < 1 and np.abs(first[where] - empty).mean() > 10
