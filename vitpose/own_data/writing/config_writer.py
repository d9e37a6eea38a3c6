"""Write a dataset's metainfo and the config that trains on it."""

from dataclasses import dataclass
from pathlib import Path

from vitpose_base.files import write_text

from ...models.hub import OKS_SIGMA
from ...predict.drawing import track_color
from ...runs.training_config import plan_schedule
from ...shipped import shipped
from ..annotations import Annotations, Photo
from ..deriving.known_keypoints import KnownSet
from ..deriving.left_right import Sides, is_left
from ..deriving.network import Network, Recipe, choose_recipe
from .detector_config import detector_text

RUNTIME = 'runtime/default.py'
BASES = ('datasets/loaders.py', 'datasets/topdown.py', 'schedules/adamw_cosine.py', RUNTIME)
COLORS = {'left': [0, 255, 0], 'right': [255, 128, 0], '': [51, 153, 255]}  # RGB: green and orange, as MMPose's COCO


@dataclass(frozen=True)
class DatasetPlan:
    """A dataset to write, and how to train on it."""

    name: str
    annotations: Annotations
    splits: dict[str, list[Photo]]  # 'train' and 'val': readable images with instances that can be trained on
    sides: Sides
    input_size: tuple[int, int]  # (w, h) in pixels
    network: Network
    bits: int | None = None  # significant bits per channel of 16-bit images
    known: KnownSet | None = None  # which keypoint set it is
    resultant: float | None = None  # how much instances point in one direction, from 0 to 1
    alone: bool = False  # whether no image has more than one instance
    box_share: tuple[float, float] | None = None  # share of an image that a box takes: 1st and 99th percentile

    @property
    def counts(self) -> dict[str, int]:
        """Number of instances of each split."""
        return {split: sum(len(photo.instances) for photo in photos) for split, photos in self.splits.items()}

    @property
    def recipe(self) -> Recipe:
        """How the network is trained."""
        return choose_recipe(self.counts['train'], self.network, self.resultant)


def metainfo_text(plan: DatasetPlan) -> str:
    """Return the text of metainfo.py: MMPose's dataset_info."""
    names, keypoints, links = plan.annotations.labels.names, '', ''
    types, weights = [''] * len(names), f'[1.0] * {len(names)}'
    sigmas = f'[{OKS_SIGMA}] * {len(names)},  # ours, not measured: OKS and AP depend on them'
    if plan.known:
        types, weights, sigmas = plan.known.types, str(plan.known.weights), f'{plan.known.sigmas},'
    colors, has_sides = list[list[int]](), plan.sides.mirror != list(range(len(names)))
    for i, (name, other) in enumerate(zip(names, plan.sides.mirror, strict=True)):
        swap = names[other] if other != i else ''
        side = COLORS['' if not swap else 'left' if is_left(name, swap, i < other) else 'right']
        colors.append(side if has_sides else list(track_color(i)[::-1]))
        keypoints += f'        {i}: dict(name={name!r}, id={i}, color={colors[i]}, type={types[i]!r}, swap={swap!r}),\n'
    for i, (a, b) in enumerate(plan.annotations.labels.links):
        color = colors[a] if colors[a] == colors[b] else COLORS['']
        links += f'        {i}: dict(link=({names[a]!r}, {names[b]!r}), id={i}, color={color}),\n'
    return f'''"""Keypoints of {plan.name}."""

dataset_info = dict(
    dataset_name={plan.name!r},
    category={plan.annotations.category!r},
    keypoint_info={{
{keypoints}    }},
    skeleton_info={{
{links}    }},
    joint_weights={weights},
    sigmas={sigmas}
)
'''


def config_text(plan: DatasetPlan) -> str:
    """Return the text of config.py."""
    train, val, recipe = plan.counts['train'], plan.counts['val'], plan.recipe
    bases = [*(f'./_base_/{base}' for base in (f'models/{plan.network.base}', *BASES)), './metainfo.py']
    count, heatmap_size = len(plan.annotations.labels.names), tuple(side // 4 for side in plan.input_size)
    frozen = f', freeze={recipe.frozen}' if recipe.frozen else ''
    start = f'load_from = {str(plan.network.load_from)!r}\n' if plan.network.load_from else ''
    best = '' if plan.known else 'PCK@0.05/PCK'
    sigmas = f"MMPose's sigmas of {plan.known.name}" if plan.known else 'OKS with our sigmas, see metainfo.py'
    opening, loading, augmentation = first_steps(plan)
    box_line = f"objects, box_share = 'two_pass', {plan.box_share}  # one per image; what part of it the boxes take"
    box_line = box_line if plan.alone else f'box_share = {plan.box_share}  # what part of an image the boxes take'
    title = f'{plan.name}: {count} keypoints, {train:,} instances for training and {val:,} for validation'
    return f'''"""{title}. Written by `vitpose dataset`."""

_base_ = {bases}
data_root = """{{{{ fileDirname }}}}/"""
work_dir = data_root + 'run'
{box_line}
input_size, heatmap_size = {plan.input_size}, {heatmap_size}  # w, h
codec = dict(type='BatchUDPHeatmap', input_size=input_size, heatmap_size=heatmap_size, sigma=2)
model = dict(
    backbone=dict(img_size=input_size[::-1]{plan.network.backbone}{frozen}),
    head=dict(out_channels={count}, decoder=codec, loss=dict(loss_weight=1000.0){plan.network.head}),
    test_cfg=dict(flip_test={plan.sides.flip}),
)
{start}crop = dict(type='TopdownAffine', input_size=input_size, use_udp=True)
augmentation = [{augmentation}]
target = dict(type='KeypointTarget', encoder=codec)
train_pipeline = [{opening}, *augmentation, dict(crop, type='DecodeAndCrop'), target, *_base_.train_packing]
dataset_type = 'CheckedCocoDataset'  # MMPose's inferencers read this
dataset = dict(
    type=dataset_type, data_root=data_root, data_prefix=dict(img='images/'), metainfo=_base_.dataset_info
)
train_dataloader = dict(
    batch_size={recipe.batch}, num_workers=2, dataset=dict(ann_file='train.json', pipeline=train_pipeline, **dataset)
)
val_pipeline = [{loading}, crop, *_base_.packing]
val_dataloader = dict(
    num_workers=2, dataset=dict(ann_file='val.json', pipeline=val_pipeline, test_mode=True, **dataset)
)
val_evaluator = [dict(type='CocoMetric', ann_file=data_root + 'val.json')]  # {sigmas}
val_evaluator += [dict(type='PCKAccuracy', thr=thr, prefix=f'PCK@{{thr}}') for thr in (0.05, 0.1, 0.2)]
val_evaluator += [dict(type='AUC'), dict(type='NME', norm_mode='use_norm_item', norm_item='bbox_size')]
test_dataloader, test_evaluator = val_dataloader, val_evaluator
{schedule_text(recipe, plan.network, train, best)}'''


def schedule_text(recipe: Recipe, network: Network, instances: int, best: str) -> str:
    """Return the end of a config: epochs, learning rate, and the score of the best checkpoint, '' for the default."""
    epochs, (interval, warm_up) = recipe.epochs, plan_schedule(recipe.epochs, -(-instances // recipe.batch))
    save_best = f', save_best={best!r}' if best else ''
    return f"""train_cfg = dict(max_epochs={epochs}, val_interval={interval})
optim_wrapper = dict(optimizer=dict(lr={recipe.rate}), paramwise_cfg=dict(layer_decay_rate={network.decay}))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end={warm_up}),
    dict(type='CosineAnnealingLR', T_max={epochs}, eta_min=1e-6, convert_to_iter_based=True, begin=0, end={epochs}),
]
default_hooks = dict(checkpoint=dict(interval={interval}{save_best}))
"""


def first_steps(plan: DatasetPlan) -> tuple[str, str, str]:
    """Return the transforms that open an image for training and for testing, and the augmentation, as text."""
    bits = f', bits={plan.bits}' if plan.bits else ''
    whole = "dict(type='RandomWholeImage', prob=0.3), " if plan.alone else ''
    opening = f"dict(type='LazyLoadImage'{bits}), {whole}_base_.box" if bits or whole else '*_base_.opening'
    loading = f"dict(type='CheckedLoadImage'{bits}), _base_.box" if bits else '*_base_.loading'
    turn = f'dict(_base_.turn, scale_factor={plan.recipe.scale}, rotate_factor={plan.recipe.rotation})'
    return opening, loading, f'_base_.flip, {turn}' if plan.sides.flip else turn


def write_config(out: Path, plan: DatasetPlan) -> None:
    """Write metainfo.py, config.py and copies of the shipped base configs, with which the folder works anywhere.

    With several instances per image also detector.py.
    """
    write_text(out / 'metainfo.py', metainfo_text(plan))
    write_text(out / 'config.py', config_text(plan))
    if not plan.alone:
        category, images = plan.annotations.category, len(plan.splits['train'])
        write_text(out / 'detector.py', detector_text(plan.name, category, images))
    write_bases(out, plan.network)


def write_bases(out: Path, network: Network, *more: str) -> None:
    """Copy the shipped configs that a config of this network inherits, and more of them, to `out`/_base_."""
    for base in {*BASES, 'models/vitpose.py', f'models/{network.base}', *more}:
        write_text(out / '_base_' / base, shipped(f'configs/_base_/{base}').read_text(encoding='utf-8'))
