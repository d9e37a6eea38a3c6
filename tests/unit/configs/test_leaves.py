import re
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import mmpose
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import TRANSFORMS

from tests.unit.configs.reading import CONFIGS, POSE, RESIZED, for_each, of_base, read_config, read_metainfo
from tests.unit.configs.reading import LEAVES as ALL
from vitpose_mm.networks.vit_sizes import SIZES

MMPOSE = Path(mmpose.__file__).parent / '.mim/configs'
# Paper, section 4.1 and table 1; small: the authors' repository. Layer decay of huge: table 1 has 0.80, but the
# configs of published weights, the authors' and MMPose's, have 0.85, and so do the leaf configs of these datasets.
#        width depth heads, layer decay, drop path
PAPER = {
    'small': (384, 12, 12, 0.80, 0.10),
    'base': (768, 12, 12, 0.75, 0.30),
    'large': (1024, 24, 16, 0.80, 0.50),
    'huge': (1280, 32, 16, 0.80, 0.55),
}
KEYPOINTS = dict(coco=17, aic=14, mpii=16, crowdpose=14, ochuman=17, ap10k=17, apt36k=17, humanart=17)
KEYPOINTS |= {'coco-wholebody': 133, 'coco-wholebody-hand': 21, 'coco-test-dev': 17, 'interhand': 42}
KEYPOINTS |= {'coco25': 25, 'halpe26': 26}
NAMES = {'humanart': 'Human-Art', 'coco-test-dev': 'coco', 'interhand': 'interhand3d'}  # MMPose's, where different
OTHERS = ('attention', 'multi_dataset', 'synthetic', 'transfer')
LEAVES = [leaf for leaf in POSE if leaf.parent.name not in OTHERS]  # of one dataset and plain ViTPose
# The file of MMPose's config for the same data. There is none for OCHuman.
SHIPPED = {
    **{
        f'{folder}/vitpose-{name}_{folder}-256x192': f'td-hm_ViTPose-{name}_8xb64-210e_{folder}-256x192'
        for folder, heads in (('coco', ('', '-simple')), ('humanart', ('',)))
        for name in (size + head for size in PAPER for head in heads)
    },
    **{
        f'{data}/vitpose-base_{data}-256x192': f'td-hm_hrnet-w32_8xb64-210e_{data}-{size}'
        for data, size in (('aic', '256x192'), ('mpii', '256x256'), ('crowdpose', '256x192'), ('ap10k', '256x256'))
    },
    'wholebody/vitpose-base_coco-wholebody-256x192': 'td-hm_hrnet-w32_8xb64-210e_coco-wholebody-256x192',
    'hand/vitpose-base_coco-wholebody-hand-256x256': 'td-hm_hrnetv2-w18_8xb32-210e_coco-wholebody-hand-256x256',
}


def datasets(cfg: Config) -> list[dict]:
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    return [loader.dataset.get('dataset', loader.dataset) for loader in loaders if loader is not None]


def transform(dataset: dict, name: str) -> dict:
    (step,) = (step for step in dataset.pipeline if step.type == name)
    return step


def heads_with_data(cfg: Config) -> list[tuple[dict, list[dict]]]:
    head = cfg.model.head
    if 'heads' not in head:
        return [(head, datasets(cfg))]
    members = [member for whole in datasets(cfg) for member in whole.datasets]
    named = [(member, read_metainfo(member)['dataset_name']) for member in members]
    return [(head.heads[name], [member for member, other in named if other == name]) for name in head.heads]


@for_each(POSE)
def test_sizes_codecs_and_keypoints_agree(leaf):
    cfg = read_config(leaf)
    for head, data in heads_with_data(cfg):
        codec = head.decoder
        width, height = codec.input_size
        assert codec.heatmap_size == (width // 4, height // 4)
        assert cfg.model.backbone.img_size == (height, width)
        assert len(data) == (3 if cfg.train_dataloader is not None else 2)
        for dataset in data:
            crop = transform(dataset, 'TopdownAffine' if dataset.get('test_mode') else 'DecodeAndCrop')
            assert crop.input_size == (width, height)
            assert crop.get('use_udp', False) == (codec.type == 'BatchUDPHeatmap')
            assert read_metainfo(dataset)['num_keypoints'] == head.out_channels
            if not dataset.get('test_mode'):
                assert transform(dataset, 'KeypointTarget').encoder == codec


@for_each(LEAVES)
def test_file_name_matches_the_config(leaf):
    cfg = read_config(leaf)
    name = r'vitpose-([a-z]+)(-simple)?_([a-z0-9-]+)-(\d+)x(\d+)\.py'
    size, head, data, height, width = re.fullmatch(name, leaf.name).groups()
    dim, depth, heads, _, drop_path = PAPER[size]
    backbone, arch = cfg.model.backbone, SIZES[cfg.model.backbone.arch]
    assert (arch.embed_dim, arch.depth, arch.num_heads, backbone.drop_path_rate) == (dim, depth, heads, drop_path)
    assert f'mae_pretrain_vit_{size}' in backbone.init_cfg.checkpoint
    assert cfg.model.head.type == ('SimpleHead' if head else 'ClassicHead')
    assert (cfg.model.head.in_channels, cfg.model.head.out_channels) == (dim, KEYPOINTS[data])
    assert backbone.img_size == (int(height), int(width))
    assert read_metainfo(cfg.val_dataloader.dataset)['dataset_name'] == NAMES.get(data, data.replace('-', '_'))


@for_each([leaf for leaf in LEAVES if leaf.parent.name != 'ochuman'])
def test_training_settings_are_those_of_the_paper(leaf):
    """Paper, table 1: optimizer, schedule and augmentation."""
    cfg, folder = read_config(leaf), leaf.parent.name
    wrapper, size = cfg.optim_wrapper, cfg.model.backbone.arch
    assert wrapper.constructor == 'ViTLayerDecayOptimWrapperConstructor'
    assert wrapper.type == 'AutocastOptimWrapper' and 'dtype' not in wrapper  # bf16
    published = size == 'huge' and folder in ('coco', 'humanart')
    assert wrapper.paramwise_cfg == dict(layer_decay_rate=0.85 if published else PAPER[size][3])
    assert wrapper.optimizer == dict(type='FusedAdamW', lr=5e-4, betas=(0.9, 0.999), weight_decay=0.1)
    assert wrapper.clip_grad.max_norm == 1
    assert cfg.auto_scale_lr.base_batch_size == 8 * cfg.train_dataloader.batch_size == 512
    assert cfg.train_cfg.max_epochs == 210
    warmup, steps = cfg.param_scheduler
    assert (warmup.type, warmup.start_factor, warmup.end, warmup.by_epoch) == ('LinearLR', 1e-3, 500, False)
    assert (steps.type, steps.milestones, steps.gamma) == ('MultiStepLR', [170, 200], 0.1)

    train, test = cfg.train_dataloader.dataset, cfg.test_dataloader.dataset
    assert transform(train, 'LazyRandomFlip') == dict(type='LazyRandomFlip', direction='horizontal')
    if folder not in ('mpii', 'hand'):  # these are as in MMPose, see below
        assert transform(train, 'RandomHalfBody').prob == 0.3
        box = transform(train, 'FastRandomBBoxTransform')
        assert box.scale_factor == (1 - 0.5, 1 + 0.5)
        assert box.rotate_factor == 2 * 40  # MMPose gives the limit of the truncated normal, the paper half of it
    if folder == 'coco25':  # as easy_ViTPose trained
        assert (cfg.model.head.decoder.type, cfg.model.head.decoder.sigma) == ('BatchMSRAHeatmap', 3)
        return
    assert (cfg.model.head.decoder.type, cfg.model.head.decoder.sigma) == ('BatchUDPHeatmap', 2)
    assert transform(train, 'DecodeAndCrop').use_udp and transform(test, 'TopdownAffine').use_udp
    assert cfg.model.test_cfg == dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False)


SIZE_KEYS = ('arch', 'drop_path_rate', 'expert_dim', 'init_cfg', 'in_channels', 'layer_decay_rate', 'load_from')


def without_size(node):
    if isinstance(node, list):
        return [without_size(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: without_size(value) for key, value in node.items() if key not in SIZE_KEYS}


@for_each(RESIZED)
def test_sizes_differ_in_nothing_else(leaf):
    resized, base = read_config(leaf), read_config(of_base(leaf))
    assert resized.model.backbone.arch != base.model.backbone.arch
    assert without_size(resized.to_dict()) == without_size(base.to_dict())


@pytest.mark.parametrize('name', SHIPPED)
def test_config_is_that_of_mmpose_for_the_same_data(name):
    """Files, boxes, metric, best checkpoint and augmentation (with default arguments); for ViTPose the whole recipe."""
    init_default_scope('mmpose')
    (file,) = MMPOSE.glob(f'*/*/*/{SHIPPED[name]}.py')
    ours, theirs = read_config(f'{name}.py'), Config.fromfile(file, import_custom_modules=False)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        defaults = dict(bbox_file=None, data_mode='topdown')
        mine, other = (defaults | dict(cfg[loader].dataset, pipeline=None) for cfg in (ours, theirs))
        assert dict(mine, type=mine['type'].removeprefix('Checked')) == other
    best = 'default_hooks.checkpoint.save_best default_hooks.checkpoint.rule'
    for path in f'val_evaluator test_evaluator data_mode dataset_type {best}'.split():
        assert at(ours, path) == at(theirs, path), path
    pipelines = (enumerate(cfg.train_dataloader.dataset.pipeline) for cfg in (ours, theirs))
    mine, other = ([(i, step, REPLACED.get(step.type, step.type)) for i, step in steps] for steps in pipelines)
    mine, other = (
        [(kind, i and vars(TRANSFORMS.build(step))) for i, step, kind in steps if kind] for steps in (mine, other)
    )
    assert mine == other
    if 'ViTPose' in SHIPPED[name]:
        assert dict(ours.codec, type=ours.codec.type.removeprefix('Batch')) == theirs.codec
        optimizer = ours.optim_wrapper.optimizer
        assert dict(optimizer, type=optimizer.type.removeprefix('Fused')) == theirs.optim_wrapper.optimizer
        theirs.model.data_preprocessor.non_blocking = True  # batches are copied without waiting
        for path in RECIPE.split():
            assert at(ours, path) == at(theirs, path), path


REPLACED = dict(LazyLoadImage='LoadImage', LazyRandomFlip='RandomFlip', FastRandomBBoxTransform='RandomBBoxTransform')
REPLACED |= dict.fromkeys(  # by steps that are compared elsewhere
    'DecodeAndCrop KeypointTarget PackCroppedInputs TopdownAffine GenerateTarget PackPoseInputs'.split()
)
RECIPE = """
    param_scheduler train_cfg.max_epochs optim_wrapper.clip_grad optim_wrapper.paramwise_cfg.layer_decay_rate
    auto_scale_lr model.data_preprocessor model.test_cfg model.backbone.drop_path_rate train_dataloader.batch_size
    val_dataloader.batch_size model.head.loss model.head.in_channels
"""


def at(cfg: Config, path: str) -> Any:
    return reduce(getitem, path.split('.'), cfg)


def test_no_base_file_shadows_one_of_mmpose():
    """MMPose looks for `configs/_base_/datasets/coco.py` and others in the working directory first.

    When run from the checkout, it would read a base file of the same name as the dataset's metainfo.
    """
    ours, theirs = ({p.name for p in configs.glob('_base_/datasets/*.py')} for configs in (CONFIGS, MMPOSE))
    assert ours and theirs and not ours & theirs


@for_each(ALL)
def test_leaf_is_short_and_schedule_loaders_and_documented_folder_fit(leaf):
    cfg, text = read_config(leaf), leaf.read_text()
    assert len(text.splitlines()) <= (12 if leaf in LEAVES else 30)
    assert all(f"'{folder}/" in cfg.pretty_text for folder in re.findall(r'vitpose synth --out (\S+)', text))
    if cfg.get('param_scheduler'):
        last = cfg.param_scheduler[-1]
        assert last.by_epoch and last.end == cfg.train_cfg.max_epochs
        cosine = last.type == 'CosineAnnealingLR' and last.convert_to_iter_based and last.T_max == last.end - last.begin
        assert cosine or max(last.milestones) < last.end
    loaders = {part: cfg.get(f'{part}_dataloader') for part in ('train', 'val', 'test')}
    assert any(loaders.values())
    for part, loader in loaders.items():
        if loader:
            assert loader.num_workers > 0 and loader.persistent_workers and loader.pin_memory
            assert part != 'train' or loader.collate_fn.type == 'default_collate'
            assert cfg.model.data_preprocessor.non_blocking  # otherwise the copy waits for the device
