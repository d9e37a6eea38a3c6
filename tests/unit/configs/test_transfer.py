from pathlib import Path

import pytest
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from tests.unit.configs.reading import copy_config, read_config
from vitpose_mm.networks.vit_sizes import parse_size


@pytest.mark.parametrize(
    ('student', 'teacher', 'data'),
    [('base', 'large', 'coco-256x192'), ('small', 'base', 'coco-256x192'), ('micro', 'mini', 'synthetic-128x96')],
)
def test_students_use_the_files_that_the_teacher_writes(student, teacher, data):
    def leaf(name):
        return read_config(f'transfer/vitpose-{name}_{data}.py')

    folder = data.split('-')[0]
    alone = read_config(f'{folder}/vitpose-{teacher}_{data}.py')
    first, token = leaf(f'{teacher}-token-stage1'), leaf(f'{student}-from-{teacher}-token')
    assert first.load_from == f'work_dirs/vitpose-{teacher}_{data}/epoch_{alone.train_cfg.max_epochs}.pth'
    trains = dict(freeze='all_but_token', knowledge_token=dict(count=1), init_cfg=None)
    assert {**dict(alone.model.backbone), **trains} == {**dict(first.model.backbone), 'init_cfg': None}
    assert first.model.head == {**alone.model.head, 'freeze': True}
    assert first.optim_wrapper.paramwise_cfg.layer_decay_rate == 1
    assert first.train_cfg.max_epochs == first.param_scheduler[-1].end <= 5
    file, width = f'work_dirs/tokens/vitpose-{teacher}_{data}.npz', parse_size(alone.model.backbone.arch).embed_dim
    assert token.model.backbone.knowledge_token == dict(init=file, frozen=True, width=width)
    student_alone = read_config(f'{"transfer" if student == "micro" else folder}/vitpose-{student}_{data}.py')
    for name, taught in (('output', student_alone), ('both', token)):
        distilled = leaf(f'{student}-from-{teacher}-{name}')
        assert Path(distilled.model.teacher.config).resolve() == Path(alone.filename).resolve()
        assert distilled.model.teacher.checkpoint == first.load_from
        weigh = [distilled.model.get('distill_loss', {}), alone.model.head.loss]
        assert len({loss.get('loss_weight', 1) for loss in weigh}) == 1
        added = {key: distilled.model[key] for key in ('teacher', 'distill_loss') if key in distilled.model}
        assert distilled.model == {**taught.model, 'type': 'DistillPoseEstimator', **added}
        for part in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader', 'test_dataloader'):
            assert distilled[part] == taught[part]


def test_cached_config_is_the_same_without_the_teacher():
    cached, running = (
        read_config(f'transfer/vitpose-micro-from-mini-output{name}_synthetic-128x96.py') for name in ('-cached', '')
    )
    assert cached.model.teacher is None
    assert {**cached.model, 'teacher': None} == {**running.model, 'teacher': None}
    assert cached.train_dataloader.dataset.dataset == running.train_dataloader.dataset


@pytest.mark.parametrize('name', ['mini-freeze-{}_synthetic-128x96', 'base-freeze-{}_coco-256x192'])
@pytest.mark.parametrize('part', ['attention', 'ffn'])
def test_partial_fine_tuning_configs_change_nothing_else(name, part):
    frozen = copy_config(f'transfer/vitpose-{name.format(part)}.py')
    assert frozen.model.backbone.pop('freeze') == part
    folder, whole = ('synthetic', 'mini') if 'mini' in name else ('coco', 'base')
    assert frozen.to_dict() == read_config(f'{folder}/vitpose-{whole}_{name.split("_")[1]}.py').to_dict()


def test_student_has_less_than_a_quarter_of_the_parameters():
    init_default_scope('mmpose')
    configs = (f'{name}_synthetic-128x96.py' for name in ('synthetic/vitpose-mini', 'transfer/vitpose-micro'))
    models = (MODELS.build(read_config(config).model) for config in configs)
    teacher, student = (sum(weight.numel() for weight in model.parameters()) for model in models)
    assert teacher > 4 * student
