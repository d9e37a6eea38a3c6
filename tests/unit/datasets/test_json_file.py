"""Truncated and broken annotation files give an error that names file and position."""

import re

import pytest

from tests.unit.datasets.tiny_files import build, person, write, write_mpii

pytestmark = pytest.mark.usefixtures('mmpose_scope')


@pytest.mark.parametrize('name', ['CocoDataset', 'MpiiDataset'])
@pytest.mark.parametrize(
    ('cut', 'message'),
    [
        (lambda text: '', 'is empty'),
        (lambda text: ' \n', 'is empty'),
        (lambda text: text[:-9], r'truncated.* at line 1, column \d+, position \d+ of \d+ bytes'),
        (lambda text: text[: len(text) // 2], r'truncated.* position \d+'),
        (lambda text: '<html>not found', "not JSON: it starts with b'<html>"),
    ],
)
def test_broken_annotation_file(name, cut, message, tmp_path):
    data = write_mpii(tmp_path) if name == 'MpiiDataset' else write(tmp_path, [person(1)])
    path = tmp_path / data['ann_file']
    path.write_text(cut(path.read_text()))
    with pytest.raises(ValueError, match=f'{re.escape(str(path))}.*{message}'):
        build(name, **data)


def test_annotation_file_that_is_not_text(tmp_path):
    data = write(tmp_path, [person(1)])
    path = tmp_path / data['ann_file']
    path.write_bytes(b'{"images": "\xff\xfe"}')
    with pytest.raises(ValueError, match=r'annotations\.json is not text: byte 12 of 16'):
        build('CocoDataset', **data)


def test_error_names_the_broken_box_file(tmp_path):
    data = write(tmp_path, [person(1)])
    boxes = tmp_path / 'boxes.json'
    boxes.write_text('[{"bbox": [1, 2')
    with pytest.raises(ValueError, match=r'boxes\.json is truncated'):
        build('CocoDataset', bbox_file=str(boxes), test_mode=True, **data)
