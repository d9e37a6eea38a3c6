"""A real training through bad images, losses that are no number, a killed data worker and a SIGKILL in a save."""

import json
import os
import re
import shutil

import pytest
import torch

pytestmark = pytest.mark.slow
NAN = ['004.jpg annotation 10', '005.jpg annotation 15']


@pytest.fixture
def train(data, write_config, run, tmp_path, environment, monkeypatch):
    """A function that trains with `mim train` for three epochs, with faults, and returns the output."""
    monkeypatch.setitem(environment, 'PYTHONPATH', f'{environment["PYTHONPATH"]}{os.pathsep}{tmp_path}')
    (tmp_path / 'faults.py').write_text(FAULTS)
    config = write_config(
        data,
        'people.json',
        custom_imports__imports=['vitpose_mm', 'faults'],
        train_cfg__max_epochs=3,
        train_dataloader__dataset__on_bad_image='skip',
        val_cfg=None,
        val_dataloader=None,
        val_evaluator=None,
    )
    config.write_text(config.read_text() + HOOKS)

    def train(nan, *options, kill='', **expected):
        monkeypatch.setitem(environment, 'FAULTS', json.dumps(dict(nan=nan, kill=kill, folder=str(tmp_path / 'run'))))
        return run('train', config, '--work-dir', tmp_path / 'run', *options, **expected)

    return train


def test_faults_one_after_the_other(train, data, tmp_path):
    for image in ('003.jpg', '006.jpg'):  # one more than is accepted
        os.truncate(data / image, (data / image).stat().st_size - 500)
    output = train(NAN, fails=True)
    assert 'ValueError: 2 images of' in output and 'which has 24 samples, cannot be read' in output
    shutil.copy(data / '007.jpg', data / '006.jpg')
    shutil.rmtree(tmp_path / 'run')

    output = train(NAN, kill='worker', fails=True)  # in the second epoch
    assert re.search('DataLoader worker .*killed by signal: Killed', output)
    assert output.count('003.jpg is truncated') == 1
    left_out = re.findall(r'the loss is not finite\. Samples: (.*)', output)
    assert all(any(name in line for line in left_out) for name in NAN)

    output = train(NAN, '--resume', kill='save', fails=True)  # that of the second epoch
    assert sorted(path.name for path in (tmp_path / 'run').glob('*.pth*')) == ['epoch_1.pth', 'epoch_2.pth.part']

    output = train(NAN, '--resume')
    assert 'resumed epoch: 1, iter: 12' in output
    for start in tmp_path.glob('run/*/bad_images.txt'):  # beside the log of each start
        (line,) = start.read_text().splitlines()
        assert str(data / '003.jpg') in line
    assert len(list(tmp_path.glob('run/*/bad_images.txt'))) == len(list(tmp_path.glob('run/*/*.log'))) == 3
    checkpoint = torch.load(tmp_path / 'run/epoch_3.pth', weights_only=False)
    assert all(weight.isfinite().all() for weight in checkpoint['state_dict'].values())
    left_out = len(set(re.findall(r'iteration (\d+): the loss is not finite', output)))
    assert left_out and f'({checkpoint["message_hub"]["runtime_info"]["steps_left_out"]} updates skipped,' in output


def test_a_loss_that_stays_nan_ends_the_run(train):
    output = train(['.jpg annotation'], fails=True)
    assert 'was not finite in 10 updates in a row' in output
    assert 'Last checkpoint: none was written' in output and '(10 updates skipped, 10 in a row)' in output


HOOKS = """
train_dataloader['dataset']['pipeline'].append(dict(type='Faults'))
"""
FAULTS = '''"""What goes wrong in a training; the environment variable FAULTS chooses."""
import json
import os
import signal
import sys
from mmpose.registry import TRANSFORMS

FAULTS = json.loads(os.environ['FAULTS'])

@TRANSFORMS.register_module()
class Faults:
    """Makes the targets of some samples NaN, and kills its data worker in the second epoch."""
    def __call__(self, results):
        if FAULTS['kill'] == 'worker' and os.path.exists(FAULTS['folder'] + '/epoch_1.pth'):
            os.kill(os.getpid(), signal.SIGKILL)
        sample = results['data_samples']
        name = f'{sample.img_path} annotation {sample.id}'
        if any(part in name for part in FAULTS['nan']):
            sample.gt_fields.heatmaps.fill_(float('nan'))
        return results

def kill_in_save(event, arguments):
    """The second checkpoint is written, and does not have its name yet."""
    if event == 'os.rename' and str(arguments[1]).endswith('epoch_2.pth'):
        os.kill(os.getpid(), signal.SIGKILL)

if FAULTS['kill'] == 'save':
    sys.addaudithook(kill_in_save)
'''
