"""The message about a missing checkpoint."""

from vitpose_mm.checkpoints.run_checkpoints import missing_checkpoint_message


def test_checkpoint_with_the_highest_number_is_suggested(tmp_path):
    for name in ('epoch_9.pth', 'epoch_10.pth', 'best_coco_AP_epoch_11.pth'):
        (tmp_path / name).touch()
    message = missing_checkpoint_message(tmp_path / 'epoch_12.pth', 'a.py', '--checkpoint {}')
    assert message == (
        f'{tmp_path}/epoch_12.pth: no such checkpoint. `mim train mmpose a.py` writes it; {tmp_path} has epoch_9.pth, '
        f'epoch_10.pth. To use the last one: --checkpoint {tmp_path}/epoch_10.pth'
    )


def test_empty_folder_has_no_checkpoint(tmp_path):
    message = missing_checkpoint_message(tmp_path / 'last.pth', 'a.py', '{}')
    assert message.endswith(f'writes it; {tmp_path} has no epoch_*.pth')
