"""Write a dataset's metainfo and the config that trains on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitpose_base.files import write_text

from ...shipped import shipped
from ..annotations import Annotations, Photo
from ..deriving.left_right import Sides, is_left
from ..deriving.network import Network
from ..deriving.training_recipe import Recipe, choose_recipe

OKS_SIGMA = 0.05  # for every keypoint: our choice, between COCO's eyes (0.025) and hips (0.107)
BASES = (
    '_base_/datasets/loaders.py',
    '_base_/datasets/topdown.py',
    '_base_/schedules/adamw_cosine.py',
    '_base_/runtime/default.py',
)
COLORS = {'left': [0, 255, 0], 'right': [255, 128, 0], '': [51, 153, 255]}  # RGB, as MMPose's COCO
CONFIG_TEMPLATE = '''"""{title}. Written by `vitpose dataset`."""

_base_ = [{bases}]
data_root = '{{{{ fileDirname }}}}/'
work_dir = data_root + 'run'
input_size, heatmap_size = {input_size}, {heatmap_size}  # w, h
codec = dict(type='BatchUDPHeatmap', input_size=input_size, heatmap_size=heatmap_size, sigma=2)
model = dict(
    backbone=dict(img_size=input_size[::-1]{backbone}),
    head=dict(out_channels={count}, decoder=codec, loss=dict(loss_weight=1000.0){head}),
    test_cfg=dict(flip_test={flip}),
)
{start}crop = dict(type='TopdownAffine', input_size=input_size, use_udp=True)
augmentation = [{augmentation}dict(_base_.turn, scale_factor={scale}, rotate_factor={rotation})]
target = dict(type='KeypointTarget', encoder=codec)
train_pipeline = [*_base_.opening, *augmentation, dict(crop, type='DecodeAndCrop'), target, *_base_.train_packing]
dataset_type = 'CheckedCocoDataset'  # MMPose's inferencers read this
dataset = dict(
    type=dataset_type, data_root=data_root, data_prefix=dict(img='images/'), metainfo=_base_.dataset_info
)
train_dataloader = dict(
    batch_size={batch}, num_workers=2, dataset=dict(ann_file='train.json', pipeline=train_pipeline, **dataset)
)
val_pipeline = [*_base_.loading, crop, *_base_.packing]
val_dataloader = dict(
    num_workers=2, dataset=dict(ann_file='val.json', pipeline=val_pipeline, test_mode=True, **dataset)
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='CocoMetric', ann_file=data_root + 'val.json')]  # OKS with our sigmas, see metainfo.py
val_evaluator += [dict(type='PCKAccuracy', thr=thr, prefix=f'PCK@{{thr}}') for thr in (0.05, 0.1, 0.2)]
val_evaluator += [dict(type='AUC'), dict(type='NME', norm_mode='use_norm_item', norm_item='bbox_size')]
test_evaluator = val_evaluator
train_cfg = dict(max_epochs={epochs}, val_interval={interval})
optim_wrapper = dict(optimizer=dict(lr={rate}), paramwise_cfg=dict(layer_decay_rate={decay}))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end={warm_up}),
    dict(type='CosineAnnealingLR', T_max={epochs}, eta_min=1e-6, convert_to_iter_based=True, begin=0, end={epochs}),
]
default_hooks = dict(checkpoint=dict(interval={interval}))
'''


@dataclass(frozen=True)
class DatasetPlan:
    """What is written."""

    name: str
    annotations: Annotations
    splits: dict[str, list[Photo]]  # 'train' and 'val': readable images with instances that can be trained on
    sides: Sides
    input_size: tuple[int, int]  # (w, h) in pixels
    network: Network

    @property
    def counts(self) -> dict[str, int]:
        """Number of instances of each split."""
        return {split: sum(len(photo.instances) for photo in photos) for split, photos in self.splits.items()}

    @property
    def recipe(self) -> Recipe:
        """How the network is trained."""
        return choose_recipe(self.counts['train'], self.network)


def metainfo_text(plan: DatasetPlan) -> str:
    """Return the text of metainfo.py: MMPose's dataset_info."""
    names, sides = plan.annotations.labels.names, plan.sides
    lines = [
        f'"""Keypoints of {plan.name}."""\n',
        'dataset_info = dict(',
        f'    dataset_name={plan.name!r},',
        '    keypoint_info={',
    ]
    colors = [_color(names, sides.mirror, i) for i in range(len(names))]
    for i, name in enumerate(names):
        swap = names[sides.mirror[i]] if sides.mirror[i] != i else ''
        lines.append(f"        {i}: dict(name={name!r}, id={i}, color={colors[i]}, type='', swap={swap!r}),")
    lines += ['    },', '    skeleton_info={']
    for i, (a, b) in enumerate(plan.annotations.labels.links):
        color = colors[a] if colors[a] == colors[b] else COLORS['']
        lines.append(f'        {i}: dict(link=({names[a]!r}, {names[b]!r}), id={i}, color={color}),')
    lines += [
        '    },',
        f'    joint_weights=[1.0] * {len(names)},',
        f'    sigmas=[{OKS_SIGMA}] * {len(names)},  # ours, not measured: OKS and AP depend on them',
        ')',
    ]
    return '\n'.join(lines) + '\n'


def config_text(plan: DatasetPlan) -> str:
    """Return the text of config.py."""
    train, val, recipe = plan.counts['train'], plan.counts['val'], plan.recipe
    bases = (f'_base_/models/{plan.network.base}', *BASES, 'metainfo.py')
    count, (width, height) = len(plan.annotations.labels.names), plan.input_size
    return CONFIG_TEMPLATE.format(
        title=f'{plan.name}: {count} keypoints, {train:,} instances for training and {val:,} for validation',
        bases=', '.join(repr(f'./{base}') for base in bases),
        input_size=(width, height),
        heatmap_size=(width // 4, height // 4),
        count=count,
        backbone=plan.network.backbone + (f', freeze={recipe.frozen}' if recipe.frozen else ''),
        head=plan.network.head,
        flip=plan.sides.flip,
        start=f'load_from = {str(plan.network.load_from)!r}\n' if plan.network.load_from else '',
        augmentation='_base_.flip, ' if plan.sides.flip else '',
        scale=recipe.scale,
        rotation=recipe.rotation,
        batch=recipe.batch,
        epochs=recipe.epochs,
        interval=max(recipe.epochs // 10, 1),
        rate=recipe.rate,
        decay=plan.network.decay,
        warm_up=max(min(100, -(-train // recipe.batch) * recipe.epochs // 10), 1),
    )


def write_bases(out: Path, network: Network) -> None:
    """Copy the shipped base configs into `out`, so that the folder works on any machine."""
    for base in (*BASES, *dict.fromkeys(f'_base_/models/{name}' for name in ('vitpose.py', network.base))):
        write_text(out / base, shipped(f'configs/{base}').read_text(encoding='utf-8'))


def _color(names: Sequence[str], mirror: Sequence[int], i: int) -> list[int]:
    """Return green for the left side and orange for the right side, as MMPose's COCO."""
    if mirror[i] == i:
        return COLORS['']
    return COLORS['left' if is_left(names[i], names[mirror[i]], i < mirror[i]) else 'right']
