from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.unit.own_data import makers
from vitpose.own_data.annotations import Instance, Photo
from vitpose.own_data.checking.checked_images import ImageFile, read_files
from vitpose.own_data.checking.findings import find_data_problems


@pytest.fixture
def photos(tmp_path):
    """Twelve good images with one instance each."""
    paths = [makers.write_image(tmp_path / f'{i}.png', i) for i in range(12)]
    rows = [Instance(makers.keypoints(i), f'row {i}', (2, 4, 34, 42)) for i in range(12)]
    return [Photo(path, path.name, [row]) for path, row in zip(paths, rows, strict=True)]


def find(photos):
    parts, files = {'train': photos[:9], 'val': photos[9:]}, read_files([photo.path for photo in photos])
    findings = find_data_problems(parts, (0, 2, 1, 3), makers.NAMES, files)
    assert findings == sorted(findings, key=lambda finding: -finding.serious)
    return {finding.what: finding.places for finding in findings}


def test_images(photos):
    cv2.imwrite(str(photos[0].path), np.full((60, 80), 9999, np.uint16))
    cv2.imwrite(str(photos[1].path), np.full((60, 80), 99, np.uint8))
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees
    photos[2].path = photos[2].path.with_suffix('.jpg')
    Image.fromarray(np.zeros((80, 60, 3), np.uint8)).save(photos[2].path, exif=exif)
    photos[3].path.unlink()
    photos[4].path.write_bytes(photos[4].path.read_bytes()[:-40])
    photos[5].path.write_bytes(b'')
    photos[6].instances.clear()
    photos[10].path.write_bytes(photos[7].path.read_bytes())
    photos[8].path.write_bytes(photos[7].path.read_bytes())  # twice in one part: no matter
    for photo, size in zip(photos[7:], ((80, 60), (160, 120), (60, 60)), strict=False):
        photo.size = size
    photos[2].size = (60, 80)
    places = find(photos)
    truncated, empty = places.pop('images are broken')
    assert '4.png' in truncated and 'truncated' in truncated and 'is empty (0 bytes)' in empty
    assert places == {
        'images are missing': [str(photos[3].path)],
        'images are 16 bits, and converted to 8-bit BGR': ['0.png'],
        'images are grayscale, and converted to 8-bit BGR': ['1.png'],
        'images are rotated by EXIF data (labels must be those of the upright image)': ['2.png'],
        'images have no instance': ['6.png'],
        'images differ in size from the annotations (pass --scale-labels if they were resized)': [
            '8.png (80x60, not 160x120)'
        ],
        'images differ in aspect ratio from the annotations': ['9.png (80x60, not 60x60)'],
        next(what for what in places if 'the size before the rotation' in what): ['2.png (80x60, not 60x80)'],
        'images are in training and validation': ['10.png = 7.png'],
    }


def test_images_that_decoders_clip_or_refuse(photos, monkeypatch):
    values = np.random.default_rng(0).random((60, 80)) * 4000
    for photo, kind in zip(photos, ('float32', 'int32', 'int32'), strict=False):
        photo.path = photo.path.with_suffix('.tif')
        Image.fromarray(values.astype(kind)).save(photo.path)
    cv2.imwrite(str(photos[2].path), values.astype('int16'))
    photos[3].path = photos[3].path.with_suffix('.pgm')  # of 16 bits: Pillow calls them I, as those of 32
    cv2.imwrite(str(photos[3].path), values.astype('uint16'))
    photos[4].path = photos[4].path.with_suffix('.hdr')
    cv2.imwrite(str(photos[4].path), np.zeros((60, 80, 3), 'float32'))
    broken = find(photos)['images are broken']
    assert [line.split(': ')[0] for line in broken] == [str(photos[i].path) for i in (0, 1, 2, 4)]
    assert all('expected 8-bit or unsigned 16-bit pixels' in line for line in broken[:3])
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1000)
    assert 'Image size (4800 pixels) exceeds limit' in find(photos[5:])['images are broken'][0]


def test_faults_of_instances(photos):
    for change, what in (
        (lambda row: row.keypoints.__setitem__((0, 0), 80.0), 'keypoints outside the image'),
        (lambda row: row.keypoints.__isub__((90, 90, 0)), 'keypoints outside the image'),
        (lambda row: row.keypoints.__setitem__((0, 0), np.nan), 'keypoints that are NaN, infinite or above 1,000,000'),
        (lambda row: row.keypoints.__setitem__((0, 0), 1e300), 'keypoints that are NaN, infinite or above 1,000,000'),
        (lambda row: row.keypoints.__itruediv__((80, 60, 1)), 'keypoints between 0 and 1: expected pixels'),
        (lambda row: row.keypoints.__setitem__((0, 2), 3), 'a visibility above 2: expected 0, 1 or 2 after x and y'),
        (
            lambda row: row.keypoints.__setitem__((0, 2), 0.4),
            'scores instead of visibilities: expected 0, 1 or 2 after x and y',
        ),
        (lambda row: row.keypoints[0].__imul__((0, 0, 1)), 'labeled keypoints at 0, 0, as tools write missing ones'),
        (lambda row: row.keypoints.fill(0), 'no labeled keypoint'),
        (lambda row: setattr(row, 'box', (2, 4, 0, 42)), 'a box without area'),
        (lambda row: setattr(row, 'box', (90, 4, 9, 9)), 'a box outside the image'),
        (lambda row: setattr(row, 'box', (79.2, 4, 9, 9)), 'a box outside the image'),  # clipped to the last pixel
        (lambda row: setattr(row, 'box', (2, 58.996, 9, 9)), 'a box outside the image'),  # written as 59
        (lambda row: setattr(row, 'box', (2, 4, 0.004, 9)), 'a box without area'),  # written as 0
        (lambda row: setattr(row, 'box', (0, 0, 5, 5)), 'keypoints far outside their box'),
    ):
        photos[3].instances[:] = [Instance(makers.keypoints(3), 'row 3', (2, 4, 34, 42))]
        change(photos[3].instances[0])
        places = find(photos)
        assert places.pop(f'instances have {what}') == ['row 3']
        assert set(places) <= {'instances have keypoints far outside their box'}


def test_boxes_that_are_corners(photos):
    what = 'instances have boxes that look like x1 y1 x2 y2: expected x y width height'
    wide = (10, 10, 72, 52)  # beyond the right and lower edges of 80x60, unless it is two corners
    for photo in photos:
        photo.instances[0].keypoints[:, :2] = (20, 20), (60, 20), (40, 40), (70, 50)
    for count, is_found in ((12, True), (3, False)):  # of so many
        for i, photo in enumerate(photos):
            photo.instances[0].box = wide if i < count else (12, 12, 68, 48)
        assert find(photos).get(what, []) == [f'row {i}' for i in range(12 * is_found)]
    for box, xy in (((10, 8, 72, 4), 30), (wide, 5)):  # one that cannot be corners, or corners without its keypoint
        for photo in photos:
            photo.instances[0].box = wide
        photos[5].instances[0].box, photos[5].instances[0].keypoints[0, :2] = box, xy
        assert what not in find(photos)


def test_a_keypoint_that_is_never_labeled(photos):
    for photo in photos:
        photo.instances[0].keypoints[2] = 0
    assert find(photos)['keypoints are never labeled'] == [makers.NAMES[2]]


def test_an_instance_that_is_twice_in_an_image(photos):
    twin = Instance(makers.keypoints(3), 'row 3b', (2, 4, 34, 42))
    photos[3].instances += [twin, Instance(makers.keypoints(3), 'row 3c', (2, 4, 34, 41))]
    assert find(photos) == {'instances repeat another instance of the same image': ['row 3b']}


def test_a_swapped_pair_is_found():
    """Of six pairs, the third has left and right the other way round; `right_e` comes first; the last says no side."""
    rng = np.random.default_rng(0)
    names = [f'{side}_{part}' for part in 'abcd' for side in ('left', 'right')]
    names += ['right_e', 'left_e', 'face-0', 'face-1']
    photo = Photo(Path('unused'), 'unused')
    for i in range(20):
        x = np.array([5, -5, 5, -5, -5, 5, 5, -5, -5, 5, -5, 5]) * (1 if i % 3 else -1) + rng.normal(30, 1, 12)
        keypoints = np.column_stack((x, np.arange(9.0, 21), np.full(12, 2)))
        photo.instances.append(Instance(keypoints, f'row {i}', (0, 0, 70, 50)))
    files = {photo.path: ImageFile((80, 60), '', digest='a')}
    numbers, mirror = [f'keypoint_{i}' for i in range(12)], [i ^ (i < 8) for i in range(12)]
    (by_order,) = find_data_problems({'train': [photo]}, mirror, numbers, files)
    assert [name.split(' ')[0] for name in by_order.places] == ['keypoint_4/keypoint_5']
    (finding,) = find_data_problems({'train': [photo]}, [i ^ 1 for i in range(12)], names, files)
    assert finding.what == 'pairs of left and right look swapped' and not finding.serious
    assert [name.split(' ')[0] for name in finding.places] == ['left_c/right_c']
