"""A real training whose work_dir is a tmpfs that fills up: it ends with an error, and resumes once there is room."""

import os
import re
import subprocess

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a tmpfs of 64 MB; only root may mount one."""
    folder = tmp_path / 'small'
    folder.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder], capture_output=True).returncode:
        pytest.skip('mounting a tmpfs needs root')
    yield folder
    subprocess.run(['umount', folder], check=True)


def test_training_ends_with_an_error_and_resumes(
    write_config, tiny_coco, run, small_disk, tmp_path, environment, monkeypatch
):
    """Another process fills the disk during the second of three epochs."""
    monkeypatch.setitem(environment, 'PYTHONPATH', f'{environment["PYTHONPATH"]}{os.pathsep}{tmp_path}')
    (tmp_path / 'filler.py').write_text(FILLER)
    config = write_config(
        tiny_coco,
        'people.json',
        train_cfg__max_epochs=3,
        val_cfg=None,
        val_dataloader=None,
        val_evaluator=None,
        visualizer=dict(type='PoseLocalVisualizer', vis_backends=[dict(type='TolerantVisBackend')]),
        custom_imports__imports=['vitpose_mm', 'filler'],
    )
    config.write_text(config.read_text() + "\ncustom_hooks = [dict(type='Filler')]\n")
    train = ('train', config, '--work-dir', small_disk / 'run')
    output = run(*train, fails=True)
    assert re.search(r'OSError: \S+/run/epoch_2.pth was not saved: \[Errno 28\] No space left on device', output)
    assert 'Epoch(train) [3]' not in output
    assert [path.name for path in (small_disk / 'run').glob('*.pth*')] == ['epoch_1.pth']
    (small_disk / 'filler').unlink()
    output = run(*train, '--resume')
    assert 'resumed epoch: 1' in output and (small_disk / 'run' / 'epoch_3.pth').is_file()


FILLER = '''"""Fills the disk of the work_dir after iteration 15, once."""
from pathlib import Path
from mmengine.hooks import Hook
from mmpose.registry import HOOKS

@HOOKS.register_module()
class Filler(Hook):
    def after_train_iter(self, runner, **kwargs):
        if runner.iter == 15 and not runner._resume:
            with open(Path(runner.work_dir).parent / 'filler', 'wb', buffering=0) as file:
                try:
                    while file.write(bytes(1 << 16)):
                        pass
                except OSError:
                    pass
'''
