from pathlib import Path

import numpy as np

from vitpose.own_data.annotations import Instance, Photo
from vitpose.own_data.deriving.instance_boxes import (
    choose_input_size,
    drop_tight_boxes,
    find_box,
    find_box_share,
    use_whole_images,
)


def test_boxes():
    points = np.array([(10, 20, 2), (50, 40, 1), (500, 500, 0)], float)
    assert find_box(Instance(points, '')) == (4, 14, 52, 32)  # 15% of 40 on each side
    assert find_box(Instance(points[:1], '')) == (8, 18, 4, 4)
    assert find_box(Instance(points, '', (1, 2, 3, 4))) == (1, 2, 3, 4)


def test_one_labeled_keypoint_has_the_whole_image_as_its_box():
    points, box = np.array([(10, 20, 2), (50, 40, 0)], float), (1, 2, 3, 4)
    others = [points * (1, 1, 0), points + (0, 0, 1), points + (90, 0, 0)]  # without labels, of two, outside
    photo = Photo(Path('a.png'), 'a.png', [Instance(points, ''), Instance(points, '', box)])
    photo.instances += [Instance(values, '') for values in others]
    assert use_whole_images([photo, Photo(Path('b.png'), '', [Instance(points, '')])], {photo.path: (80, 60)}) == 1
    assert [instance.box for instance in photo.instances] == [(0, 0, 80, 60), box, None, None, None]


def test_single_boxes_of_another_size_are_not_in_the_range_of_shares():
    boxes = {
        (0.02083, 0.02083): [(0, 0, 10, 10)] * 198 + [(0, 0, 80, 60), (0, 0, 1, 1)],
        (1.0, 1.0): [(-5, -5, 90, 90)],
        (1e-5, 1e-5): [(0, 0, 0.1, 0.1)],
    }
    for share, its_boxes in boxes.items():
        photo = Photo(Path('a.png'), 'a.png', [Instance(np.zeros((1, 3)), '', box) for box in its_boxes])
        assert find_box_share([photo], {photo.path: (80, 60)}) == share


def test_input_size():
    for ratio, *sizes in ((2, (192, 256), (144, 192)), (1.0, (224, 224), (160, 160)), (0.5, (256, 192), (192, 144))):
        for size, is_small in zip(sizes, (False, True), strict=True):
            chosen, why = choose_input_size([(0, 0, 10, 10 * ratio), (0, 0, 20, 20 * ratio)], is_small)
            assert chosen == size and f'{ratio:.2f}' in why


def test_a_box_that_is_the_extent_of_its_keypoints_is_treated_as_missing():
    points = np.array([(10, 20, 2), (50, 40, 1), (500, 500, 0)], float)
    boxes = {(10, 20, 40, 20): True, (10, 20, 41, 21): True, (10, 20, 48, 20): False, (6, 16, 48, 28): False}
    for box, tight in boxes.items():
        instance = Instance(points, '', box)
        assert drop_tight_boxes([instance]) == tight and (instance.box is None) == tight
    one = Instance(points[:1], '', (10, 20, 0, 0))
    assert drop_tight_boxes([one, Instance(points[2:], '', (10, 20, 0, 0))]) == 1 and find_box(one) == (8, 18, 4, 4)
