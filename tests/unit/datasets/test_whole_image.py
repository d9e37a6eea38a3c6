"""Boxes that are replaced by the whole image or a window of it."""

import numpy as np
import pytest

from vitpose_mm.datasets.transforms import RandomWholeImage

BOX = np.array([[20, 30, 50, 80]], np.float32)


def boxes(count=400, **options):
    np.random.seed(0)
    transform = RandomWholeImage(**options)
    return np.stack([transform(dict(bbox=BOX, ori_shape=(90, 120)))['bbox'] for _ in range(count)])[:, 0]


def test_whole_images_windows_and_boxes_in_the_shares_that_are_asked_for():
    found = boxes(prob=0.4, window_prob=0.5)
    is_box, is_whole = (found == BOX).all(1), (found == (0, 0, 120, 90)).all(1)
    assert is_box.mean() == pytest.approx(0.6, abs=0.08) and is_whole.mean() == pytest.approx(0.2, abs=0.06)
    windows = found[~is_box & ~is_whole]
    assert len(np.unique(windows, axis=0)) == len(windows)
    assert (windows[:, :2] <= BOX[0, :2]).all() and (windows[:, :2] >= 0).all()
    assert (windows[:, 2:] >= BOX[0, 2:]).all() and (windows[:, 2:] <= (120, 90)).all()
    assert np.abs(np.median(windows, 0) - (10, 15, 85, 85)).max() < 8  # halfway between box and image


def test_never_and_always():
    assert (boxes(prob=0) == BOX).all()
    assert (boxes(prob=1, window_prob=0) == (0, 0, 120, 90)).all()


@pytest.mark.parametrize('name, value', [('prob', -0.1), ('window_prob', 1.5)])
def test_probabilities_are_checked(name, value):
    with pytest.raises(ValueError, match=f'{name}={value}: expected a probability'):
        RandomWholeImage(**{name: value})
