import pytest

from vitpose.bench.training_speed import Speed, describe
from vitpose.cli.main import main

CONFIG = 'configs/synthetic/vitpose-mini_synthetic-128x96.py'


def options(folder):
    keys = [f'train_dataloader.dataset.data_root={folder}/', 'model.backbone.arch.depth=1']
    return ['--cfg-options', *keys, *'--rounds 1 --seconds 0.1 --batch-size 2 --device cpu'.split()]


@pytest.mark.slow
def test_loading_step_and_both(tmp_path, capsys):
    assert main(['synth', '--out', str(tmp_path / 'data'), '--train', '3', '--val', '1', '--workers', '1']) == 0
    words = ['bench', '--train', CONFIG, '--beside', CONFIG, '--workers', '1', '--gpu', '1e6']
    assert main([*words, *options(tmp_path / 'data')]) == 0
    printed = capsys.readouterr().out
    texts = ('DecodeAndCrop', 'MB sent per sample', 'loading, 1 worker', 'step', 'both', 'bottleneck')
    for text in (*texts, '1,000,000 per second', '(2)'):  # the same config beside itself
        assert text in printed


def test_bad_arguments(capsys):
    for words, code, message in (
        (['--workers', '0'], 2, '--workers 0: expected at least 1'),
        (['--rounds', '0'], 2, '--rounds 0: expected at least 1'),
        (['--seconds', '0'], 2, '--seconds 0.0: expected a number above 0'),
        (options('none'), 1, 'does not exist'),
    ):
        assert main(['bench', '--train', CONFIG, *words]) == code and message in capsys.readouterr().err


def test_cores_and_bottleneck():
    speed = Speed(loading={1: [110.0], 4: [380.0, 400.0, 420.0]}, step=[500.0], both=[390.0])
    assert describe(speed, [2000.0, 2001.0]) == (
        'loading is the bottleneck with 4 workers; one core loads 100 samples per second; '
        'a device that trains 500 per second needs 5 cores; a device that trains 2,000 per second needs 20 cores; '
        'a device that trains 2,001 per second needs 21 cores'
    )
    speed.step = [300.0]
    assert 'the step is the bottleneck' in describe(speed, [])
