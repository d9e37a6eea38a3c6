import hashlib

import pytest

from vitpose_base.files import replacing, sha256, write_text


def test_a_write_replaces_the_old_file_and_a_failed_one_keeps_it(tmp_path):
    file = tmp_path / 'sub' / 'index.json'
    for text in ('old', 'new: ä'):
        write_text(file, text)
    with pytest.raises(OSError, match='disk full'), replacing(file) as temporary_file:
        temporary_file.write_text('half')
        assert file.read_text(encoding='utf-8') == 'new: ä'
        raise OSError('disk full')
    assert file.read_text(encoding='utf-8') == 'new: ä'
    assert [path.name for path in file.parent.iterdir()] == ['index.json']


def test_a_new_file_can_be_read_by_those_whom_the_umask_lets(tmp_path):
    """Whatever a library does to the temporary file: safetensors makes one that only its owner can read."""
    with replacing(tmp_path / 'weights') as part:
        part.unlink()
        part.touch(0o600)
    (tmp_path / 'plain').touch()
    assert (tmp_path / 'weights').stat().st_mode == (tmp_path / 'plain').stat().st_mode


def test_hash_of_a_folder_is_that_of_its_files_in_order(tmp_path):
    folder = tmp_path / 'folder'
    (folder / 'below').mkdir(parents=True)
    for path, content in ((folder / 'b', b'2'), (folder / 'a', b'1'), (tmp_path / 'file', b'12')):
        path.write_bytes(content)
    assert sha256(folder) == sha256(tmp_path / 'file') == hashlib.sha256(b'12').hexdigest()


@pytest.mark.parametrize('name', ['model.safetensors', 'pytorch_model.bin'])
def test_hash_of_an_index_changes_with_every_shard(tmp_path, name):
    stem, suffix = name.split('.')
    index, shards = tmp_path / f'{name}.index.json', [tmp_path / f'{stem}-0000{i}-of-00002.{suffix}' for i in (1, 2)]
    for file in (index, *shards, tmp_path / 'README.md'):
        file.write_text(file.name)
    hashes = {sha256(index)}
    for file in shards:
        file.write_text('other weights')
        hashes.add(sha256(index))
    assert len(hashes) == 3
    (tmp_path / 'README.md').write_text('other text')
    assert sha256(index) in hashes
