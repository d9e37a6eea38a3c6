"""DeepLabCut projects: keypoints and videos; projects with errors are refused with where and why."""

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
    found = read(project)
    assert found.labels.names == makers.NAMES and found.labels.links == LINKS[:2]
    assert [photo.video for photo in found.photos] == ['a'] * 6 + ['b'] * 6
    for i, photo in enumerate(found.photos[:6]):
        expected = makers.keypoints(i)
        expected[expected[:, 2] > 0, 2] = 2
        np.testing.assert_array_equal(photo.instances[0].keypoints, expected)
        assert photo.path.is_file() and photo.instances[0].box is None


def test_one_csv_of_lightning_pose(tmp_path):
    project = makers.write_deeplabcut(tmp_path, videos=('a',))
    file = project / 'labeled-data/a/CollectedData_me.csv'
    (project / 'CollectedData.csv').write_text(file.read_text())
    file.unlink()
    assert read(project / 'CollectedData.csv').count == 6


def test_bad_deeplabcut_projects(tmp_path):
    project = makers.write_deeplabcut(tmp_path)
    file = project / 'labeled-data/b/CollectedData_me.csv'
    text = file.read_text()
    for new, message in (
        (text.replace('tail', 'paw'), r"b/CollectedData_me.csv: bodyparts .*'paw'.* but .*a/Coll.* has .*'tail'"),
        (text.replace('bodyparts', 'individuals', 1), 'it annotates several animals|header rows'),
        ('nonsense', 'not a DeepLabCut table|header rows'),
    ):
        file.write_text(new)
        with pytest.raises(ValueError, match=message):
            read(project)


def test_h5_files_are_not_read(tmp_path):
    project = makers.write_deeplabcut(tmp_path)
    file = project / 'labeled-data/b/CollectedData_me.csv'
    alone = file.rename(file.with_suffix('.h5'))
    for path, message in (
        (project, r'labeled-data/b: a .h5 without the .csv .* can run code'),
        (alone, 'pass the .csv'),
    ):
        with pytest.raises(ValueError, match=message):
            read(path)
