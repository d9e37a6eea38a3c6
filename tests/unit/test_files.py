"""Atomic writes, and the message for a missing checkpoint."""

import pytest

from vitpose_mm.files import missing_checkpoint, replacing, write_text


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


def test_checkpoint_with_the_highest_number_is_suggested(tmp_path):
    for name in ('epoch_9.pth', 'epoch_10.pth', 'best_coco_AP_epoch_11.pth'):
        (tmp_path / name).touch()
    message = missing_checkpoint(tmp_path / 'epoch_12.pth', 'a.py', '--checkpoint {}')
    assert message == (
        f'{tmp_path}/epoch_12.pth: no such checkpoint. `mim train mmpose a.py` writes it; {tmp_path} has epoch_9.pth, '
        f'epoch_10.pth. To use the last one: --checkpoint {tmp_path}/epoch_10.pth'
    )


def test_empty_folder_has_no_checkpoint(tmp_path):
    message = missing_checkpoint(tmp_path / 'last.pth', 'a.py', '{}')
    assert message.endswith(f'writes it; {tmp_path} has no epoch_*.pth')
