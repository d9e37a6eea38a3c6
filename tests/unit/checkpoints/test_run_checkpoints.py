"""Which checkpoint a run continues from; tests/unit/hooks/test_complete_checkpoint.py kills writers and trains."""

import re

import pytest
import torch

from vitpose_mm.checkpoints.run_checkpoints import find_resume_checkpoint, list_checkpoints


def write(path, run='a', time='20260101_000000', cut=None, **meta):
    """A small checkpoint, truncated to `cut` bytes."""
    meta.update(time=time, **({} if run is None else dict(run_id=run)))
    torch.save(dict(state_dict=dict(weight=torch.arange(1000)), meta=meta), path)
    path.write_bytes(path.read_bytes()[:cut])
    return path


def point(folder, path):
    (folder / 'last_checkpoint').write_text(str(path))


def test_the_files_of_a_run(tmp_path):
    for name in ('epoch_1.pth', 'iter_20.pth', 'model-3.pth'):
        (tmp_path / name).touch()
    for name in ('best_coco_AP_epoch_2.pth', 'epoch_x.pth', 'epoch_9.pth.part', 'epoch_8_pth', 'xepoch_9.pth'):
        (tmp_path / name).touch()
    (tmp_path / 'epoch_7.pth').mkdir()
    assert [path.name for path in list_checkpoints(tmp_path)] == ['epoch_1.pth', 'iter_20.pth']
    assert list_checkpoints(tmp_path, ['model-{}.pth']) == [tmp_path / 'model-3.pth']
    assert list_checkpoints(tmp_path / 'missing') == []


def test_nothing_to_continue(tmp_path):
    assert find_resume_checkpoint(tmp_path) == (None, [])
    (tmp_path / 'run_id').write_text('a')
    write(tmp_path / 'best_coco_AP_epoch_2.pth')
    assert find_resume_checkpoint(tmp_path) == (None, [])


def test_the_named_checkpoint_comes_first(tmp_path):
    """Such as after --resume FILE, or if a user wrote its name; also if the folder was moved."""
    for epoch in (1, 2, 3):
        write(tmp_path / f'epoch_{epoch}.pth', time=f'2026010{epoch}_000000')
    for run in (None, 'a'):
        if run:
            (tmp_path / 'run_id').write_text(run)
        point(tmp_path, tmp_path / 'epoch_2.pth')
        assert find_resume_checkpoint(tmp_path) == (tmp_path / 'epoch_2.pth', [])
        point(tmp_path, '/elsewhere/epoch_1.pth')
        assert find_resume_checkpoint(tmp_path) == (tmp_path / 'epoch_1.pth', [])
        other = tmp_path / 'out'
        other.mkdir(exist_ok=True)
        point(tmp_path, write(other / 'epoch_9.pth'))  # CheckpointHook(out_dir=...)
        assert find_resume_checkpoint(tmp_path) == (other / 'epoch_9.pth', [])


@pytest.mark.parametrize('cut', [0, 90, -1, -300])
def test_a_damaged_one_is_named_and_the_one_saved_last_is_chosen(tmp_path, cut):
    """That is not the one of the highest iteration: the run went back to an earlier epoch."""
    write(tmp_path / 'epoch_8.pth', time='20260101_000000', iter=80)
    write(tmp_path / 'epoch_3.pth', time='20260102_000000', iter=30)
    point(tmp_path, write(tmp_path / 'epoch_4.pth', time='20260103_000000', cut=cut))
    path, (skipped,) = find_resume_checkpoint(tmp_path)
    assert path == tmp_path / 'epoch_3.pth'
    assert re.match(f'{tmp_path}/epoch_4.pth cannot be read as a checkpoint of torch; is it complete', skipped)


@pytest.mark.parametrize('text', ['', '/tmp', 'missing.pth', None])
def test_last_checkpoint_is_damaged_or_missing(tmp_path, text):
    if text is not None:
        point(tmp_path, text)
    write(tmp_path / 'epoch_1.pth', time='20260101_000000')
    write(tmp_path / 'iter_15.pth', time='20260102_000000')
    path, skipped = find_resume_checkpoint(tmp_path)
    assert path == tmp_path / 'iter_15.pth' and len(skipped) == bool(text)


def test_other_runs_are_named_and_never_chosen(tmp_path):
    """A run started, and an older one has later epochs; its own last checkpoint may be damaged."""
    (tmp_path / 'run_id').write_text('b')
    write(tmp_path / 'epoch_9.pth', run='a', time='20260109_000000')
    write(tmp_path / 'epoch_8.pth', run=None, time='20260109_000000')
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
    write(tmp_path / 'epoch_1.pth', run=None, time='20260101_000000')
    write(tmp_path / 'epoch_2.pth', run='', time='20260102_000000')
    assert find_resume_checkpoint(tmp_path) == (tmp_path / 'epoch_2.pth', [])
    (tmp_path / 'run_id').write_text('')
    (tmp_path / 'epoch_2.pth').write_bytes(b'')
    assert find_resume_checkpoint(tmp_path)[0] == tmp_path / 'epoch_1.pth'
