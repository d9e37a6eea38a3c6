"""Atomic writes, and what is said of a missing checkpoint."""

import pytest

from vitpose_mm.files import missing_checkpoint, replacing, write_text


def test_a_failed_write_leaves_the_old_file_alone(tmp_path):
    file = tmp_path / 'sub' / 'index.json'
    write_text(file, 'old: ä')
    with pytest.raises(OSError, match='disk full'), replacing(file) as part:
        part.write_text('half')
        assert file.read_text(encoding='utf-8') == 'old: ä'
        raise OSError('disk full')
    assert file.read_text(encoding='utf-8') == 'old: ä'
    assert [path.name for path in file.parent.iterdir()] == ['index.json']


def test_a_good_write_replaces_the_old_file(tmp_path):
    for text in ('old', 'new'):
        write_text(tmp_path / 'index.json', text)
    assert (tmp_path / 'index.json').read_text() == 'new'
    assert [path.name for path in tmp_path.iterdir()] == ['index.json']


def test_the_last_checkpoint_by_number_is_offered(tmp_path):
    for name in ('epoch_9.pth', 'epoch_10.pth', 'best_coco_AP_epoch_11.pth'):
        (tmp_path / name).touch()
    said = missing_checkpoint(tmp_path / 'epoch_12.pth', 'a.py', '--checkpoint {}')
    assert said == (
        f'{tmp_path}/epoch_12.pth: no such checkpoint. `mim train mmpose a.py` writes it; {tmp_path} has epoch_9.pth, '
        f'epoch_10.pth. To use the last one: --checkpoint {tmp_path}/epoch_10.pth'
    )


def test_an_empty_folder_has_none(tmp_path):
    said = missing_checkpoint(tmp_path / 'last.pth', 'a.py', '{}')
    assert said.endswith(f'writes it; {tmp_path} has no epoch_*.pth')
