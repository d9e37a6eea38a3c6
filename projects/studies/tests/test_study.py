"""Trainings of a study: order, skipping, settings, result files; the training itself is replaced."""

import json
import threading
import time

import pytest
from mmengine import Config

from projects.studies import study
from projects.studies.study import is_finished, run_all, run_config


@pytest.fixture
def config(tmp_path):
    return Config(dict(randomness=dict(seed=3), train_cfg=dict(max_epochs=2), data=f'{tmp_path}/data/train.json'))


@pytest.fixture
def trained(monkeypatch):
    """Replace the training by one that writes MMEngine's files; the list gets the folder of each."""
    folders = []

    def train(file, folder):
        folders.append(folder)
        (folder / 'now/vis_data').mkdir(parents=True, exist_ok=True)
        records = [dict(loss=2.0, time=0.5, step=50), dict(loss=1.0, time=0.7, step=100), {'AP': 0.25, 'step': 2}]
        (folder / 'now/vis_data/scalars.json').write_text('\n'.join(map(json.dumps, records)))
        (folder / 'now/20260101.json').write_text('{"AP": 0.5}')  # of the test
        (folder / 'now/now.log').write_text('Epoch(train)  [2][50/60]  time: 0.6  loss: 1.0\n')

    monkeypatch.setattr(study, 'train', train)
    return folders


def test_result_file(config, trained, tmp_path):
    result, paths = tmp_path / 'results/run.json', {tmp_path / 'data': 'DATA'}
    assert not is_finished(result, config, paths)
    run_config(config, tmp_path / 'run', result, {'AP': 'score'}, paths, row='a')
    content = json.loads(result.read_text())
    assert content['row'] == 'a' and content['seed'] == 3 and content['epochs'] == 2
    assert content['iterations'] == 120  # the last logged step is not the last one
    assert content['test'] == {'score': 0.5}
    assert content['scores'] == [{'epoch': 2, 'score': 0.25}] and content['step_seconds'] == 0.6
    assert content['config']['data'] == 'DATA/train.json' and content['versions']['torch']
    assert is_finished(result, config, paths)
    run_config(config, tmp_path / 'run', result, {'AP': 'score'}, paths, row='a')
    assert trained == [tmp_path / 'run']
    config.train_cfg.max_epochs = 5
    with pytest.raises(ValueError, match='run.json is of a run with train_cfg.max_epochs = 2, now it is 5'):
        is_finished(result, config, paths)


def test_an_interrupted_run_with_other_settings_is_refused(config, trained, tmp_path):
    for name in ('one.json', 'two.json'):
        run_config(config, tmp_path / 'run', tmp_path / name, {'AP': 'AP'})
    config.randomness.seed = 4
    with pytest.raises(ValueError, match='has an interrupted run with other settings'):
        run_config(config, tmp_path / 'run', tmp_path / 'three.json', {'AP': 'AP'})
    assert len(trained) == 2


def test_runs_wait_for_what_they_need():
    done, event = [], threading.Event()

    def run(item):
        if item == 'teacher':
            event.wait(5)
        if item == 'other':
            event.set()
        done.append(item)

    needs = {'student': ['teacher', 'finished before']}
    # the student that waits takes no job from the other, which the teacher waits for
    run_all('', run, ['teacher', 'student', 'other'], 2, needs=lambda item: needs.get(item, []))
    assert done == ['other', 'teacher', 'student']


def test_what_has_no_time_is_left_with_what_needs_it():
    done = []
    needs = {'student': ['teacher']}
    may_start = ['student', 'other'].__contains__
    run_all(
        '', done.append, ['teacher', 'student', 'other'], 2, needs=lambda item: needs.get(item, []), may_start=may_start
    )
    assert done == ['other']


def test_the_first_error_ends_the_study():
    done = []

    def run(item):
        done.append(item)
        if item == 1:
            raise RuntimeError('no memory')
        time.sleep(0.02)

    with pytest.raises(RuntimeError, match='no memory'):
        run_all('', run, range(100), 1)
    assert len(done) < 50


def test_time_left_follows_the_cost(capsys):
    run_all('study', lambda item: None, [1, 2, 3], 1, cost=lambda item: 10 * item)
    first, second, last = capsys.readouterr().out.splitlines()  # no terminal: a line per run
    assert '1/3 runs,' in first and '2/3 runs,' in second
    assert '3/3 runs,' in last and '0:00:00 left' in last
