"""Atomic writes."""

import pytest

from vitpose_base.files import replacing, write_text


def test_failed_write_keeps_the_old_file(tmp_path):
    file = tmp_path / 'sub' / 'index.json'
    write_text(file, 'old: ä')
    with pytest.raises(OSError, match='disk full'), replacing(file) as temporary_file:
        temporary_file.write_text('half')
        assert file.read_text(encoding='utf-8') == 'old: ä'
        raise OSError('disk full')
    assert file.read_text(encoding='utf-8') == 'old: ä'
    assert [path.name for path in file.parent.iterdir()] == ['index.json']


def test_successful_write_replaces_the_old_file(tmp_path):
    for text in ('old', 'new'):
        write_text(tmp_path / 'index.json', text)
    assert (tmp_path / 'index.json').read_text() == 'new'
    assert [path.name for path in tmp_path.iterdir()] == ['index.json']
