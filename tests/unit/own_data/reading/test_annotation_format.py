"""Unknown formats, and images that are not there, are refused."""

import pytest

from tests.unit.own_data import makers
from tests.unit.own_data.makers import read


def test_unknown_formats(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file or folder; expected a COCO keypoint file'):
        read(tmp_path / 'nothing.json')
    (tmp_path / 'a.txt').touch()
    with pytest.raises(ValueError, match=r'a.txt: expected a COCO keypoint file or a folder of them, a YOLO'):
        read(tmp_path / 'a.txt')
    with pytest.raises(ValueError, match=r'expected COCO files'):
        read(tmp_path)
    path = makers.write_coco(tmp_path / 'here')
    (tmp_path / 'there').mkdir()
    with pytest.raises(
        ValueError, match=r'none of its 12 images exists; looked for .*there/frame 0.png, .*check --images'
    ):
        read(path, images=tmp_path / 'there')
    with pytest.raises(FileNotFoundError, match='--images .*nowhere: no such folder'):
        read(path, images=tmp_path / 'nowhere')
