"""Splits: by video where names reveal one, otherwise by image; reproducible, and existing ones are kept."""

from pathlib import Path

import numpy as np
import pytest

from vitpose.own_data.annotations import Annotations, Instance, Labels, Photo
from vitpose.own_data.deriving.train_val_split import find_video, split_images


def photos(names, split=None):
    return [Photo(Path(name), name, [Instance(np.ones((1, 3)), name)], split) for name in names]


def annotations(images):
    return Annotations(Labels(['a']), images, 'mouse')


def test_videos_in_names():
    videos = {'mouse3_frame0012.png': 'mouse3', 'cage 4-000123.jpg': 'cage 4', 'day1/mouse3_0012.png': 'day1/mouse3'}
    videos |= {'run_2_frame_0012_jpg.rf.0a1b2c3d.jpg': 'run_2'}
    videos |= {name: name for name in ('IMG_1234.jpg', '000123.jpg', 'day1/img0001.png', 'portrait.jpg')}
    videos |= {'images/3f2a9c1d-cage1_frame0012.png': 'images/cage1', '3f2a9c1d-IMG_1.jpg': '3f2a9c1d'}
    videos |= {'20240105-001.jpg': '20240105', '20240105-cage1_012.png': '20240105-cage1'}
    videos |= {'https://host/a/cage1_0012.png?key=x/y_1': 'a/cage1', '..': '.'}
    videos |= {'cage1/frame_000123.PNG': 'cage1', 'a/3f2a9c1d-Frame12.png': 'a', 'frame_000123.PNG': '.'}
    assert {name: find_video(Photo(Path(name), name)) for name in videos} == videos


@pytest.mark.parametrize('by_image', [False, True])
@pytest.mark.parametrize('stem', ['IMG_{}', 'dog{}a', 'mouse_{}'])
def test_augmented_copies_of_an_image_stay_together(stem, by_image):
    """Roboflow exports several copies of an image, which differ in the code at the end of the name."""
    names = [f'{stem.format(i)}_jpg.rf.{copy}{i}f.jpg' for copy in 'abc' for i in range(20)]
    train, val = split_images(annotations(photos(names)), 0.1, by_image=by_image)
    sources = [{photo.name.split('_jpg')[0] for photo in part} for part in (train, val)]
    assert not sources[0] & sources[1] and len(sources[1]) == 2 and len(val) == 6


def test_blocks_of_time_of_uploaded_frames():
    """Label Studio puts a code of its own before the name of each frame."""
    names = [f'images/{7919 * i:08x}-cage_{i}.png' for i in range(40, 0, -1)]
    _, val = split_images(annotations(photos(names)))
    numbers = sorted(int(photo.name[21:-4]) for photo in val)
    assert numbers == [*range(numbers[0], numbers[0] + 4)]


def test_no_video_is_on_both_sides():
    data = annotations(photos(f'mouse{v}_frame{i:03}.png' for v in range(8) for i in range(10)))
    train, val = split_images(data, 0.2, seed=1)
    assert len(val) == 20 and len(train) == 60
    assert not {find_video(photo) for photo in train} & {find_video(photo) for photo in val}
    assert any('split by 8 videos or folders' in note for note in data.notes)
    assert split_images(data, 0.2, seed=1)[1] == val != split_images(data, 0.2, seed=2)[1]


def test_one_large_video_stays_in_training():
    names = [f'long_{i:03}.png' for i in range(90)] + [f'short_{i:03}.png' for i in range(10)]
    train, val = split_images(annotations(photos(names)), 0.1)
    assert {find_video(photo) for photo in val} == {'short'} and len(train) == 90


def test_a_large_share_leaves_a_video_for_training():
    """Each video brings the share of 0.8 closer; the smaller one stays."""
    names = [f'cage{video}_{i:03}.png' for video, count in enumerate((6, 5)) for i in range(count)]
    train, val = split_images(annotations(photos(names)), 0.8)
    assert (len(train), len(val)) == (5, 6)


def test_all_images_of_one_video():
    names = [f'cage_{i}.png' for i in range(40)]
    for by_image, units in ((False, '10 blocks of time of the only video'), (True, 'images')):
        data = annotations(photos(sorted(names)))
        train, val = split_images(data, by_image=by_image)
        assert [len(train), len(val)] == [36, 4] and f'split by {units}' in data.notes[0]
        places = sorted(names.index(photo.name) for photo in val)
        block = places[0] // 4 * 4
        assert by_image or places == [*range(block, block + 4)]
        assert 'frames of one video are in both splits' in data.notes[1]


def test_existing_splits_are_kept():
    images = [*photos(map(str, range(9)), 'train'), *photos('abc', 'val'), *photos('xy', 'test')]
    data = annotations(images)
    assert [len(part) for part in split_images(data)] == [9, 3]
    assert any('2 images of the test split are left out' in note for note in data.notes)
    assert split_images(annotations([photo for photo in images if photo.split != 'val']))[1] == images[-2:]


def test_a_training_split_alone_is_split():
    given = annotations(photos('abcdefghijk', 'train'))
    train, val = split_images(given)
    assert len(train) == 10 and len(val) == 1 and 'validation images are taken' in given.notes[0]


def test_bad_input():
    for images, share, message in (
        (photos('abcdefghijk', 'val'), 0.1, 'have a split, but no annotated image in train'),
        (photos('abc'), 0.1, '3 annotated images: expected at least 10'),
        (photos('abcdefghij'), 1.5, r'--val 1.5: expected a share between 0 and 1'),
    ):
        with pytest.raises(ValueError, match=message):
            split_images(annotations(images), share)
