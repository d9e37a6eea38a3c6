"""Configs that can be trained, their samples, and another number of epochs."""

import json
from dataclasses import replace

import pytest
from mmengine.config import Config, ConfigDict

from tests.unit.own_data import makers
from vitpose.errors import VitPoseError
from vitpose.own_data.deriving.left_right import find_sides
from vitpose.own_data.deriving.network import Network, choose_recipe
from vitpose.own_data.writing import config_writer
from vitpose.runs.training_config import count_samples, epoch_options, next_commands, read_training_config

TRAINING = """
model = train_dataloader = val_dataloader = val_evaluator = optim_wrapper = dict(a=1)
train_cfg, default_hooks = dict(max_epochs=9), dict(checkpoint=dict(save_best=['NME', 'AUC']))
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes what `vitpose dataset` would for a number of epochs, and returns the config."""
    annotations = makers.read(makers.write_coco(tmp_path / 'mice', makers.coco(40)))
    splits = dict(train=annotations.photos[:33], val=annotations.photos[33:])
    sides = find_sides(annotations.labels)
    plan = config_writer.DatasetPlan('mice', annotations, splits, sides, (192, 256), Network('vitpose_small.py', 12))

    def run(epochs):
        def choose(*args):
            return replace(choose_recipe(*args), epochs=epochs)

        monkeypatch.setattr(config_writer, 'choose_recipe', choose)
        config_writer.write_config(tmp_path / 'out', plan)
        return Config.fromfile(tmp_path / 'out/config.py', import_custom_modules=False)

    return run


@pytest.mark.parametrize('epochs', [9, 55, 400])
def test_epochs_give_what_the_dataset_would_be_written_with(write, epochs):
    wanted, config = write(epochs), write(100)
    steps = -(-33 // config.train_dataloader.batch_size)
    assert wanted.to_dict() != config.to_dict()
    config.merge_from_dict(epoch_options(config, epochs, steps))
    assert config.to_dict() == wanted.to_dict()


def test_epochs_scale_milestones_and_keep_a_long_warm_up():
    schedules = [dict(type='LinearLR', begin=0, end=500, by_epoch=False)]
    schedules += [dict(type='MultiStepLR', begin=0, end=210, milestones=[170, 200])]
    config = ConfigDict(train_cfg=dict(max_epochs=210), param_scheduler=schedules)
    changed = epoch_options(config, 21, 1000)
    assert changed['param_scheduler.0.end'] == 500 and changed['param_scheduler.1.milestones'] == [17, 20]
    assert (changed['param_scheduler.1.end'], changed['train_cfg.val_interval']) == (21, 2)
    assert epoch_options(config, 1, 5)['param_scheduler.0.end'] == 2


@pytest.mark.parametrize(
    ('schedules', 'epochs', 'changed'),
    [
        (dict(type='StepLR', step_size=90), 21, {'.step_size': 9}),
        ([dict(type='MultiStepLR', milestones=(170, 200))], 21, {'.0.milestones': [17, 20]}),
        (dict(generator=[dict(type='PolyLR', end=210)]), 21, {'.generator.0.end': 21}),
        ([dict(type='OneCycleLR', total_steps=210)], 21, {'.0.total_steps': 21}),
        ([dict(type='CosineRestartLR', periods=[70, 140])], 21, {'.0.periods': [7, 14]}),
        (
            [dict(type='CosineAnnealingLR', T_max=9500, begin=1000, end=10500, by_epoch=False)],
            21,
            {'.0.T_max': 950, '.0.begin': 100, '.0.end': 1050},
        ),
        ([dict(type='LinearLR', begin=0, end=5)], 21, {'.0.end': 2}),  # a single epoch would never end
        ([dict(type='LinearLR', begin=0, end=5, convert_to_iter_based=True)], 21, {'.0.end': 1}),
        ([dict(type='CosineAnnealingLR', T_max=205, begin=5, end=210)], 1, {'.0.T_max': 1, '.0.begin': 0, '.0.end': 1}),
    ],
)
def test_epochs_scale_every_schedule(schedules, epochs, changed):
    config = ConfigDict(train_cfg=dict(max_epochs=210), param_scheduler=schedules)
    options = epoch_options(config, epochs, 50)
    name = 'param_scheduler'
    assert {key.removeprefix(name): value for key, value in options.items() if key.startswith(name)} == changed


def test_epochs_leave_an_interval_of_checkpoints_in_steps():
    config = ConfigDict(train_cfg=dict(max_epochs=210), default_hooks=dict(checkpoint=dict(by_epoch=False)))
    assert set(epoch_options(config, 21, 50)) == {'train_cfg.max_epochs', 'train_cfg.val_interval'}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('raise OSError("no disk")', 'config.py: OSError: no disk'),
        ('model = dict(', 'config.py: SyntaxError: '),
        (
            'a = 1',
            'expected a training config, but it has no model, train_dataloader, .*save_best, train_cfg.max_epochs',
        ),
        (TRAINING + 'train_cfg = dict(max_iters=9)', 'it has no train_cfg.max_epochs$'),
        *(
            (TRAINING + f"default_hooks['checkpoint']['save_best'] = {best}", f'save_best={best}: expected the name')
            for best in ("'auto'", "'coco/AP .5'", 'True')
        ),
    ],
)
def test_configs_that_cannot_be_trained(tmp_path, text, message):
    (tmp_path / 'config.py').write_text(text)
    with pytest.raises(VitPoseError, match=message):
        read_training_config(tmp_path / 'config.py', {})
    (tmp_path / 'config.py').write_text(TRAINING)
    config, score = read_training_config(tmp_path / 'config.py', {'train_cfg.max_epochs': 3})
    assert (config.train_cfg.max_epochs, score) == (3, 'NME')


def test_samples_of_combined_sets_and_files_that_are_missing(tmp_path):
    content = makers.coco(3)
    content['annotations'][0]['keypoints'] = [0] * 12
    (tmp_path / 'a.json').write_text(json.dumps(content))
    (tmp_path / 'list.json').write_text(json.dumps([{'image': 'a.jpg'}] * 5))
    (tmp_path / 'broken.json').write_text('{')
    wrong = makers.coco(5)  # which the checks of the dataset name
    for row, points in zip(wrong['annotations'], (None, 7, {'x': 1}), strict=False):
        row['keypoints'] = points
    wrong['annotations'][3] = 3
    for name, content in dict(wrong=wrong, empty={}, number=3).items():
        (tmp_path / f'{name}.json').write_text(json.dumps(content))

    def count(*names):
        members = [dict(data_root=str(tmp_path), ann_file=name) for name in names]
        dataset = dict(datasets=[members[0], dict(type='RepeatDataset', dataset=members[-1])])
        dataset = dataset if len(members) > 1 else members[0]
        return count_samples(ConfigDict(train_dataloader=dict(dataset=dataset)))

    assert (count('a.json'), count('a.json', 'list.json')) == (2, 7)
    assert (count('wrong.json'), count('empty.json'), count('number.json')) == (1, 0, 0)
    for name, message in (('none.json', 'none.json: no such annotation file'), ('broken.json', 'not a JSON file: ')):
        with pytest.raises(VitPoseError, match=message):
            count(name)


def test_next_commands_are_exact(tmp_path):
    predict, export = next_commands(tmp_path / 'my mice/config.py', tmp_path / 'best_a.pth')
    assert predict.endswith(f"--config '{tmp_path}/my mice/config.py' --checkpoint {tmp_path}/best_a.pth --out poses")
    assert export.startswith('vitpose export ') and export.endswith("--to onnx --out 'my mice'.onnx")
