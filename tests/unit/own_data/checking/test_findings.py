"""Each fault is found, counted and named; a good dataset has none."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.unit.own_data import makers
from vitpose.own_data.annotations import Instance, Photo
from vitpose.own_data.checking.findings import find_data_problems
from vitpose.own_data.checking.image_files import ImageFile, read_files


@pytest.fixture
def photos(tmp_path):
    """Twelve good images with one instance each, and a function that checks them: what was found, by text."""
    found = []
    for i in range(12):
        path = makers.write_image(tmp_path / f'{i}.png', i)
        found.append(Photo(path, path.name, [Instance(makers.keypoints(i), f'row {i}', (2, 4, 34, 42))]))
    return found


def findings(photos, mirror=(0, 2, 1, 3), names=makers.NAMES):
    parts = {'train': photos[:9], 'val': photos[9:]}
    found = find_data_problems(parts, mirror, names, read_files([photo.path for photo in photos]))
    assert [each.serious for each in found] == sorted((each.serious for each in found), reverse=True)
    return {each.what: each.places for each in found}


def test_good_images(photos):
    assert findings(photos) == {}


def test_broken_images(photos):
    photos[0].path.unlink()
    photos[1].path.write_bytes(photos[1].path.read_bytes()[:-40])
    photos[2].path.write_bytes(b'')
    found = findings(photos)
    assert found.pop('images are missing') == [str(photos[0].path)]
    truncated, empty = found.pop('images are broken')
    assert '1.png' in truncated and 'truncated' in truncated and 'is empty (0 bytes)' in empty and not found


def test_unusual_images(photos):
    cv2.imwrite(str(photos[0].path), np.full((60, 80), 9999, np.uint16))
    cv2.imwrite(str(photos[1].path), np.full((60, 80), 99, np.uint8))
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees
    photos[2].path = photos[2].path.with_suffix('.jpg')
    Image.fromarray(np.zeros((80, 60, 3), np.uint8)).save(photos[2].path, exif=exif)
    assert findings(photos) == {
        'images are 16 bits, and converted to 8-bit BGR': ['0.png'],
        'images are grayscale, and converted to 8-bit BGR': ['1.png'],
        'images are rotated by EXIF data (labels must be those of the upright image)': ['2.png'],
    }


@pytest.mark.parametrize(
    ('change', 'what'),
    [
        (lambda each: each.keypoints.__setitem__((0, 0), 80.0), 'instances have keypoints outside the image'),
        (lambda each: each.keypoints.__setitem__((0, 0), np.nan), 'instances have keypoints that are NaN or infinite'),
        (lambda each: each.keypoints.fill(0), 'instances have no labeled keypoint'),
        (lambda each: setattr(each, 'box', (2, 4, 0, 42)), 'instances have a box without area'),
        (lambda each: setattr(each, 'box', (90, 4, 9, 9)), 'instances have a box outside the image'),
        (lambda each: setattr(each, 'box', (0, 0, 5, 5)), 'instances have keypoints far outside their box'),
    ],
)
def test_faults_of_instances(photos, change, what):
    change(photos[3].instances[0])
    found = findings(photos)
    assert found.pop(what) == ['row 3']
    assert set(found) <= {'instances have keypoints far outside their box'}


def test_images_in_both_parts(photos):
    photos[10].path.write_bytes(photos[1].path.read_bytes())
    photos[2].path.write_bytes(photos[3].path.read_bytes())  # twice in one part: no matter
    assert findings(photos) == {'images are in training and validation': ['10.png = 1.png']}


def test_images_without_instances(photos):
    photos[5].instances.clear()
    assert findings(photos) == {'images have no instance': ['5.png']}


def test_a_swapped_pair_is_found():
    """Four pairs, of which the third has left and right the other way round."""
    rng = np.random.default_rng(0)
    names = [f'{side}_{part}' for part in 'abcd' for side in ('left', 'right')]
    mirror = [i ^ 1 for i in range(8)]
    people = []
    for i in range(20):
        facing = 1 if i % 3 else -1
        x = np.array([5 * facing, -5 * facing] * 4) + rng.normal(0, 1, 8) + 30
        x[4:6] = x[[5, 4]]
        people.append(Instance(np.column_stack((x, np.arange(8.0) + 9, np.full(8, 2))), f'row {i}', (0, 0, 70, 50)))
    photo = Photo(Path('unused'), 'unused', people)
    (found,) = find_data_problems({'train': [photo]}, mirror, names, {photo.path: ImageFile((80, 60), '', digest='a')})
    assert found.what == 'pairs of left and right look swapped' and not found.serious
    assert [name.split(' ')[0] for name in found.places] == ['left_c/right_c']
