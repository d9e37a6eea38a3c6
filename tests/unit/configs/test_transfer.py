"""The configs in configs/transfer agree with each other: teacher, token and student."""

import copy
from pathlib import Path

import pytest
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401
from tests.unit.configs.reading import read_config
from vitpose_mm.backbones.vit_sizes import parse_size

# student, teacher, rest of the config's name, folder of the teacher's config
PAIRS = [
    ('base', 'large', 'coco-256x192', 'coco'),
    ('small', 'base', 'coco-256x192', 'coco'),
    ('micro', 'mini', 'synthetic-128x96', 'synthetic'),
]


@pytest.mark.parametrize(('student', 'teacher', 'data', 'folder'), PAIRS)
def test_students_use_the_files_that_the_teacher_writes(root, student, teacher, data, folder):
    def leaf(name):
        return read_config(f'transfer/vitpose-{name}_{data}.py')

    own = read_config(f'{folder}/vitpose-{teacher}_{data}.py')
    first, token = leaf(f'{teacher}-token-stage1'), leaf(f'{student}-from-{teacher}-token')
    assert first.load_from == f'work_dirs/vitpose-{teacher}_{data}/epoch_{own.train_cfg.max_epochs}.pth'
    trains = dict(freeze='all_but_token', knowledge_token=dict(count=1), init_cfg=None)
    assert {**dict(own.model.backbone), **trains} == {**dict(first.model.backbone), 'init_cfg': None}
    assert first.model.head == {**own.model.head, 'freeze': True}
    assert first.optim_wrapper.paramwise_cfg.layer_decay_rate == 1
    assert first.train_cfg.max_epochs == first.param_scheduler[-1].end <= 5
    given = token.model.backbone.knowledge_token
    assert given == dict(
        init=f'work_dirs/tokens/vitpose-{teacher}_{data}.npz',
        frozen=True,
        width=parse_size(own.model.backbone.arch).embed_dim,
    )
    for name, alone in (('output', None), ('both', token)):
        distilled = leaf(f'{student}-from-{teacher}-{name}')
        assert Path(distilled.model.teacher.config).resolve() == Path(own.filename).resolve()
        assert distilled.model.teacher.checkpoint == first.load_from
        weigh = [distilled.model.get('distill_loss', {}), own.model.head.loss]
        assert len({loss.get('loss_weight', 1) for loss in weigh}) == 1
        alone = alone or read_config(f'{"transfer" if student == "micro" else folder}/vitpose-{student}_{data}.py')
        added = dict(type='DistillPoseEstimator', teacher=distilled.model.teacher)
        if 'distill_loss' in distilled.model:
            added['distill_loss'] = distilled.model.distill_loss
        assert distilled.model == {**alone.model, **added}
        for part in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader', 'test_dataloader'):
            assert distilled[part] == alone[part]


def test_cached_config_is_the_same_without_the_teacher(root):
    cached, running = (
        read_config(f'transfer/vitpose-micro-from-mini-output{name}_synthetic-128x96.py') for name in ('-cached', '')
    )
    assert cached.model.teacher is None
    assert {**cached.model, 'teacher': None} == {**running.model, 'teacher': None}
    assert cached.train_dataloader.dataset.dataset == running.train_dataloader.dataset


@pytest.mark.parametrize('name', ['mini-freeze-{}_synthetic-128x96', 'base-freeze-{}_coco-256x192'])
@pytest.mark.parametrize('part', ['attention', 'ffn'])
def test_partial_fine_tuning_configs_change_nothing_else(root, name, part):
    frozen = copy.deepcopy(read_config(f'transfer/vitpose-{name.format(part)}.py'))
    init_default_scope('mmpose')
    assert frozen.model.backbone.pop('freeze') == part
    folder, whole = ('synthetic', 'mini') if 'mini' in name else ('coco', 'base')
    other = read_config(f'{folder}/vitpose-{whole}_{name.split("_")[1]}.py')
    assert frozen.to_dict() == other.to_dict()


def test_student_has_less_than_a_quarter_of_the_parameters(root):
    init_default_scope('mmpose')
    sizes = [
        sum(p.numel() for p in MODELS.build(read_config(name).model).parameters())
        for name in ('synthetic/vitpose-mini_synthetic-128x96.py', 'transfer/vitpose-micro_synthetic-128x96.py')
    ]
    assert sizes[0] > 4 * sizes[1]
