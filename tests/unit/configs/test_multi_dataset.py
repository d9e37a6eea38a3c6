"""Multi-dataset configs: the numbers of the paper, and each dataset as in its own config."""

import copy
import re

import pytest

from tests.unit.configs.reading import read_config

# Order, keypoints and codec: the authors' repository. EXPERT_DIM: output channels of the FFN that an expert computes.
KEYPOINTS = dict(coco=17, aic=14, mpii=16, ap10k=17, apt36k=17, coco_wholebody=133)
UDP = ('coco', 'mpii')
# EXPERT_DIM of small is that of the released weights; the authors' config file says 192.
EXPERT_DIM = dict(small=96, base=192, large=256, huge=320)
#        width, layer decay, drop path
SIZES = dict(small=(384, 0.8, 0.1), base=(768, 0.75, 0.3), large=(1024, 0.8, 0.5), huge=(1280, 0.8, 0.55))
SETS = {'coco-aic': 2, 'coco-aic-mpii': 3, 'six-sets': 6}
FULL = [
    f'vitpose-{name}-256x192'
    for name in (
        'base_coco-aic',
        *(f'{size}_coco-aic-mpii' for size in ('base', 'large', 'huge')),
        *(f'plus-{size}_six-sets' for size in SIZES),
    )
]
SMOKE_TEST = {
    f'vitpose-{name}_synthetic-128x96': full
    for name, full in (
        ('mini_coco-aic', 'vitpose-base_coco-aic-256x192'),
        ('mini_coco-aic-mpii', 'vitpose-base_coco-aic-mpii-256x192'),
        ('plus-mini_six-sets', 'vitpose-plus-base_six-sets-256x192'),
    )
}
# The config for one dataset alone. APT-36K has none.
ALONE = dict(
    coco='coco/vitpose-base_coco',
    aic='aic/vitpose-base_aic',
    mpii='mpii/vitpose-base_mpii',
    ap10k='ap10k/vitpose-base_ap10k',
    coco_wholebody='wholebody/vitpose-base_coco-wholebody',
)
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@pytest.fixture
def read(root):
    return lambda name: copy.deepcopy(read_config(f'multi_dataset/{name}.py'))


def test_list_of_configs_is_complete(root):
    assert {p.stem for p in (root / 'configs/multi_dataset').glob('*.py')} == {*FULL, *SMOKE_TEST}


@pytest.mark.parametrize('name', FULL)
def test_numbers_are_those_of_the_paper(read, name):
    cfg = read(name)
    plus, size, sets = re.fullmatch(r'vitpose-(plus-)?([a-z]+)_(.*)-256x192', name).groups()
    width, decay, drop_path = SIZES[size]
    names = list(KEYPOINTS)[: SETS[sets]]
    backbone, head = cfg.model.backbone, cfg.model.head
    assert (backbone.arch, backbone.drop_path_rate) == (size, drop_path)
    assert f'mae_pretrain_vit_{size}' in backbone.init_cfg.checkpoint
    assert backbone.get('experts') == (dict(names=names, expert_dim=EXPERT_DIM[size]) if plus else None)
    assert cfg.model.type == ('MultiDatasetPoseEstimator' if plus else 'TopdownPoseEstimator')
    assert list(head.heads) == names
    assert {n: (h.type, h.in_channels, h.out_channels) for n, h in head.heads.items()} == {
        n: ('ClassicHead', width, KEYPOINTS[n]) for n in names
    }
    # as in the paper and in the authors' configs for several datasets; on COCO alone the authors train huge with 0.85
    assert cfg.optim_wrapper.paramwise_cfg == dict(layer_decay_rate=decay)
    assert cfg.optim_wrapper.optimizer == dict(type='FusedAdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=0.1)
    assert cfg.optim_wrapper.clip_grad.max_norm == 1
    assert cfg.auto_scale_lr.base_batch_size == 8 * cfg.train_dataloader.batch_size == 1024
    warmup, steps = cfg.param_scheduler
    assert (warmup.start_factor, warmup.end, warmup.by_epoch) == (1e-3, 500, False)
    assert (steps.milestones, steps.gamma, cfg.train_cfg.max_epochs) == ([170, 200], 0.1, 210)


@pytest.mark.parametrize('name', [*FULL, *SMOKE_TEST])
def test_each_dataset_has_its_codec(read, name):
    """COCO and MPII use UDP; the others use MSRA heatmaps and shift the flipped heatmap."""
    cfg = read(name)
    head = cfg.model.head
    assert head.default_dataset == 'coco'
    for each, one in head.heads.items():
        assert one.decoder.type == ('BatchUDPHeatmap' if each in UDP else 'BatchMSRAHeatmap')
        shift = head.test_cfgs.get(each, cfg.model.test_cfg).shift_heatmap
        assert shift is (each not in UDP)
    assert cfg.model.test_cfg.flip_test
    assert cfg.default_hooks.dataset_mix.type == 'DatasetMixHook'
    assert all(cfg[loader].dataset.metainfo.from_file.endswith('/coco.py') for loader in LOADERS)


@pytest.mark.parametrize('name', FULL)
def test_each_dataset_is_as_in_its_own_config(read, root, name):
    """Files, boxes, augmentation and metric are those of the config for the dataset alone."""

    def steps(pipeline):  # crop and target depend on the codec
        return [step for step in pipeline if step.type not in ('TopdownAffine', 'DecodeAndCrop', 'KeypointTarget')]

    cfg = read(name)
    for index, each in enumerate(cfg.model.head.heads):
        if each not in ALONE:
            continue
        alone = read_config(f'{ALONE[each]}-256x192.py')
        for loader in LOADERS:
            member, own = (dict(d) for d in (cfg[loader].dataset.datasets[index], alone[loader].dataset))
            assert steps(member.pop('pipeline')) == steps(own.pop('pipeline'))
            assert member == own
        for evaluator in ('val_evaluator', 'test_evaluator'):
            member, own = dict(cfg[evaluator].metrics[index]), dict(alone[evaluator])
            assert member.pop('prefix', each) == each
            assert member == own
            assert cfg[evaluator].datasets == cfg[evaluator.replace('evaluator', 'dataloader')].dataset.datasets


@pytest.mark.parametrize('name', SMOKE_TEST)
def test_smoke_test_configs_have_the_same_datasets(read, name):
    small, full = read(name), read(SMOKE_TEST[name])
    assert list(small.model.head.heads) == list(full.model.head.heads)
    assert small.model.type == full.model.type
    for loader in LOADERS:
        assert [m.type for m in small[loader].dataset.datasets] == [m.type for m in full[loader].dataset.datasets]
    assert [(m.type, m.get('prefix')) for m in small.val_evaluator.metrics] == [
        (m.type, m.get('prefix')) for m in full.val_evaluator.metrics
    ]
