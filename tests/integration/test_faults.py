"""Trainings through bad images, losses that are not finite, dead workers and ranks, a full disk, a killed save."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.checkpoints import load
from tests.integration.commands import GLOO_TRAIN, Forked, read
from tests.integration.conftest import DISTRIBUTED, NO_VALIDATION

pytestmark = pytest.mark.slow
NAN = ['004.jpg annotation 10', '005.jpg annotation 15']
FAULTS = '''"""What goes wrong in a training; the environment variable FAULTS chooses."""
import json, os, signal, sys
from pathlib import Path
from mmengine.hooks import Hook
from mmpose.registry import HOOKS, TRANSFORMS

FAULTS = json.loads(os.environ['FAULTS'])
RUN = Path(FAULTS['folder'])

@TRANSFORMS.register_module()
class Faults:
    """Makes the targets of some samples NaN, and kills its data worker in the second epoch."""
    def __call__(self, results):
        if FAULTS['kind'] == 'worker' and (RUN / 'epoch_1.pth').exists():
            os.kill(os.getpid(), signal.SIGKILL)
        sample = results['data_samples']
        name = f'{sample.img_path} annotation {sample.id}'
        if any(part in name for part in FAULTS['nan']):
            sample.gt_fields.heatmaps.fill_(float('nan'))
        return results

@HOOKS.register_module()
class FaultsHook(Hook):
    """Once in the second epoch, kills rank 1 or fills the disk of the work_dir."""
    def after_train_iter(self, runner, **kwargs):
        if FAULTS['kind'] == 'rank' and runner.rank == 1 and runner.iter == 8 and not (RUN / 'killed').exists():
            (RUN / 'killed').touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if FAULTS['kind'] == 'disk' and runner.iter == 15 and not runner._resume:
            with open(RUN.parent / 'filler', 'wb', buffering=0) as file:
                try:
                    while file.write(bytes(1 << 16)):
                        pass
                except OSError:
                    pass

def kill_in_save(event, arguments):
    """The second checkpoint is written, and does not have its name yet."""
    if event == 'os.rename' and str(arguments[1]).endswith('epoch_2.pth'):
        os.kill(os.getpid(), signal.SIGKILL)

if FAULTS['kind'] == 'save':
    sys.addaudithook(kill_in_save)
'''


@pytest.fixture
def train(data, write_config, write_module, run, tmp_path, environment, monkeypatch):
    """A function that trains for three epochs with a fault, and returns the output."""
    write_module('faults', FAULTS)

    def train_with(kind='', *options, nan=(), folder=tmp_path / 'run', runner=run, fails=False, **changes):
        monkeypatch.setitem(environment, 'FAULTS', json.dumps(dict(nan=nan, kind=kind, folder=str(folder))))
        changes = dict(train_cfg__max_epochs=3, train_dataloader__dataset__on_bad_image='skip') | changes
        imports = ['vitpose_mm', 'faults']
        config = write_config(data, 'people.json', custom_imports__imports=imports, **changes, **NO_VALIDATION)
        steps = "\ntrain_dataloader['dataset']['pipeline'].append(dict(type='Faults'))"
        config.write_text(f"{config.read_text()}{steps}\ncustom_hooks = [dict(type='FaultsHook')]\n")
        return runner('train', config, '--work-dir', folder, *options, fails=fails)

    return train_with


def test_faults_one_after_the_other(train, data, tmp_path):
    for image in ('003.jpg', '006.jpg'):  # one more than is accepted
        os.truncate(data / image, (data / image).stat().st_size - 500)
    output = train(nan=NAN, fails=True)
    assert 'ValueError: 2 images of' in output and 'which has 24 samples, cannot be read' in output
    shutil.copy(data / '007.jpg', data / '006.jpg')
    shutil.rmtree(tmp_path / 'run')

    output = train('worker', nan=NAN, fails=True)  # in the second epoch
    assert re.search('DataLoader worker .*killed by signal: Killed', output)
    assert output.count('003.jpg is truncated') == 1
    left_out = re.findall(r'the loss is not finite\. Samples: (.*)', output)
    assert all(any(name in line for line in left_out) for name in NAN)

    train('save', '--resume', nan=NAN, fails=True)  # that of the second epoch
    assert sorted(path.name for path in (tmp_path / 'run').glob('*.pth*')) == ['epoch_1.pth', 'epoch_2.pth.part']

    output = train('', '--resume', nan=NAN)
    assert 'resumed epoch: 1, iter: 12' in output
    lists = list(tmp_path.glob('run/*/bad_images.txt'))
    assert len(lists) == len(list(tmp_path.glob('run/*/*.log'))) == 3  # beside the log of each start
    assert all(path.read_text().count('\n') == 1 and str(data / '003.jpg') in path.read_text() for path in lists)
    checkpoint = load(tmp_path / 'run/epoch_3.pth')
    assert all(weight.isfinite().all() for weight in checkpoint['state_dict'].values())
    left_out = len(set(re.findall(r'iteration (\d+): the loss is not finite', output)))
    assert left_out and f'({checkpoint["message_hub"]["runtime_info"]["steps_left_out"]} updates skipped,' in output


def test_a_loss_that_stays_nan_ends_the_run(train):
    output = train(nan=['.jpg annotation'], fails=True)
    assert 'was not finite in 10 updates in a row' in output
    assert 'Last checkpoint: none was written' in output and '(10 updates skipped, 10 in a row)' in output


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a tmpfs of 64 MB; only root may mount one."""
    folder = tmp_path / 'small'
    folder.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder], capture_output=True).returncode:
        pytest.skip('mounting a tmpfs needs root')
    yield folder
    subprocess.run(['umount', folder], check=True)


def test_a_full_disk_ends_the_run_which_resumes_once_there_is_room(train, small_disk):
    run = small_disk / 'run'
    tolerant = dict(type='PoseLocalVisualizer', vis_backends=[dict(type='TolerantVisBackend')])
    output = train('disk', folder=run, visualizer=tolerant, fails=True)
    assert re.search(r'OSError: \S+/run/epoch_2.pth was not saved: \[Errno 28\] No space left on device', output)
    assert 'Epoch(train) [3]' not in output and [path.name for path in run.glob('*.pth*')] == ['epoch_1.pth']
    (small_disk / 'filler').unlink()
    output = train('disk', '--resume', folder=run, visualizer=tolerant)
    assert 'resumed epoch: 1' in output and (run / 'epoch_3.pth').is_file()


def test_a_job_with_a_dead_rank_restarts_by_itself(train, environment, tmp_path, monkeypatch):
    # a store per restart: with the old one, one of two restarts failed with 'connection refused'
    monkeypatch.setitem(environment, 'TORCH_DISABLE_SHARE_RDZV_TCP_STORE', '1')

    def torchrun(_, *words, fails):
        options = ('--standalone', '--nproc-per-node=2', '--max-restarts=1', GLOO_TRAIN)
        script = Path(__file__).with_name('elastic_train.py')
        command = Forked((script, *options, *words, '--launcher', 'pytorch'), tmp_path, environment)
        code, output = read(command, timeout=900)
        assert code == 0, output[-6000:]
        return output

    output = train('rank', '--resume', runner=torchrun, **dict(train_cfg__max_epochs=2, model_wrapper_cfg=DISTRIBUTED))
    assert (tmp_path / 'run/killed').is_file()
    # torchrun names the rank that it saw first: the killed one, or the other, whose connection was closed
    assert re.search(r'failed \(exitcode: (-9\) local_rank: 1|\d+\) local_rank: 0) ', output)
    assert 'resumed epoch: 1, iter: 6' in output and (tmp_path / 'run/epoch_2.pth').is_file()
