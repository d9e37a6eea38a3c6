"""Output distillation with the real commands: resume, two processes, and a checkpoint that holds only the student."""

import re
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from tests.integration.checkpoints import check_same, load
from tests.integration.configs import tiny
from tests.integration.test_two_processes import PLAIN_PIPELINE

pytestmark = pytest.mark.slow


@pytest.fixture
def teacher(tmp_path):
    """A checkpoint of the tiny model with heatmaps that are clearly not zero."""
    init_default_scope('mmpose')
    torch.manual_seed(3)
    model = MODELS.build(Config(tiny.model))
    for parameter in model.head.final_layer.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'the_teacher.pth')
    return str(tmp_path / 'the_teacher.pth')


@pytest.fixture
def write(write_config, tiny_coco, teacher):
    paths = dict(name='distill.py', model__teacher__checkpoint=teacher)
    return lambda **changes: write_config(tiny_coco, 'people.json', **paths, **changes)


def test_resumed_run_gives_the_same_weights_and_tests_as_the_student(
    write, write_config, tiny_coco, run, continue_from, tmp_path, teacher
):
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    train = ('train', write(train_cfg__val_begin=9), '--work-dir')
    losses = [float(value) for value in re.findall(r'loss_distill: ([\d.]+)', run(*train, whole))]
    assert len(losses) == 24 and min(losses) > 0
    continue_from(whole / 'epoch_1.pth', killed)
    assert 'resumed epoch: 1' in run(*train, killed, '--resume')
    check_same(whole, killed, 'epoch_2.pth')
    assert set(load(whole / 'epoch_2.pth')['state_dict']) == set(MODELS.build(Config(tiny.model)).state_dict())

    Path(teacher).unlink()
    scores = []
    # the student's own config, and the distillation config, whose teacher file is missing
    for name in ('tiny.py', 'distill.py'):
        output = run('test', write_config(tiny_coco, 'people.json', name=name), '--checkpoint', whole / 'epoch_2.pth')
        assert 'unexpected key' not in output and 'missing keys' not in output
        scores.append(re.findall(r'coco/\w+: ([\d.]+)', output))
    assert scores[0] == scores[1] != []


def test_two_processes_give_the_same_weights_as_one(write, compare_one_and_two_processes):
    changes = dict(model__head__type='SimpleHead', train_dataloader__dataset__pipeline=PLAIN_PIPELINE)
    compare_one_and_two_processes(lambda size, **more: write(train_dataloader__batch_size=size, **changes, **more))
