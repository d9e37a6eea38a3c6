import re

import numpy as np
import pytest
from mmpose.registry import TRANSFORMS

from vitpose_mm.datasets.transforms.pretrain_crop import PretrainCrop, crop_with_border

# red rises with x, green with y: a crop shows where it comes from
PLANE = np.zeros((100, 200, 3), np.uint8)
PLANE[..., 2], PLANE[..., 1] = np.arange(200), np.arange(100)[:, None]
EXACT = dict(scale=(1, 1), ratio=(1, 1), flip=0)


def crops(count=200, box=None, image=PLANE, **options):
    crop = TRANSFORMS.build(dict(type='PretrainCrop', **{'input_size': (48, 64), **options}))
    for seed in range(count):
        np.random.seed(seed)
        record = dict(img=image) if box is None else dict(img=image, bbox=np.array([box], np.float32))
        yield crop(record)


def extent(crop):
    """Left, top, right and bottom of a crop in PLANE, from its corner pixels."""
    first, last = crop['img'][0, 0].astype(int), crop['img'][-1, -1].astype(int)
    (left, right), (top, bottom) = sorted((first[2], last[2])), sorted((first[1], last[1]))
    return left, top, right, bottom


def test_area_and_aspect_ratio_stay_in_their_ranges():
    extents = [extent(crop) for crop in crops(flip=0)]
    areas = [(right - left + 1) * (bottom - top + 1) / (200 * 100) for left, top, right, bottom in extents]
    shapes = [(right - left + 1) / (bottom - top + 1) / 0.75 for left, top, right, bottom in extents]
    # resizing moves the corner pixels by less than one and a half
    assert 0.17 < min(areas) < 0.25 and max(areas) < 0.6  # a 4:3 rectangle never fills a 1:2 image
    assert 0.7 < min(shapes) < 0.8 and 1.2 < max(shapes) < 1.42
    assert len({left for left, *_ in extents}) > 50


def test_results_have_the_input_size_and_no_box():
    """The same random numbers give the same crop."""
    for crop, again in zip(*(crops(5, box=(50, 20, 90, 80)) for _ in range(2)), strict=True):
        assert crop['img'].shape == (64, 48, 3) and crop['img'].dtype == np.uint8 and crop['img_shape'] == (64, 48)
        assert 'bbox' not in crop and np.array_equal(crop['img'], again['img'])


def test_half_of_them_are_flipped():
    flipped = [crop['flip'] for crop in crops()]
    assert 70 < sum(flipped) < 130
    assert flipped == [crop['img'][0, 0, 2] >= crop['img'][0, -1, 2] for crop in crops()]


def test_the_whole_box_is_cut_as_for_fine_tuning():
    """With the largest scale and the exact aspect ratio: padding 1.25, extended to the input's aspect ratio."""
    (crop,) = crops(1, box=(80, 30, 104, 70), **EXACT)
    # 24 x 40 -> 30 x 40 -> 37.5 x 50 around (92, 50)
    assert extent(crop) == pytest.approx((73, 25, 111, 74), abs=1)


def test_what_is_outside_the_image_is_black():
    bright = np.full((100, 200, 3), 200, np.uint8)
    (crop,) = crops(1, box=(-20, 30, 4, 70), image=bright, **EXACT)
    assert not crop['img'][:, :30].any() and (crop['img'][:, 40:] > 150).all()
    outside = crop_with_border(PLANE, 300, 300, 4, 5)
    assert not outside.any() and outside.shape == (5, 4, 3)
    assert np.array_equal(crop_with_border(PLANE, 3, 2, 4, 5), PLANE[2:7, 3:7])


def test_a_thin_image_is_cut_in_its_center():
    """No rectangle of the permitted aspect ratios has a fifth of its area."""
    thin = np.zeros((10, 400, 3), np.uint8)
    thin[:, 190:210] = 255
    (crop,) = crops(1, image=thin)
    assert crop['img'].mean() > 200


BAD = dict(scale=[(0.0, 1.0), (0.5, 0.2), (0.5, 1.2)], ratio=[(0, 1), (2, 1)], padding=[0], flip=[1.5])


@pytest.mark.parametrize(('name', 'value'), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=re.escape(f'{name}={value}')):
        PretrainCrop((48, 64), **{name: value})
