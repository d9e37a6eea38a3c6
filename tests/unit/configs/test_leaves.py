"""The leaf configs agree with the paper and with MMPose, and are short."""

import re
from functools import reduce
from operator import getitem
from pathlib import Path

import mmpose
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import TRANSFORMS

from tests.unit.configs.reading import CONFIGS, POSE, RESIZED, for_each, of_base, read_config, read_metainfo
from tests.unit.configs.reading import LEAVES as ALL
from vitpose_mm.backbones.vit_sizes import SIZES

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
# MMPose's name of the dataset, number of keypoints.
DATA = {
    'coco': ('coco', 17),
    'aic': ('aic', 14),
    'mpii': ('mpii', 16),
    'crowdpose': ('crowdpose', 14),
    'ochuman': ('ochuman', 17),
    'ap10k': ('ap10k', 17),
    'apt36k': ('apt36k', 17),
    'humanart': ('Human-Art', 17),
    'coco-wholebody': ('coco_wholebody', 133),
    'coco-wholebody-hand': ('coco_wholebody_hand', 21),
    'coco-test-dev': ('coco', 17),
    'interhand': ('interhand3d', 42),
}
LEAVES = sorted(
    {
        *(f'coco/vitpose-{size}{head}_coco-256x192.py' for size in PAPER for head in ('', '-simple')),
        *(f'coco/vitpose-base_coco-{hw}.py' for hw in '224x224 256x192 256x256 384x288 384x384 576x432'.split()),
        *(
            f'{name}/vitpose-{size}_{name}-256x192.py'
            for name in 'aic mpii crowdpose ochuman ap10k humanart'.split()
            for size in PAPER
        ),
        *(f'wholebody/vitpose-{size}_coco-wholebody-256x192.py' for size in PAPER),
        *(f'coco/vitpose-{size}_coco-test-dev-256x192.py' for size in PAPER),
        'apt36k/vitpose-base_apt36k-256x192.py',
        'hand/vitpose-base_coco-wholebody-hand-256x256.py',
        'hand/vitpose-base_interhand-256x256.py',
    }
)
# MMPose's config for the same data. There is none for OCHuman.
HEATMAP = 'topdown_heatmap/'
BODY, HRNET = 'body_2d_keypoint/' + HEATMAP, 'td-hm_hrnet-w32_8xb64-210e_'
WHOLEBODY = 'wholebody_2d_keypoint/' + HEATMAP + 'coco-wholebody/'
SHIPPED = {
    **{
        f'coco/vitpose-{name}_coco-256x192.py': f'{BODY}coco/td-hm_ViTPose-{name}_8xb64-210e_coco-256x192.py'
        for size in PAPER
        for name in (size, f'{size}-simple')
    },
    'aic/vitpose-base_aic-256x192.py': f'{BODY}aic/{HRNET}aic-256x192.py',
    'mpii/vitpose-base_mpii-256x192.py': f'{BODY}mpii/{HRNET}mpii-256x256.py',
    'crowdpose/vitpose-base_crowdpose-256x192.py': f'{BODY}crowdpose/{HRNET}crowdpose-256x192.py',
    'ap10k/vitpose-base_ap10k-256x192.py': f'animal_2d_keypoint/{HEATMAP}ap10k/{HRNET}ap10k-256x256.py',
    **{
        f'humanart/vitpose-{size}_humanart-256x192.py': BODY
        + f'humanart/td-hm_ViTPose-{size}_8xb64-210e_humanart-256x192.py'
        for size in PAPER
    },
    'wholebody/vitpose-base_coco-wholebody-256x192.py': f'{WHOLEBODY}{HRNET}coco-wholebody-256x192.py',
    'hand/vitpose-base_coco-wholebody-hand-256x256.py': f'hand_2d_keypoint/{HEATMAP}coco_wholebody_hand/'
    'td-hm_hrnetv2-w18_8xb32-210e_coco-wholebody-hand-256x256.py',
}


def datasets(cfg: Config) -> list[dict]:
    """The configs of the training, validation and test datasets."""
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    return [loader.dataset.get('dataset', loader.dataset) for loader in loaders if loader is not None]


def transform(dataset: dict, name: str) -> dict:
    """The only transform of that type in a dataset's pipeline."""
    (step,) = (step for step in dataset.pipeline if step.type == name)
    return step


@for_each(ALL)
def test_leaf_is_short(leaf):
    """Shorter still is that of one dataset."""
    most = 12 if str(leaf.relative_to(CONFIGS)) in LEAVES else 30
    assert len(leaf.read_text().splitlines()) <= most


def heads_with_data(cfg: Config) -> list[tuple[dict, list[dict]]]:
    """Each decoder's config with the configs of its datasets."""
    head = cfg.model.head
    if 'heads' not in head:
        return [(head, datasets(cfg))]
    members = [member for whole in datasets(cfg) for member in whole.datasets]
    named = [(member, read_metainfo(member)['dataset_name']) for member in members]
    return [(head.heads[name], [member for member, other in named if other == name]) for name in head.heads]


@for_each(POSE)
def test_sizes_codecs_and_keypoints_agree(leaf):
    """Input size, heatmap size, codec and number of keypoints are the same everywhere in a config."""
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


@pytest.mark.parametrize('name', LEAVES)
def test_file_name_matches_the_config(name):
    """The size, decoder, dataset and input size in the file name are those of the config."""
    cfg = read_config(name)
    size, head, data, height, width = re.fullmatch(
        r'[a-z0-9]+/vitpose-([a-z]+)(-simple)?_([a-z0-9-]+)-(\d+)x(\d+)\.py', name
    ).groups()
    dim, depth, heads, _, drop_path = PAPER[size]
    arch = SIZES[cfg.model.backbone.arch]
    assert (arch.embed_dim, arch.depth, arch.num_heads) == (dim, depth, heads)
    assert cfg.model.backbone.drop_path_rate == drop_path
    assert f'mae_pretrain_vit_{size}' in cfg.model.backbone.init_cfg.checkpoint
    assert cfg.model.head.type == ('SimpleHead' if head else 'ClassicHead')
    assert cfg.model.head.in_channels == dim
    assert cfg.model.backbone.img_size == (int(height), int(width))
    meta = read_metainfo(cfg.val_dataloader.dataset)
    assert (meta['dataset_name'], cfg.model.head.out_channels) == DATA[data]


@pytest.mark.parametrize('name', [name for name in LEAVES if not name.startswith('ochuman/')])
def test_training_settings_are_those_of_the_paper(name):
    """Paper, table 1: optimizer, schedule and augmentation."""
    cfg = read_config(name)
    wrapper, size = cfg.optim_wrapper, cfg.model.backbone.arch
    assert wrapper.constructor == 'ViTLayerDecayOptimWrapperConstructor'
    assert wrapper.type == 'AutocastOptimWrapper' and 'dtype' not in wrapper  # bf16
    published = size == 'huge' and name.startswith(('coco/', 'humanart/'))
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
    if not name.startswith(('mpii/', 'hand/')):  # these are as in MMPose, see below
        assert transform(train, 'RandomHalfBody').prob == 0.3
        box = transform(train, 'FastRandomBBoxTransform')
        assert box.scale_factor == (1 - 0.5, 1 + 0.5)
        assert box.rotate_factor == 2 * 40  # MMPose gives the limit of the truncated normal, the paper half of it
    assert (cfg.model.head.decoder.type, cfg.model.head.decoder.sigma) == ('BatchUDPHeatmap', 2)
    assert transform(train, 'DecodeAndCrop').use_udp and transform(test, 'TopdownAffine').use_udp
    assert cfg.model.test_cfg == dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False)


SIZE_KEYS = ('arch', 'drop_path_rate', 'init_cfg', 'in_channels', 'layer_decay_rate', 'load_from')


def without_size(node):
    """A part of a config without the keys that depend on the model size."""
    if isinstance(node, list):
        return [without_size(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: without_size(value) for key, value in node.items() if key not in SIZE_KEYS}


@for_each(RESIZED)
def test_sizes_differ_in_nothing_else(leaf):
    """A config of S, L or H is that of B but for architecture, drop path, weights and layer decay."""
    resized, base = read_config(leaf), read_config(of_base(leaf))
    assert resized.model.backbone.arch != base.model.backbone.arch
    assert without_size(resized.to_dict()) == without_size(base.to_dict())


def both(name: str) -> tuple[Config, Config]:
    """A leaf config, and MMPose's config for the same data."""
    return read_config(name), Config.fromfile(MMPOSE / SHIPPED[name], import_custom_modules=False)


@pytest.mark.parametrize('name', SHIPPED)
def test_augmentation_is_that_of_mmpose(name):
    """Every transform of the training pipeline except crop, target and packing, including default arguments."""
    init_default_scope('mmpose')
    fast = dict(LazyLoadImage='LoadImage', LazyRandomFlip='RandomFlip', FastRandomBBoxTransform='RandomBBoxTransform')
    replaced = 'DecodeAndCrop KeypointTarget PackCroppedInputs TopdownAffine GenerateTarget PackPoseInputs'.split()
    ours, theirs = (
        [
            (fast.get(step.type, step.type), {} if i == 0 else vars(TRANSFORMS.build(step)))
            for i, step in enumerate(cfg.train_dataloader.dataset.pipeline)
            if step.type not in replaced
        ]
        for cfg in both(name)
    )
    assert ours == theirs


@pytest.mark.parametrize('name', SHIPPED)
def test_data_are_those_of_mmpose(name):
    """Files, boxes, metric and best checkpoint are those of MMPose's config for the same data."""
    ours, theirs = both(name)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        defaults = dict(bbox_file=None, data_mode='topdown')
        mine, other = (defaults | dict(cfg[loader].dataset, pipeline=None) for cfg in (ours, theirs))
        assert dict(mine, type=mine['type'].removeprefix('Checked')) == other
    assert ours.val_evaluator == theirs.val_evaluator
    assert ours.test_evaluator == theirs.test_evaluator
    assert (ours.data_mode, ours.dataset_type) == (theirs.data_mode, theirs.dataset_type)  # read by the inferencers
    for key in ('save_best', 'rule'):
        assert ours.default_hooks.checkpoint[key] == theirs.default_hooks.checkpoint[key]


@pytest.mark.parametrize('name', [name for name in SHIPPED if 'ViTPose' in SHIPPED[name]])
def test_recipe_is_that_of_mmpose(name):
    """Codec, optimizer, schedule and preprocessing are those of MMPose's ViTPose configs."""
    ours, theirs = both(name)
    assert dict(ours.codec, type=ours.codec.type.removeprefix('Batch')) == theirs.codec
    for path in """
        param_scheduler train_cfg.max_epochs optim_wrapper.optimizer optim_wrapper.clip_grad
        optim_wrapper.paramwise_cfg.layer_decay_rate auto_scale_lr model.data_preprocessor model.test_cfg
        model.backbone.drop_path_rate train_dataloader.batch_size val_dataloader.batch_size model.head.loss
        model.head.in_channels
    """.split():
        mine, other = (reduce(getitem, path.split('.'), cfg) for cfg in (ours, theirs))
        if path == 'optim_wrapper.optimizer':
            mine = dict(mine, type=mine.type.removeprefix('Fused'))
        assert mine == other, path


def test_no_base_file_shadows_one_of_mmpose():
    """MMPose looks for `configs/_base_/datasets/coco.py` and others in the working directory first.

    When run from the checkout, it would read a base file of the same name as the dataset's metainfo.
    """
    ours, theirs = ({p.name for p in configs.glob('_base_/datasets/*.py')} for configs in (CONFIGS, MMPOSE))
    assert ours and theirs and not ours & theirs


@for_each(ALL)
def test_loaders_keep_their_workers_and_stack_in_them(leaf):
    loaders = {part: read_config(leaf).get(f'{part}_dataloader') for part in ('train', 'val', 'test')}
    assert any(loaders.values())
    for part, loader in loaders.items():
        if loader:
            assert loader.num_workers > 0 and loader.persistent_workers and loader.pin_memory
            assert part != 'train' or loader.collate_fn.type == 'default_collate'
