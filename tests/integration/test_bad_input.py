"""What a user sees for bad input: the run stops with an error that names the cause and says what to do."""

import json
import re

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import MODELS


@pytest.fixture
def train_fails(write_config, data, tmp_path):
    """A function that trains in this process, expects an error, and returns the log."""

    def train_and_fail(error, message, **changes):
        cfg = Config.fromfile(write_config(data, 'people.json', **changes))
        cfg.work_dir, cfg.experiment_name = str(tmp_path / 'run'), tmp_path.name
        with pytest.raises(error, match=message):
            Runner.from_cfg(cfg).train()
        (log,) = (tmp_path / 'run').glob('*/*.log')
        return log.read_text()

    return train_and_fail


@pytest.fixture
def train_command_fails(write_config, run, data, tmp_path):
    """A function that runs the training command, expects it to fail, and returns its output."""

    def train_and_fail(**changes):
        config = write_config(data, 'people.json', **changes)
        work_dir = tmp_path / 'run'
        return run('train', config, '--work-dir', work_dir, fails=True)

    return train_and_fail


def test_truncated_annotation_file(data, train_fails):
    path = data / 'people.json'
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    train_fails(ValueError, rf'{path} is truncated.* position \d+ of \d+ bytes')


@pytest.mark.slow
def test_unreadable_image_in_a_worker(data, train_command_fails):
    path = data / '003.jpg'
    path.write_bytes(path.read_bytes()[:-500])
    assert re.search(rf'BadImageError: .*image {path} is truncated', train_command_fails())


def test_bad_box_is_an_error_only_in_the_test_dataset(data, train_fails):
    """The training dataset is read first; it skips the box and logs a count."""
    path = data / 'people.json'
    content = json.loads(path.read_text())
    content['annotations'][4]['bbox'] = [500, 10, 20, 20]
    path.write_text(json.dumps(content))
    output = train_fails(ValueError, r'annotation 5 in image 2 .*\(500, 10, 20, 20\) lies')
    assert output.count('skipped 1 of 24 instances') == 1


@pytest.mark.slow
def test_checkpoint_of_another_width(data, train_command_fails, write_config, run, tmp_path):
    init_default_scope('mmpose')
    config = write_config(data, 'people.json', **CHECK)
    model = Config.fromfile(config).model
    model.backbone.arch.embed_dim = model.head.in_channels = 24
    torch.save({'state_dict': MODELS.build(model).state_dict()}, tmp_path / 'narrow.pth')
    tested = run('test', config, '--checkpoint', tmp_path / 'narrow.pth', '--work-dir', tmp_path / 'test', fails=True)
    for output in (tested, train_command_fails(load_from=str(tmp_path / 'narrow.pth'), **CHECK)):
        assert 'ValueError: the checkpoint has width 24, this model 48' in output
        assert 'Epoch(' not in output


CHECK = dict(custom_hooks=[dict(type='RunCheckHook')])


def test_wrong_number_of_keypoints_in_the_head(train_fails):
    message = "the model predicts 14 keypoints .* dataset 'coco' with 17: set"
    assert 'Epoch(train)' not in train_fails(ValueError, message, model__head__out_channels=14, **CHECK)


def test_missing_checkpoint_in_load_from(train_fails, tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/epoch_2.pth').touch()
    message = 'epoch_4.pth: no such checkpoint. `mim train .* has epoch_2.pth'
    train_fails(FileNotFoundError, message, load_from=str(tmp_path / 'run/epoch_4.pth'), **CHECK)
