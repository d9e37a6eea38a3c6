import re

import pytest

from tests.unit.datasets.tiny_files import build, person, write, write_for

pytestmark = pytest.mark.usefixtures('mmpose_scope')


@pytest.mark.parametrize('name', ['CocoDataset', 'MpiiDataset'])
def test_broken_annotation_file(name, tmp_path):
    data = write_for(name, tmp_path)
    path = tmp_path / data['ann_file']
    whole = path.read_bytes()
    for content, message in (
        (b'', 'is empty'),
        (b' \n', 'is empty'),
        (whole[:-9], r'truncated.* at line 1, column \d+, position \d+ of \d+ bytes'),
        (whole[: len(whole) // 2], r'truncated.* position \d+'),
        (b'<html>not found', "not JSON: it starts with b'<html>"),
        (b'{"images": "\xff\xfe"}', 'is not text: byte 12 of 16'),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f'{re.escape(str(path))}.*{message}'):
            build(name, **data)


def test_error_names_the_broken_box_file(tmp_path):
    boxes = tmp_path / 'boxes.json'
    boxes.write_text('[{"bbox": [1, 2')
    with pytest.raises(ValueError, match=r'boxes\.json is truncated'):
        build('CocoDataset', bbox_file=str(boxes), test_mode=True, **write(tmp_path, [person(1)]))
