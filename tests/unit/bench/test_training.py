"""Speed of training, measured on a tiny set and model."""

import pytest

from vitpose.bench.training import Speed
from vitpose.bench.training_report import describe
from vitpose.cli.main import main

CONFIG = 'configs/synthetic/vitpose-mini_synthetic-128x96.py'


def options(folder):
    keys = [f'train_dataloader.dataset.data_root={folder}/', 'model.backbone.arch.depth=1']
    return ['--cfg-options', *keys, '--rounds', '1', '--seconds', '0.1', '--batch-size', '2', '--device', 'cpu']


@pytest.mark.slow
def test_loading_step_and_both(tmp_path, capsys):
    assert main(['synth', '--out', str(tmp_path / 'data'), '--train', '3', '--val', '1', '--workers', '1']) == 0
    words = ['bench', '--train', CONFIG, '--beside', CONFIG, '--workers', '1', '--gpu', '1e6']
    assert main([*words, *options(tmp_path / 'data')]) == 0
    printed = capsys.readouterr().out
    for text in (
        'DecodeAndCrop',
        'MB sent per sample',
        'loading, 1 worker',
        'step',
        'both',
        'bottleneck',
        '1,000,000 per second',
    ):
        assert text in printed
    assert '(2)' in printed  # the same config beside itself


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--train', 'missing.py'], 'missing.py: no such config'),
        (['--train', CONFIG, '--workers', '0'], '--workers 0'),
        (['--train', CONFIG, '--seconds', '0'], 'expected numbers above 0'),
    ],
)
def test_bad_arguments(words, message, capsys):
    assert main(['bench', *words]) == 2
    assert message in capsys.readouterr().err


def test_training_set_is_missing(tmp_path, capsys):
    assert main(['bench', '--train', CONFIG, *options(tmp_path / 'none')]) == 1
    assert 'does not exist' in capsys.readouterr().err


def test_cores_and_bottleneck():
    speed = Speed(workers=4, loading={1: [110.0], 4: [380.0, 400.0, 420.0]}, step=[500.0], both=[390.0])
    assert speed.per_core == 100 and speed.cores(1000) == 10 and speed.cores(1001) == 11
    assert speed.loading_is_slower
    told = describe(speed, [2000.0])
    assert 'loading is the bottleneck with 4 workers' in told
    assert '500 per second needs 5 cores' in told and '2,000 per second needs 20 cores' in told
    speed.step = [300.0]
    assert 'the step is the bottleneck' in describe(speed, [])
