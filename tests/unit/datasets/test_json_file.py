"""Truncated and broken annotation files give an error that names file and position."""

import re

import pytest

from tests.unit.datasets.tiny_files import build, person, write, write_for

pytestmark = pytest.mark.usefixtures('mmpose_scope')


@pytest.mark.parametrize('name', ['CocoDataset', 'MpiiDataset'])
@pytest.mark.parametrize(
    ('cut', 'message'),
    [
        (lambda data: b'', 'is empty'),
        (lambda data: b' \n', 'is empty'),
        (lambda data: data[:-9], r'truncated.* at line 1, column \d+, position \d+ of \d+ bytes'),
        (lambda data: data[: len(data) // 2], r'truncated.* position \d+'),
        (lambda data: b'<html>not found', "not JSON: it starts with b'<html>"),
        (lambda data: b'{"images": "\xff\xfe"}', 'is not text: byte 12 of 16'),
    ],
)
def test_broken_annotation_file(name, cut, message, tmp_path):
    data = write_for(name, tmp_path)
    path = tmp_path / data['ann_file']
    path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(ValueError, match=f'{re.escape(str(path))}.*{message}'):
        build(name, **data)


def test_error_names_the_broken_box_file(tmp_path):
    data = write(tmp_path, [person(1)])
    boxes = tmp_path / 'boxes.json'
    boxes.write_text('[{"bbox": [1, 2')
    with pytest.raises(ValueError, match=r'boxes\.json is truncated'):
        build('CocoDataset', bbox_file=str(boxes), test_mode=True, **data)
