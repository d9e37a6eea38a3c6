import json
from unittest.mock import Mock

import pytest

from tests.unit.predict.tiny_models import several, single, write
from vitpose.bench import contestants
from vitpose.bench.contestant import REFERENCE, LeftOut
from vitpose.bench.contestants import CONTESTANTS
from vitpose.cli.main import main

GONE = LeftOut('peer not installed: pip install peer')


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = CONTESTANTS[REFERENCE]
    monkeypatch.setattr(contestants, 'CONTESTANTS', {REFERENCE: ours, 'again': ours, 'peer': Mock(side_effect=GONE)})
    single().dump('c.py')
    return lambda *words: main(['bench', *'--config c.py --images 1 --people 2 --device cpu'.split(), *words])


def test_table_and_json(bench, tmp_path, capsys):
    assert bench('--rounds', '2', '--batch-size', '3') == 0
    out, err = capsys.readouterr()
    assert 'random weights, with which differences in pixels mean little' in err
    assert 'peer is left out: peer not installed: pip install peer\n' in err
    assert 'ours-fp32' in out and 'c, 1 x 2 people, batch size 3, 2 rounds' in out
    folder = tmp_path / 'work_dirs/bench'
    assert sorted(file.name for file in folder.iterdir()) == ['bench.json']
    report = json.loads((folder / 'bench.json').read_text())
    expected = dict(config='c.py', checkpoint=None, images=1, people_per_image=2, batch_size=3, rounds=2, device='cpu')
    assert expected.items() <= report.items()
    assert report['input_size'] == [96, 128] and report['threads']['torch'] >= 1
    assert list(report['contestants']) == [REFERENCE, 'again'] and list(report['left_out']) == ['peer']
    again = report['contestants']['again']
    assert again['largest_difference_px'] < 1e-3
    assert all(len(stage['seconds']) == 2 for stage in again['stages'].values())


def test_one_dataset_and_some_contestants_with_a_checkpoint(bench, tmp_path, capsys):
    config, checkpoint = write(several(), tmp_path / 'several')
    words = ('--dataset', 'aic', '--only', 'again', '--rounds', '1', '--out', 'there')
    assert bench('--config', config, '--checkpoint', checkpoint, *words) == 0
    assert 'random weights' not in capsys.readouterr().err
    report = json.loads((tmp_path / 'there/bench.json').read_text())
    assert report['dataset'] == 'aic' and report['left_out'] == {} and report['checkpoint'] == checkpoint


BAD = {'--only yolo': '--only yolo: expected some of ours-fp32, again, peer'}
BAD |= {words: f'{words}: expected at least 1' for words in ('--rounds 0', '--images -1', '--batch-size 0')}
BAD |= {words: f'{words}: expected from 1 to 300' for words in ('--people 0', '--people 301')}
BAD |= {words: f'{words.split()[0]}: only with --train' for words in ('--beside c.py', '--workers 1', '--seconds 1')}
BAD |= {words: f'{words.split()[0]}: only with --train' for words in ('--only-loading', '--gpu 9', '--cfg-options a=1')}
BAD |= {'--dataset mpii': "dataset='mpii'", '--out c.py': 'c.py', '--device tpu': "device='tpu'"}


@pytest.mark.parametrize('words', BAD)
def test_bad_input_is_named(bench, words, capsys):
    assert bench(*words.split()) == 2
    error = capsys.readouterr().err
    assert 'vitpose bench: ' in error and BAD[words] in error and 'Traceback' not in error


@pytest.mark.parametrize('words', ['--out there', '--images 1', '--checkpoint c.pth', '--only again', '--dataset aic'])
def test_options_of_prediction_are_not_of_training(refuses, words):
    refuses('bench', '--train', 'c.py', *words.split(), message=f'{words.split()[0]}: only without --train')


def test_bad_options_of_training_are_named(refuses, tmp_path):
    single().dump(tmp_path / 'c.py')
    for words in ('--device tpu', '--batch-size 0'):
        refuses('bench', '--train', tmp_path / 'c.py', *words.split(), message=BAD[words])


def test_a_name_has_its_own_weights(refuses):
    message = '--checkpoint c.pth: --model base has weights; pass --config instead'
    refuses('bench', '--model', 'base', '--checkpoint', 'c.pth', message=message)


def test_interruption_and_failure(bench, monkeypatch, capsys):
    monkeypatch.setattr('vitpose.bench.ours.Ours.network', Mock(side_effect=[KeyboardInterrupt, GONE]))
    assert bench() == 130
    assert bench() == 1
    assert 'vitpose bench: ours-fp32 failed: ' in capsys.readouterr().err
