"""What a user sees of bad data: the command ends, and says which file and what to do."""

import json
import re
import shutil

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS


@pytest.fixture
def data(tiny_coco, tmp_path):
    """A copy of the tiny data that a test may spoil."""
    return shutil.copytree(tiny_coco, tmp_path / 'data')


@pytest.fixture
def train(write_config, run, mim, data, tmp_path):
    """A function that trains on the data, which must fail, and returns what was printed."""

    def train_and_fail(**changes):
        config = write_config(data, 'people.json', **changes)
        work_dir = tmp_path / 'run'
        return run(mim, 'train', 'mmpose', config, '--gpus', 0, '--work-dir', work_dir, fails=True)

    return train_and_fail


def test_truncated_annotation_file(data, train):
    path = data / 'people.json'
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    assert re.search(rf'ValueError: .*{path} is truncated.* position \d+ of \d+ bytes', train())


def test_unreadable_image_in_a_worker(data, train):
    path = data / '003.jpg'
    path.write_bytes(path.read_bytes()[:-500])
    assert re.search(rf'ValueError: .*image {path} is truncated', train())


def test_bad_box_stops_the_test_set_only(data, train):
    """The training set, which is read first, skips it with a count."""
    path = data / 'people.json'
    content = json.loads(path.read_text())
    content['annotations'][4]['bbox'] = [500, 10, 20, 20]
    path.write_text(json.dumps(content))
    output = train()
    assert output.count('skipped 1 of 24 instances') == 1
    assert re.search(r'ValueError: .*annotation 5 in image 2 .*\(500, 10, 20, 20\) lies', output)


def test_persistent_workers_under_the_seed_hook(train):
    output = train(train_dataloader__persistent_workers=True)
    assert re.search(r'ValueError: EpochSeedHook .*persistent_workers=False', output)
    assert 'Epoch(train)' not in output


def test_a_checkpoint_of_another_width_neither_tests_nor_trains(data, train, write_config, run, mim, tmp_path):
    init_default_scope('mmpose')
    config = write_config(data, 'people.json')
    model = Config.fromfile(config).model
    model.backbone.arch.embed_dim = model.head.in_channels = 24
    torch.save({'state_dict': MODELS.build(model).state_dict()}, tmp_path / 'narrow.pth')
    tested = run(
        mim,
        'test',
        'mmpose',
        config,
        '--checkpoint',
        tmp_path / 'narrow.pth',
        '--gpus',
        0,
        '--work-dir',
        tmp_path / 'test',
        fails=True,
    )
    for output in (tested, train(load_from=str(tmp_path / 'narrow.pth'))):
        assert 'ValueError: the checkpoint has width 24, this model 48' in output
        assert 'Epoch(' not in output


def test_a_head_of_another_number_of_keypoints(train):
    output = train(model__head__out_channels=14, custom_hooks=[dict(type='RunCheckHook')])
    assert re.search(r"ValueError: the model predicts 14 keypoints .* dataset 'coco' with 17: set", output)
    assert 'Epoch(train)' not in output


def test_a_load_from_that_is_not_there(train, tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/epoch_2.pth').touch()
    output = train(load_from=str(tmp_path / 'run/epoch_4.pth'), custom_hooks=[dict(type='RunCheckHook')])
    assert re.search(r'FileNotFoundError: .*epoch_4.pth: no such checkpoint. `mim train .* has epoch_2.pth', output)
