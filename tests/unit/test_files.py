"""Atomic writes, and hashes of files."""

import hashlib

import pytest

from vitpose_base.files import replacing, sha256, write_text


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


def test_hash_of_a_folder_is_that_of_its_files_in_order(tmp_path):
    folder = tmp_path / 'folder'
    (folder / 'below').mkdir(parents=True)
    (folder / 'b').write_bytes(b'2')
    (folder / 'a').write_bytes(b'1')
    (tmp_path / 'file').write_bytes(b'12')
    assert sha256(folder) == sha256(tmp_path / 'file') == hashlib.sha256(b'12').hexdigest()
