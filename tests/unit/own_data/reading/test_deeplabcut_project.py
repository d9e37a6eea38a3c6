import re

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


def test_bad_deeplabcut_projects(tmp_path):
    file = makers.write_deeplabcut(tmp_path) / 'labeled-data/b/CollectedData_me.csv'
    text = file.read_text()
    for old, new, message in (
        ('tail', 'paw', r"b/CollectedData_me.csv: bodyparts .*'paw'.* but .*a/Coll.* has .*'tail'"),
        ('bodyparts', 'individuals', 'it annotates several animals|header rows'),
        ('(?s).+', 'nonsense', 'not a DeepLabCut table|header rows'),
    ):
        file.write_text(re.sub(old, new, text))
        with pytest.raises(ValueError, match=message):
            read(tmp_path)
    alone = file.rename(file.with_suffix('.h5'))
    with pytest.raises(ValueError, match=r'labeled-data/b: a .h5 without the .csv .* can run code'):
        read(tmp_path)
    with pytest.raises(ValueError, match='pass the .csv'):
        read(alone)
