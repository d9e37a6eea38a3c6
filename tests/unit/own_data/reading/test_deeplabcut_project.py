import re
import sys

import numpy as np
import pytest

from tests.unit.own_data import makers
from tests.unit.own_data.makers import LINKS, read


@pytest.mark.parametrize('levels', [1, 3])
def test_deeplabcut(tmp_path, levels):
    project = makers.write_deeplabcut(tmp_path)
    if levels == 1:  # older versions and Lightning Pose have the path in one column
        for file in project.glob('labeled-data/*/*.csv'):
            lines = file.read_text().splitlines()
            head = [line.replace(',,,', ',', 1) for line in lines[:3]]
            file.write_text('\n'.join([*head, *(line.replace(',', '/', 2) for line in lines[3:])]))
    annotations = read(project)
    assert annotations.labels.names == makers.NAMES and annotations.labels.links == LINKS[:2]
    assert [photo.video for photo in annotations.photos] == ['a'] * 6 + ['b'] * 6
    for i, photo in enumerate(annotations.photos[:6]):
        expected = makers.keypoints(i)
        expected[expected[:, 2] > 0, 2] = 2
        np.testing.assert_array_equal(photo.instances[0].keypoints, expected)
        assert photo.path.is_file() and photo.instances[0].box is None


def test_one_csv_of_lightning_pose(tmp_path):
    project = makers.write_deeplabcut(tmp_path, videos=('a',))
    (project / 'labeled-data/a/CollectedData_me.csv').rename(project / 'CollectedData.csv')
    assert read(project / 'CollectedData.csv').count == 6


def table(file, edit):
    """Edit the cells of a table."""
    rows = edit([line.split(',') for line in file.read_text().splitlines()])
    file.write_text('\n'.join(','.join(row) for row in rows))


def test_body_parts_are_found_by_name_and_a_table_may_lack_some(tmp_path):
    expected = read(makers.write_deeplabcut(tmp_path)).photos[6].instances[0].keypoints
    table(tmp_path / 'labeled-data/b/CollectedData_me.csv', lambda rows: [row[:3] + row[7:] + row[3:5] for row in rows])
    annotations = read(tmp_path)
    assert annotations.labels.names == makers.NAMES and not annotations.unreadable
    keypoints = annotations.photos[6].instances[0].keypoints
    np.testing.assert_array_equal(keypoints[[0, 2, 3]], expected[[0, 2, 3]])
    assert not keypoints[1].any() and any('without left_ear, which other tables have' in n for n in annotations.notes)


def test_an_instance_per_individual(tmp_path):
    """`single` are body parts that belong to no individual: they are left out, unless there are no others."""
    file = makers.write_deeplabcut(tmp_path, videos=('a',)) / 'labeled-data/a/CollectedData_me.csv'

    def edit(rows):
        individuals = ['individuals', '', '', 'm1', 'm1', 'm1', 'm1', 'm2', 'm2', 'single', 'single']
        rows[1][3:] = ['nose', 'nose', 'ear', 'ear', 'nose', 'nose', 'lamp', 'lamp']
        return [rows[0], individuals, *rows[1:]]

    table(file, edit)
    annotations = read(tmp_path)
    assert annotations.labels.names == ['nose', 'ear']
    assert 'unique body parts (lamp) belong to no animal: left out' in annotations.notes
    nose, ear, other, _ = makers.keypoints(0)
    first, second = (instance.keypoints for instance in annotations.photos[0].instances)
    np.testing.assert_array_equal(first[:2, :2], [nose[:2], ear[:2]])
    np.testing.assert_array_equal(second, [[*other[:2], 2], [0, 0, 0]])
    file.write_text(file.read_text().replace('m1', 'single').replace('m2', 'single').replace('lamp', 'tail'))
    table(file, lambda rows: [row[:-2] for row in rows])
    text = file.read_text()
    with pytest.raises(ValueError, match="body part 'nose' occurs twice: rename or delete one"):
        read(tmp_path)
    file.write_text(text.replace('ear,ear,nose,nose', 'ear,ear,lamp,lamp'))
    assert read(tmp_path).labels.names == ['nose', 'ear', 'lamp'] and read(tmp_path).count == 6


TABLES = {  # edits of a table's text, which mean the same
    'empty columns at the end': lambda text: text.replace('\n', ',,\n'),
    'an empty column below the header': lambda text: text.replace('\nlabeled', ',\nlabeled'),
    'spaces': lambda text: text.replace(',', ' , '),
    'capitals': lambda text: text.replace(',x,y', ',X,Y').replace('bodyparts', 'Bodyparts'),
    'sep': lambda text: 'sep=;\n' + text.replace(',', ';'),
    **{repr(word): lambda text, word=word: text.replace(',,', f',{word},') for word in ('NA', 'None', '#N/A', '-')},
}


@pytest.mark.parametrize('name', TABLES)
def test_tables_that_mean_the_same(tmp_path, name):
    expected = read(makers.write_deeplabcut(tmp_path)).photos
    for file in tmp_path.glob('labeled-data/*/*.csv'):
        head = file.read_text().replace(',,,', ',', 1)
        lines = [line.replace(',,,', ',', 1) for line in head.splitlines()[:3]]
        lines += [line.replace(',', '/', 2) for line in head.splitlines()[3:]]
        file.unlink()
        file.with_suffix('.CSV').write_text(TABLES[name]('\n'.join(lines)))
    annotations = read(tmp_path)
    assert annotations.labels.names == makers.NAMES and not annotations.unreadable
    for ours, theirs in zip(annotations.photos, expected, strict=True):
        np.testing.assert_array_equal(ours.instances[0].keypoints, theirs.instances[0].keypoints)


def test_spreadsheets_visibility_and_names_without_a_video(tmp_path):
    file = makers.write_deeplabcut(tmp_path, videos=('a',)) / 'labeled-data/a/CollectedData_me.csv'
    lines = [['coords', 'x', 'y', 'visible'], ['bodyparts', *['nose'] * 3], ['labeled-data/one_0.png', '1,5', '2', '1']]
    lines += [['labeled-data/one_1.png', '3', '4,5', '0'], ['labeled-data/one_2.png', 'three', '4', '2']]
    file = file.rename(tmp_path / 'CollectedData.csv')
    file.write_text('\n'.join(';'.join(line) for line in lines), encoding='utf-8-sig')
    for i in range(2):
        makers.write_image(tmp_path / f'labeled-data/one_{i}.png')
    annotations = read(tmp_path)  # Lightning Pose has one table beside labeled-data/
    first, second = annotations.photos
    assert first.instances[0].keypoints.tolist() == [[1.5, 2, 1]] and not second.instances
    assert first.video is None  # 'labeled-data' is none
    (problem,) = annotations.unreadable
    assert "image 3 (labeled-data/one_2.png): x of nose: expected a number, got 'three'" in problem


@pytest.mark.parametrize('levels', [1, 3])
def test_the_arrays_of_an_h5_table(tmp_path, levels):
    """Those that pandas writes; a csv beside it is preferred, and pickled objects are refused."""
    h5py = pytest.importorskip('h5py', reason='.h5 tables need h5py')
    expected = read(makers.write_deeplabcut(tmp_path, videos=('a',)))
    text = (tmp_path / 'labeled-data/a/CollectedData_me.csv').read_text()
    lines = [line.split(',') for line in text.splitlines()]
    file = tmp_path / 'labeled-data/a/CollectedData_me.h5'
    with h5py.File(file, 'w') as opened:
        group = opened.create_group('df_with_missing')
        heads = [[line[i] for line in lines[3:]] for i in range(3)]
        group['block0_values'] = [[float(value or 'nan') for value in line[3:]] for line in lines[3:]]
        axes = dict(block0_items=[line[3:] for line in lines[:3]])
        if levels == 3:
            axes['axis1'] = heads
        else:
            group['axis1'] = np.array(['/'.join(parts) for parts in zip(*heads, strict=True)], 'S')
        for name, axis in axes.items():
            for i, labels in enumerate(axis):
                values, codes = np.unique(labels, return_inverse=True)
                group[f'{name}_level{i}'], group[f'{name}_label{i}'] = values.astype('S'), codes.astype('i1')
    file.with_suffix('.csv').unlink()
    annotations = read(tmp_path)
    assert annotations.labels == expected.labels
    for ours, theirs in zip(annotations.photos, expected.photos, strict=True):
        assert (ours.path, ours.name, ours.video) == (theirs.path, theirs.name, theirs.video)
        np.testing.assert_array_equal(ours.instances[0].keypoints, theirs.instances[0].keypoints)
    with h5py.File(file, 'a') as opened:
        del opened['df_with_missing/block0_values']
        opened['df_with_missing'].create_dataset('block0_values', (1,), h5py.vlen_dtype(np.uint8))
    with pytest.raises(ValueError, match='block0_values holds pickled objects, which can run code: use the .csv'):
        read(tmp_path)
    with h5py.File(file, 'w') as opened:  # as older versions wrote it
        opened['df_with_missing/table'] = [1]
        opened.create_group('df_with_missing/_i_table')
    with pytest.raises(ValueError, match="stored in pandas' format 'table', .* pickled: use the .csv"):
        read(tmp_path)
    with h5py.File(file, 'w') as opened:
        opened['df_with_missing'] = [1]
    with pytest.raises(ValueError, match='CollectedData_me.h5: not a DeepLabCut table: '):
        read(tmp_path)
    file.with_suffix('.csv').write_text(text)
    assert read(tmp_path).count == 6


@pytest.mark.parametrize('config', [b'a: [', b'skeleton: nose', b'skeleton: [[nose, \xff], [tail]]'])
def test_a_bad_skeleton_is_left_out(tmp_path, config):
    (makers.write_deeplabcut(tmp_path) / 'config.yaml').write_bytes(config)
    annotations = read(tmp_path)
    assert annotations.count == 12 and not annotations.labels.links
    assert any('config.yaml: no skeleton: expected pairs' in note for note in annotations.notes)


def test_of_several_tables_of_a_video_one_is_read_and_the_others_are_named(tmp_path):
    """As DeepLabCut leaves a backup when a project of one animal becomes one of several."""
    file = makers.write_deeplabcut(tmp_path) / 'labeled-data/a/CollectedData_me.csv'
    backup = file.with_name('CollectedData_mesingleanimal.csv')
    backup.write_text('\n'.join(file.read_text().splitlines()[:6]))  # three of the six frames
    annotations = read(tmp_path)
    assert annotations.count == 12
    assert sum(f'left out: {backup.name} of 1 videos' in note for note in annotations.notes) == 1
    (tmp_path / 'config.yaml').write_text('scorer: mesingleanimal')
    annotations = read(tmp_path)  # b has no table of this scorer
    assert annotations.count == 9
    assert any(f'left out: {file.name} of 1 videos' in note for note in annotations.notes)


def test_bad_rows_are_left_out_and_named(tmp_path):
    """A row without a name, a stray quote, and a cell that is too long for Python's csv."""
    file = makers.write_deeplabcut(tmp_path, videos=('a',)) / 'labeled-data/a/CollectedData_me.csv'
    text = file.read_text().replace('img003.png,', 'img003.png,"').replace('img004.png,', f'img004.png,{"x" * 140_000}')
    file.write_text(f'{text}\n,,,12,34')
    annotations = read(tmp_path)
    assert [photo.path.name for photo in annotations.photos] == [f'img00{i}.png' for i in (0, 1, 2, 5)]
    quote, long, nameless = annotations.unreadable
    assert """x of nose: expected a number, got '"13.0'""" in quote
    assert "x of nose: expected a number, got 'xxxxx" in long and len(long) < 1000
    assert "CollectedData_me.csv, image 7 (//): expected the name of an image, got '//'" in nameless


def test_bad_deeplabcut_projects(tmp_path, monkeypatch):
    file = makers.write_deeplabcut(tmp_path) / 'labeled-data/b/CollectedData_me.csv'
    text = file.read_text()
    for old, new in (('bodyparts', 'individuals'), ('(?s).+', 'nonsense')):
        file.write_text(re.sub(old, new, text))
        with pytest.raises(ValueError, match='not a DeepLabCut table: expected header rows'):
            read(tmp_path)
    alone = file.rename(file.with_suffix('.h5'))
    monkeypatch.setitem(sys.modules, 'h5py', None)
    with pytest.raises(ValueError, match='h5 table needs h5py: pip install .*, or put the .csv'):
        read(alone)
