"""Output distillation with the real commands: resume, two processes, and a checkpoint that holds only the student."""

import re
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from tests.integration.configs import tiny

pytestmark = pytest.mark.slow

PLAIN_PIPELINE = [step for step in tiny.train_pipeline if not step['type'].startswith('Random')]


@pytest.fixture
def teacher(tmp_path):
    """A checkpoint of the tiny model with heatmaps that are clearly not zero."""
    init_default_scope('mmpose')
    torch.manual_seed(3)
    model = MODELS.build(Config.fromfile(Path(__file__).parent / 'configs/tiny.py').model)
    for parameter in model.head.final_layer.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'the_teacher.pth')
    return str(tmp_path / 'the_teacher.pth')


def weights(path):
    return torch.load(path, map_location='cpu', weights_only=False)['state_dict']


def test_resumed_run_gives_the_same_weights_and_tests_as_the_student(
    write_config, tiny_coco, run, continue_from, tmp_path, teacher
):
    changes = dict(name='distill.py', model__teacher__checkpoint=teacher, train_cfg__val_begin=9)
    config = write_config(tiny_coco, 'people.json', **changes)
    train = ('train', config, '--work-dir')
    output = run(*train, tmp_path / 'whole')
    losses = [float(value) for value in re.findall(r'loss_distill: ([\d.]+)', output)]
    assert len(losses) == 24 and min(losses) > 0
    killed = tmp_path / 'killed'
    continue_from(tmp_path / 'whole/epoch_1.pth', killed)
    assert 'resumed epoch: 1' in run(*train, killed, '--resume')
    whole, resumed = (weights(folder / 'epoch_2.pth') for folder in (tmp_path / 'whole', killed))
    assert {name for name in whole if not torch.equal(whole[name], resumed[name])} == set()

    plain = MODELS.build(Config.fromfile(Path(__file__).parent / 'configs/tiny.py').model)
    assert set(whole) == set(plain.state_dict())
    Path(teacher).unlink()
    scores = []
    # the student's own config, and the distillation config, whose teacher file is missing
    for name in ('tiny.py', 'distill.py'):
        config = write_config(tiny_coco, 'people.json', name=name)
        output = run('test', config, '--checkpoint', tmp_path / 'whole/epoch_2.pth')
        assert 'unexpected key' not in output and 'missing keys' not in output
        scores.append(re.findall(r'coco/\w+: ([\d.]+)', output))
    assert scores[0] == scores[1] != []


def test_two_processes_give_the_same_weights_as_one(
    write_config, tiny_coco, compare_one_and_two_processes, tmp_path, teacher
):
    def config(batch_size, **more):
        path = write_config(
            tiny_coco,
            'people.json',
            name='distill.py',
            model__teacher__checkpoint=teacher,
            model__head__type='SimpleHead',
            train_dataloader__batch_size=batch_size,
            train_dataloader__dataset__pipeline=PLAIN_PIPELINE,
            **more,
        )
        return path.rename(tmp_path / f'batch{batch_size}.py')

    compare_one_and_two_processes(config)
