"""Which checkpoint a run continues from; tests/unit/hooks/test_complete_checkpoint.py kills writers and trains."""

import re

import pytest
import torch

from vitpose_mm.checkpoints.run_checkpoints import find_resume_checkpoint, list_checkpoints, missing_checkpoint_message


def write(path, run='a', day=1, cut=None):
    """A small checkpoint of a day, truncated to `cut` bytes."""
    meta = dict(time=f'202601{day:02}_000000', **({} if run is None else dict(run_id=run)))
    torch.save(dict(state_dict=dict(weight=torch.arange(1000)), meta=meta), path)
    path.write_bytes(path.read_bytes()[:cut])
    return path


def point(folder, path):
    (folder / 'last_checkpoint').write_text(str(path))


def test_the_files_of_a_run(tmp_path):
    others = ('best_coco_AP_epoch_2.pth', 'epoch_x.pth', 'epoch_9.pth.part', 'epoch_8_pth', 'xepoch_9.pth')
    for name in ('epoch_9.pth', 'epoch_10.pth', 'iter_20.pth', 'model-3.pth', *others):
        (tmp_path / name).touch()
    (tmp_path / 'epoch_7.pth').mkdir()
    assert [path.name for path in list_checkpoints(tmp_path)] == ['epoch_9.pth', 'epoch_10.pth', 'iter_20.pth']
    assert list_checkpoints(tmp_path, ['model-{}.pth']) == [tmp_path / 'model-3.pth']
    assert list_checkpoints(tmp_path / 'missing') == []


def test_the_message_about_a_missing_checkpoint_suggests_that_with_the_highest_number(tmp_path):
    message = missing_checkpoint_message(tmp_path / 'last.pth', 'a.py', '{}')
    assert message.endswith(f'writes it; {tmp_path} has no epoch_*.pth')
    for name in ('epoch_9.pth', 'epoch_10.pth', 'best_coco_AP_epoch_11.pth'):
        (tmp_path / name).touch()
    assert missing_checkpoint_message(tmp_path / 'epoch_12.pth', 'a.py', '--checkpoint {}') == (
        f'{tmp_path}/epoch_12.pth: no such checkpoint. `mim train mmpose a.py` writes it; {tmp_path} has epoch_9.pth, '
        f'epoch_10.pth. To use the last one: --checkpoint {tmp_path}/epoch_10.pth'
    )


def test_nothing_to_continue(tmp_path):
    assert find_resume_checkpoint(tmp_path) == (None, [])
    (tmp_path / 'run_id').write_text('a')
    write(tmp_path / 'best_coco_AP_epoch_2.pth')
    assert find_resume_checkpoint(tmp_path) == (None, [])


@pytest.mark.parametrize('run', [None, 'a'])
def test_the_named_checkpoint_comes_first(tmp_path, run):
    """Such as after --resume FILE, or if a user wrote its name; also if the folder was moved."""
    for epoch in (1, 2, 3):
        write(tmp_path / f'epoch_{epoch}.pth', day=epoch)
    (tmp_path / 'out').mkdir()
    other = write(tmp_path / 'out/epoch_9.pth')  # CheckpointHook(out_dir=...)
    if run:
        (tmp_path / 'run_id').write_text(run)
    second, first = tmp_path / 'epoch_2.pth', tmp_path / 'epoch_1.pth'
    for pointer, path in ((second, second), ('/elsewhere/epoch_1.pth', first), (other, other)):
        point(tmp_path, pointer)
        assert find_resume_checkpoint(tmp_path) == (path, [])


@pytest.mark.parametrize('cut', [0, 90, -1, -300])
def test_a_damaged_one_is_named_and_the_one_saved_last_is_chosen(tmp_path, cut):
    """That is not the one of the highest iteration: the run went back to an earlier epoch."""
    write(tmp_path / 'epoch_8.pth', day=1)
    write(tmp_path / 'epoch_3.pth', day=2)
    point(tmp_path, write(tmp_path / 'epoch_4.pth', day=3, cut=cut))
    path, (skipped,) = find_resume_checkpoint(tmp_path)
    assert path == tmp_path / 'epoch_3.pth'
    assert re.match(f'{tmp_path}/epoch_4.pth cannot be read as a checkpoint of torch; is it complete', skipped)


@pytest.mark.parametrize('text', ['', '/tmp', 'missing.pth', None])
def test_last_checkpoint_is_damaged_or_missing(tmp_path, text):
    if text is not None:
        point(tmp_path, text)
    write(tmp_path / 'epoch_1.pth', day=1)
    write(tmp_path / 'iter_15.pth', day=2)
    path, skipped = find_resume_checkpoint(tmp_path)
    assert path == tmp_path / 'iter_15.pth' and len(skipped) == bool(text)


def test_other_runs_are_named_and_never_chosen(tmp_path):
    """A run started, and an older one has later epochs; its own last checkpoint may be damaged."""
    (tmp_path / 'run_id').write_text('b')
    write(tmp_path / 'epoch_9.pth', run='a', day=9)
    write(tmp_path / 'epoch_8.pth', run=None, day=9)
    write(tmp_path / 'epoch_1.pth', run='b')
    others = {f'{tmp_path}/epoch_{epoch}.pth is a checkpoint of another run' for epoch in (8, 9)}
    for text in ('epoch_1.pth', 'epoch_2.pth', 'epoch_9.pth', ''):
        point(tmp_path, text)
        path, skipped = find_resume_checkpoint(tmp_path)
        assert path == tmp_path / 'epoch_1.pth' and others <= set(skipped)
    (tmp_path / 'epoch_1.pth').write_bytes(b'')
    with pytest.raises(ValueError, match='no complete checkpoint of the run .*epoch_1.pth cannot .*another run.*FILE'):
        find_resume_checkpoint(tmp_path)


def test_files_from_before_ids(tmp_path):
    """They are one run, which keeps going without an id; the file `run_id` is then missing or empty."""
    write(tmp_path / 'epoch_1.pth', run=None, day=1)
    write(tmp_path / 'epoch_2.pth', run='', day=2)
    assert find_resume_checkpoint(tmp_path) == (tmp_path / 'epoch_2.pth', [])
    (tmp_path / 'run_id').write_text('')
    (tmp_path / 'epoch_2.pth').write_bytes(b'')
    assert find_resume_checkpoint(tmp_path)[0] == tmp_path / 'epoch_1.pth'
