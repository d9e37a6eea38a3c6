import numpy as np
import pytest

from tests.unit.own_data import makers
from tests.unit.own_data.makers import read
from vitpose.own_data.checking.findings import find_repeated


def test_yolo(tmp_path):
    annotations = read(makers.write_yolo(tmp_path, kpt_names={0: makers.NAMES}, flip_idx=[0, 2, 1, 3]))
    labels = annotations.labels
    assert annotations.category == 'mouse' and labels.names == makers.NAMES and labels.mirror == [0, 2, 1, 3]
    assert [photo.split for photo in annotations.photos] == ['train'] * 6 + ['val'] * 2
    for i, photo in enumerate(annotations.photos[:6]):
        np.testing.assert_allclose(photo.instances[0].keypoints, makers.keypoints(i), atol=1e-5)
        np.testing.assert_allclose(photo.instances[0].box, (2, 4, 34, 42), atol=1e-5)


def test_yolo_without_visibility_and_names(tmp_path):
    annotations = read(makers.write_yolo(tmp_path, shape=(4, 2)))
    assert annotations.labels.names == ['keypoint_0', 'keypoint_1', 'keypoint_2', 'keypoint_3']
    assert annotations.photos[2].instances[0].keypoints[:, 2].tolist() == [2, 0, 2, 2]


ROWS = {  # instead of the first number 0.2375, its instances, and what is said
    '19': (5, 'train0.txt, line 1: 19: expected values from 0 to 1, as fractions'),
    '-0.3': (5, 'train0.txt, line 1: -0.3: expected values from 0 to 1'),
    '0.2': (6, ''),
    '1.0021': (6, '1 rows have values just outside 0 to 1, which are clipped: '),
    '\xff': (5, 'expected 17 numbers'),  # not in UTF-8
    '0.5 0.5': (5, 'class, box, 4 keypoints of 3: expected 17 numbers, got 18'),
    'x': (5, 'expected 17 numbers'),
}


@pytest.mark.parametrize('value', ROWS)
def test_a_bad_row_is_left_out_or_clipped_and_named(tmp_path, value):
    count, message = ROWS[value]
    label = makers.write_yolo(tmp_path).parent / 'labels/train/train0.txt'
    label.write_text(label.read_text().replace('0.2375', value), 'latin1')
    annotations = read(tmp_path)
    assert annotations.count == count + 2
    assert not message or message in ''.join(annotations.unreadable + annotations.notes)
    if value == '1.0021':
        x, _, w, _ = annotations.photos[0].instances[0].box
        assert x + w / 2 == pytest.approx(80)


def test_other_ways_to_write_the_same(tmp_path):
    """Paths of Windows, -1 -1 0 for what is not labeled, an empty flip_idx, a box without keypoints."""
    index = makers.write_yolo(tmp_path)
    expected = read(tmp_path).photos[2].instances[0].keypoints
    index.write_text(
        'path: C:\\me\ntrain: images\\train\nval: val.txt\nkpt_shape: [4, 3]\nnames: [mouse]\nflip_idx: []'
    )
    (tmp_path / 'val.txt').write_text('D:\\me\\images\\val\\val0.png\nhttps://x.invalid/val/val1.png?d\n', 'utf-8-sig')
    label = tmp_path / 'labels/train/train2.txt'
    assert label.read_text().count(' 0 0 0') == 1
    label.write_text(label.read_text().replace(' 0 0 0', ' -1 -1 0') + '0 0.5 0.5 0.1 0.1\n7' + label.read_text()[1:])
    text = index.read_text()
    for folder in ('/content/mice/images/train', '../images/train', 'C:\\me\\images\\train'):
        index.write_text(text.replace('images\\train', folder))
        annotations = read(tmp_path)
        np.testing.assert_array_equal(annotations.photos[2].instances[0].keypoints, expected)
    (tmp_path / 'labels/val').rename(tmp_path / 'labels/other')
    for file in (tmp_path / 'labels/other').iterdir():  # beside the images
        file.rename(tmp_path / 'images/val' / file.name)
    annotations = read(tmp_path)
    assert annotations.labels.mirror is None and not annotations.labels.flip and annotations.count == 8
    problems = ('line 2: class, box, 4 keypoints of 3: expected 17', 'line 3: class 7, which is not among names')
    assert all(text in line for text, line in zip(problems, annotations.unreadable, strict=True))
    assert [photo.path for photo in annotations.photos[6:]] == [tmp_path / f'images/val/val{i}.png' for i in (0, 1)]


def test_the_same_images_for_training_and_validation_are_to_be_split(tmp_path):
    index = makers.write_yolo(tmp_path)
    index.write_text(index.read_text().replace('images/val', 'images/train'))
    assert [photo.split for photo in read(tmp_path).photos] == ['train'] * 6


@pytest.mark.parametrize('folder', ['images/{}', '{}/images'])
def test_roboflow_names_a_folder_of_test_images_that_does_not_exist(tmp_path, folder):
    index = makers.write_yolo(tmp_path)
    if folder == '{}/images':
        for split, kind in ((split, kind) for split in ('train', 'val') for kind in ('images', 'labels')):
            (tmp_path / split).mkdir(exist_ok=True)
            (tmp_path / kind / split).rename(tmp_path / split / kind)
    entries = [f'{split}: ../{folder.format(split)}' for split in ('train', 'val')]
    text = index.read_text().replace('"images/val"', '').replace('"images/train"', '')
    index.write_text('\n'.join([text.replace('train: ', '').replace('val: ', ''), *entries, 'test: ../test/images']))
    annotations = read(tmp_path)
    assert [photo.split for photo in annotations.photos] == ['train'] * 6 + ['val'] * 2
    assert (
        annotations.notes[0].startswith('test is left out: ')
        and 'test/images, which is neither' in annotations.notes[0]
    )
    index.write_text(index.read_text().replace(entries[1], 'val: valid/images'))
    with pytest.raises(ValueError, match='looked for images in .*valid/images, which is neither'):
        read(tmp_path)


def test_images_of_all_splits_in_one_folder_of_another_machine(tmp_path):
    index = makers.write_yolo(tmp_path, train='/me/images', val='/me/images', test='/me/test/images')
    for file in tmp_path.glob('*/train/*'):
        file.rename(file.parent.parent / file.name)
    for file in tmp_path.glob('*/val/*'):
        file.unlink()
    assert [photo.split for photo in read(index).photos] == ['train'] * 6


FLIPS = {
    '[0, 2, 1, 3]': [0, 2, 1, 3],
    '[0.0, 2.0, 1.0, 3.0]': [0, 2, 1, 3],
    '["0", "2", "1", "3"]': [0, 2, 1, 3],
    '[1, 2, 0, 3]': None,
    '[0, null, "a", 3]': None,
    '[0, 1]': None,
    '[0, 2, 1, 4]': None,
    '[0.5, 2, 1, 3]': None,
    '{0: 0, 1: 2, 2: 1, 3: 3}': None,
}


@pytest.mark.parametrize('value', FLIPS)
def test_flip_idx_that_has_no_pairs_is_ignored(tmp_path, value):
    index = makers.write_yolo(tmp_path)
    index.write_text(f'{index.read_text()}\nflip_idx: {value}')
    annotations = read(index)
    assert annotations.labels.mirror == FLIPS[value] and annotations.labels.flip
    said = [note for note in annotations.notes if 'expected each number from 0 to 3 once, in pairs' in note]
    assert len(said) == (FLIPS[value] is None)


KPT_NAMES = {  # and the names of class 1
    '{0: [a, b, c, d], 1: [e, f, g, h]}': [*'efgh'],
    '{mouse: [a, b, c, d], rat: [e, f, g, h]}': [*'efgh'],
    '{0: [a, b, c, d]}': [f'keypoint_{i}' for i in range(4)],
    '{}': [f'keypoint_{i}' for i in range(4)],
    '{1: b, 0: a, 2: c, "3": d}': [*'abcd'],
}


@pytest.mark.parametrize('value', KPT_NAMES)
def test_keypoint_names_by_class_or_index(tmp_path, value):
    index = makers.write_yolo(tmp_path, names=['mouse', 'rat'])
    index.write_text(f'{index.read_text()}\nkpt_names: {value}')
    label = tmp_path / 'labels/train/train0.txt'
    label.write_text('1' + label.read_text()[1:])
    assert read(index, category='rat').labels.names == KPT_NAMES[value]
    with pytest.raises(ValueError, match=r"2 categories .*: 'mouse', 'rat'. Choose one with --category NAME$"):
        read(index)
    with pytest.raises(ValueError, match=r"--category each: only for COCO files; choose one of 'mouse', 'rat'$"):
        read(index, category='each')


def test_other_keys_and_file_names(tmp_path):
    index = makers.write_yolo(tmp_path)
    text = index.read_text()
    for name, val in (('data.yml', 'Val'), ('mice.yaml', 'valid'), ('mice.yaml', 'validation')):
        index = index.rename(tmp_path / name)
        index.write_text(text.replace('val:', f'{val}:').replace('train:', 'Train:'))
        (tmp_path / 'other.yaml').write_text('a: 1')
        assert [photo.split for photo in read(tmp_path).photos] == ['train'] * 6 + ['val'] * 2
    (tmp_path / 'other.yaml').write_text(text)
    with pytest.raises(ValueError, match='mice.yaml, other.yaml have kpt_shape: name one file'):
        read(tmp_path)
    index.write_text(text.replace('val:', 'default:').replace('train:', 'all:'))
    with pytest.raises(ValueError, match='train None: expected a folder with images, or a .txt file with paths'):
        read(index)


def write_lists(index, before=''):
    """Replace the folders in data.yaml by lists of their images, whose paths start with some text."""
    text = index.read_text()
    for split in ('train', 'val'):
        names = sorted(file.name for file in (index.parent / 'images' / split).iterdir())
        lines = [f'{before}images/{split}/{name}' for name in names]
        (index.parent / f'{split}.txt').write_text('\n'.join(lines))
        text = text.replace(f'"images/{split}"', f'"{split}.txt"')
    index.write_text(text)


def test_a_bad_line_of_a_list_is_left_out_and_an_image_that_is_listed_twice_is_joined(tmp_path):
    index = makers.write_yolo(tmp_path)
    write_lists(index)
    for folder in 'ab':
        makers.write_image(tmp_path / folder / 'same.png')
    with (tmp_path / 'train.txt').open('a') as file:
        file.write('\n\nx/same.png\n../\nimages/train/train0.png')
    annotations = read(tmp_path)
    assert [len(photo.instances) for photo in annotations.photos] == [2, *[1] * 7]
    assert len(find_repeated(annotations.photos[0].instances)) == 1
    assert '1 images are listed twice: their annotations are joined' in annotations.notes
    ambiguous, nameless = annotations.unreadable
    assert f"{tmp_path / 'train.txt'}, line 8: 'x/same.png' is ambiguous: " in ambiguous
    assert "train.txt, line 9: expected the path of an image, got '../'" in nameless


@pytest.mark.parametrize('before', ['', 'data/'])
def test_lists_of_images_that_are_in_another_folder(tmp_path, before):
    """As CVAT exports annotations without images."""
    index = makers.write_yolo(tmp_path / 'yolo')
    expected = read(index)
    write_lists(index, before)
    (tmp_path / 'photos').mkdir()
    for file in sorted((tmp_path / 'yolo/images').glob('*/*')):
        file.rename(tmp_path / 'photos' / file.name)
    with pytest.raises(ValueError, match='none of its 8 images exists; .* pass the folder of the images with --images'):
        read(index)
    annotations = read(index, images=tmp_path / 'photos')
    assert [photo.path.name for photo in annotations.photos] == [photo.path.name for photo in expected.photos]
    for ours, theirs in zip(annotations.photos, expected.photos, strict=True):
        np.testing.assert_array_equal(ours.instances[0].keypoints, theirs.instances[0].keypoints)
        assert ours.split == theirs.split and ours.path.parent == tmp_path / 'photos'
    with (tmp_path / 'yolo/val.txt').open('a') as file:  # one photo for two label files
        file.write('\nimages/other/train0.png')
    (tmp_path / 'yolo/labels/other').mkdir()
    (tmp_path / 'yolo/labels/other/train0.txt').write_text((tmp_path / 'yolo/labels/train/train0.txt').read_text())
    (problem,) = read(index, images=tmp_path / 'photos').unreadable
    assert 'photos/train0.png would be the image of ' in problem and 'other/train0.txt and ' in problem


@pytest.mark.parametrize('before', ['', '/me/'])
def test_labels_beside_images_in_another_folder_and_one_list_for_both_splits(tmp_path, before):
    """As Ultralytics has its datasets, with data.yaml and lists elsewhere."""
    index = makers.write_yolo(tmp_path / 'yolo')
    expected = read(index).photos[:6]
    write_lists(index, before or f'{tmp_path}/photos/')
    (tmp_path / 'photos').mkdir()
    for folder in ('images', 'labels'):
        (tmp_path / 'yolo' / folder).rename(tmp_path / 'photos' / folder)
    index.write_text(index.read_text().replace('val.txt', 'train.txt'))
    with (tmp_path / 'yolo/train.txt').open('a') as file:
        file.write('\n../')
    annotations = read(index, images=tmp_path / 'photos')
    assert [photo.path.name for photo in annotations.photos] == [photo.path.name for photo in expected]
    np.testing.assert_array_equal(annotations.photos[0].instances[0].keypoints, expected[0].instances[0].keypoints)
    assert len(annotations.unreadable) == 1 and 'line 7: expected the path' in annotations.unreadable[0]


def test_images_in_folders_are_not_looked_for_elsewhere(tmp_path):
    index = makers.write_yolo(tmp_path / 'yolo')
    (tmp_path / 'photos').mkdir()
    annotations = read(index, images=tmp_path / 'photos')
    assert annotations.count == 8
    assert sum('is for the paths of a .txt file: the images are those in ' in note for note in annotations.notes) == 2
    (tmp_path / 'yolo/images/val').rename(tmp_path / 'photos/val')
    with pytest.raises(ValueError, match='which is neither .* of a .txt file: copy the images to this folder'):
        read(index, images=tmp_path / 'photos')


def test_bad_yolo_folders(tmp_path):
    makers.write_yolo(tmp_path)
    index = 'data.yaml'
    for name, old, new, message in (
        (index, 'kpt_shape: [4, 3]', '', r'kpt_shape None: expected \[K, 2\] or \[K, 3\]'),
        (index, 'images/train', 'pictures', 'looked for images in .*pictures, which is neither'),
        (index, 'names:', '- x', 'not a YAML file'),
    ):
        text = (tmp_path / name).read_text()
        assert text.count(old) == 1
        (tmp_path / name).write_text(text.replace(old, new))
        with pytest.raises(ValueError, match=message):
            read(tmp_path)
        (tmp_path / name).write_text(text)
    (tmp_path / 'labels').rename(tmp_path / 'other')
    with pytest.raises(ValueError, match='none of its 8 images has a label; looked for .*labels/train/train0.txt, '):
        read(tmp_path)
