"""`vitpose train`: refusals before anything is started, options of the command, what is printed at the end."""

import ctypes
import json
import os
from types import SimpleNamespace

import pytest

from tests.unit.own_data import makers
from vitpose.cli.main import main
from vitpose.cli.train import VISIBLE
from vitpose.errors import FailedError
from vitpose.runs import training

CONFIG = """
model = val_dataloader = val_evaluator = optim_wrapper = dict(a=1)
train_dataloader = dict(batch_size=4, dataset=dict(data_root={root!r}, ann_file='mice.json'))
train_cfg = dict(max_epochs=20)
work_dir = {root!r} + '/run'
param_scheduler = [dict(type='LinearLR', begin=0, end=9, by_epoch=False), dict(type='CosineAnnealingLR', end=20)]
default_hooks = dict(checkpoint=dict(save_best='coco/AP', rule='greater'))
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv(VISIBLE, '')  # which `--device` changes
    makers.write_coco(tmp_path)
    (tmp_path / 'config.py').write_text(CONFIG.format(root=str(tmp_path)))
    return tmp_path / 'config.py'


@pytest.fixture
def gpus(monkeypatch):
    """A driver of CUDA with three GPUs."""

    def count(pointer):
        pointer._obj.value = 3
        return 0

    monkeypatch.setattr(ctypes, 'CDLL', lambda name: SimpleNamespace(cuInit=lambda x: 0, cuDeviceGetCount=count))


@pytest.fixture
def train(config, monkeypatch, capsys):
    """A function that runs the command with a training of three validations; it returns words and output."""
    commands = []

    def finish(command, work_dir, show):
        commands.append(command)
        folder = work_dir / '1/vis_data'
        folder.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps({'coco/AP': score}) for score in (float('nan'), 0.5, 0.25))
        (folder / 'scalars.json').write_text('\n'.join(lines))
        (work_dir / '1/1.log').touch()
        (work_dir / 'best_coco_AP_epoch_2.pth').touch()

    monkeypatch.setattr(training, 'train', finish)

    def run(*words):
        assert main(['train', str(config), *words]) == 0
        return commands.pop(), capsys.readouterr().out

    return run


def test_what_cannot_be_started_is_refused(config, refuses, tmp_path, gpus):
    for words, message in (
        ('--epochs 0', '--epochs 0: expected at least 1'),
        ('--batch many', "--batch many: expected an integer >= 1, or 'auto'"),
        ('--batch 13', '--batch 13 on 1 devices: the training set has 12 samples'),
        ('--batch 5 --device 0,1,2', '--batch 5 on 3 devices'),
        ('--device gpu', "--device gpu: expected 'cpu', or numbers of GPUs, such as 0 or 0,1"),
        ('--device 1,1', '--device 1,1: expected'),
        ('--device 0,3', '--device 0,3: CUDA sees 3 GPUs here'),
        ('--resume', 'run has no checkpoint: omit --resume, or another --work-dir'),
        ('--cfg-options train_dataloader.dataset.ann_file=no.json', 'no.json: no such annotation file'),
        (
            '--epochs 9 --cfg-options train_cfg.max_epochs=8',
            '--epochs 9 and --cfg-options train_cfg.max_epochs=8: pass',
        ),
        ('--cfg-options model=', 'expected a training config, but it has no model'),
    ):
        refuses('train', config, *words.split(), message=message)
    assert not (tmp_path / 'run').exists()
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/epoch_1.pth').touch()
    refuses('train', config, message='run has checkpoints of an earlier run: pass --resume, or another --work-dir')


def test_the_rule_is_that_of_the_first_score(train, config):
    text = "dict(save_best=['coco/AP', 'NME'], rule=['less', 'greater'])"
    config.write_text(config.read_text().replace("dict(save_best='coco/AP', rule='greater')", text))
    command, output = train('--patience', '3')
    assert 'default_hooks.early_stopping.rule=less' in command and 'coco/AP 0.250' in output


def test_epochs_leave_the_keys_of_cfg_options_as_they_are(train):
    given = ['train_cfg.val_interval=7', 'param_scheduler.1.end=33']
    command, _ = train('--epochs', '40', '--cfg-options', *given)
    keys = ('train_cfg.val_interval', 'default_hooks.checkpoint.interval', 'param_scheduler.1.end')
    assert [word for word in command if word.startswith(keys)] == [*given, 'default_hooks.checkpoint.interval=4']


def test_a_run_is_resumed_for_the_epochs_of_its_schedule(config, train, refuses, tmp_path, monkeypatch):
    train()
    (tmp_path / 'run/config.py').write_text(config.read_text().replace('max_epochs=20', 'max_epochs=40'))
    message = 'run has a run of 40 epochs, whose schedule --resume keeps: 30 epochs would end before it; omit --epochs'
    refuses('train', config, '--resume', '--epochs', '30', message=message)
    for words, epochs, ending in (
        ((), 40, f': it continues to these, not to the 20 of {config}'),
        (('--epochs', '40'), 40, ''),
        (
            ('--epochs', '60'),
            60,
            ': after them the learning rate stays at its last value; another --work-dir starts anew',
        ),
    ):
        said = ['']
        monkeypatch.setattr('vitpose.cli.train.warn', said.append)
        command, output = train('--resume', *words)
        assert f'train_cfg.max_epochs={epochs}' in command and f', {epochs} epochs,' in output
        assert said[-1].endswith(ending) and len(said) == 1 + bool(ending)


def test_no_driver_means_no_gpu(config, refuses, monkeypatch):
    def fail(name):
        raise OSError

    monkeypatch.setattr(ctypes, 'CDLL', fail)
    refuses('train', config, '--device', '0', message='--device 0: CUDA sees 0 GPUs here')


def test_options_and_the_end(train, config, tmp_path):
    command, output = train('--epochs', '40', '--patience', '3', '--batch', '6', '--cfg-options', 'a.b=1')
    work_dir = tmp_path / 'run'
    assert command[2:7] == ['vitpose.runs.mmpose_train', str(config), '--work-dir', str(work_dir), '--launcher']
    words = command[command.index('--cfg-options') + 1 :]
    assert words[0] == 'a.b=1' and set(words[1:]) >= {
        'train_cfg.max_epochs=40',
        'train_cfg.val_interval=4',
        'param_scheduler.0.end=8',
        'param_scheduler.1.end=40',
        'train_dataloader.batch_size=6',
        'default_hooks.training_report.type=vitpose.own_data.report_hook.TrainingReportHook',
        'default_hooks.early_stopping.type=EarlyStoppingHook',
        'default_hooks.early_stopping.monitor=coco/AP',
        'default_hooks.early_stopping.patience=3',
    }
    assert f'12 samples, 40 epochs, batch size 6; log: {work_dir}/train.log\n' in output
    assert f'best: {work_dir}/best_coco_AP_epoch_2.pth, coco/AP 0.500\n' in output
    assert f'report: {work_dir}/report.html\n' in output and f'{work_dir}/best_coco_AP_epoch_2.pth --to onnx' in output

    command, output = train('--resume')
    assert '--resume' in command and '12 samples, 20 epochs, batch size 4' in output
    assert not any('max_epochs' in word or 'early' in word for word in command)


@pytest.mark.parametrize(
    ('device', 'shown', 'visible', 'count'),
    [('auto', '5,7', '5,7', 1), ('cpu', '5,7', '', 1), ('1', '', '1', 1), ('0,2', '4,5,6', '4,6', 2)],
)
def test_devices(train, gpus, monkeypatch, device, shown, visible, count):
    monkeypatch.setenv(VISIBLE, shown)
    command, _ = train('--device', device)
    assert os.environ[VISIBLE] == visible and (f'--nproc_per_node={count}' in command) == (count > 1)


def test_a_batch_that_fits_is_found_before_or_named_after(train, config, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(training, 'find_batch', lambda config, most: asked.append(most) or 3)
    command, _ = train('--batch', 'auto')
    assert 'train_dataloader.batch_size=3' in command

    def run_out(*args):
        raise MemoryError

    monkeypatch.setattr(training, 'train', run_out)
    for words, message in (
        (['--batch', '9'], 'out of memory with a batch size of 9: --batch 3 fits'),
        (['--batch', '1'], 'out of memory with a batch size of 1: use a smaller network'),
    ):
        assert main(['train', str(config), '--work-dir', str(tmp_path / 'other'), *words]) == 1
        assert capsys.readouterr().err == f'vitpose train: {message}\n'
    assert asked == [4, 8]

    def fail(config, most):
        raise FailedError(f'pass --batch N of at most {most}')

    monkeypatch.setattr(training, 'find_batch', fail)
    assert main(['train', str(config), '--work-dir', str(tmp_path / 'other')]) == 1
    assert 'out of memory with a batch size of 4: pass --batch N of at most 3\n' in capsys.readouterr().err


def test_a_failed_training_is_one_line(train, config, monkeypatch, capsys):
    def fail(*args):
        raise FailedError('KeyError: no such head')

    monkeypatch.setattr(training, 'train', fail)
    assert main(['train', str(config)]) == 1
    assert capsys.readouterr().err == 'vitpose train: KeyError: no such head\n'


def test_a_detector_is_for_predict(config, train, tmp_path):
    config.write_text(config.read_text() + "default_scope = 'mmdet'\n")
    best = tmp_path / 'run/best_coco_AP_epoch_2.pth'
    assert f'next:\n  add to `vitpose predict ...`: --detector {config} {best}\n' in train()[1]
