"""Write a dataset: annotations in COCO's form, linked images, metainfo and a config."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitpose_base.files import write_text

from ..shipped import shipped
from .annotations import Annotations, Photo
from .checks import ImageFile
from .derive import SIGMA, Sides, box_of, is_left
from .network import Network
from .recipe import Recipe, choose_recipe

BASES = (
    '_base_/datasets/loaders.py',
    '_base_/datasets/topdown.py',
    '_base_/schedules/adamw_cosine.py',
    '_base_/runtime/default.py',
)
COLOURS = {'left': [0, 255, 0], 'right': [255, 128, 0], '': [51, 153, 255]}  # RGB, as MMPose's COCO
CONFIG = '''"""{title}. Written by `vitpose dataset`."""

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
dataset_type = 'CheckedCocoDataset'  # MMPose's inferencers read it, too
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
val_evaluator = [dict(type='CocoMetric', ann_file=data_root + 'val.json')]  # OKS with sigmas of ours, see metainfo.py
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
class Plan:
    """What is written.

    Attributes:
        name: of the dataset.
        annotations: its keypoints, and where they come from.
        parts: 'train' and 'val': images that can be read, with instances that can be trained on.
        files: their sizes.
        sides: pairs of keypoints.
        size: of the input, (w, h) in pixels.
        network: what is trained.
    """

    name: str
    annotations: Annotations
    parts: dict[str, list[Photo]]
    files: dict[Path, ImageFile]
    sides: Sides
    size: tuple[int, int]
    network: Network

    @property
    def counts(self) -> dict[str, int]:
        """Number of instances of each split."""
        return {split: sum(len(photo.instances) for photo in photos) for split, photos in self.parts.items()}

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return choose_recipe(self.counts['train'], self.network)


def write_images(out: Path, photos: Sequence[Photo], copy: bool) -> dict[Path, str]:
    """Link or copy images into `out`/images, and return their names there.

    Images of one name from several folders get a number.
    """
    folder = out / 'images'
    folder.mkdir()
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for photo in photos:
        name, number = photo.path.name, 1
        while name in taken:
            number += 1
            name = f'{photo.path.stem}_{number}{photo.path.suffix}'
        taken.add(name)
        names[photo.path] = name
        source = photo.path.resolve()
        if copy:
            shutil.copyfile(source, folder / name)
        else:
            os.symlink(source, folder / name)
    return names


def write_coco(file: Path, split: str, plan: Plan, names: dict[Path, str]) -> None:
    """Write the COCO keypoint file of a split, with the image names of `write_images`."""
    images: list[dict] = []
    rows: list[dict] = []
    for image_id, photo in enumerate(plan.parts[split], 1):
        size = plan.files[photo.path].size
        assert size is not None
        images.append(dict(id=image_id, file_name=names[photo.path], width=size[0], height=size[1]))
        for instance in photo.instances:
            x, y, w, h = (round(value, 2) for value in box_of(instance))
            rows.append(
                dict(
                    id=len(rows) + 1,
                    image_id=image_id,
                    category_id=1,
                    iscrowd=0,
                    bbox=[x, y, w, h],
                    area=round(w * h, 2),
                    num_keypoints=int((instance.keypoints[:, 2] > 0).sum()),
                    keypoints=[round(value, 2) for value in instance.keypoints.ravel().tolist()],
                )
            )
    labels = plan.annotations.labels
    skeleton = [[a + 1, b + 1] for a, b in labels.links]
    category = dict(id=1, name=plan.annotations.category, keypoints=labels.names, skeleton=skeleton)
    content = dict(images=images, annotations=rows, categories=[category])
    write_text(file, json.dumps(content, ensure_ascii=False) + '\n')


def metainfo_text(plan: Plan) -> str:
    """The text of metainfo.py: MMPose's dataset_info."""
    names, sides = plan.annotations.labels.names, plan.sides
    lines = [
        f'"""Keypoints of {plan.name}."""\n',
        'dataset_info = dict(',
        f'    dataset_name={plan.name!r},',
        '    keypoint_info={',
    ]
    colours = [_colour(names, sides.mirror, i) for i in range(len(names))]
    for i, own in enumerate(names):
        swap = names[sides.mirror[i]] if sides.mirror[i] != i else ''
        lines.append(f"        {i}: dict(name={own!r}, id={i}, color={colours[i]}, type='', swap={swap!r}),")
    lines += ['    },', '    skeleton_info={']
    for i, (a, b) in enumerate(plan.annotations.labels.links):
        colour = colours[a] if colours[a] == colours[b] else COLOURS['']
        lines.append(f'        {i}: dict(link=({names[a]!r}, {names[b]!r}), id={i}, color={colour}),')
    lines += [
        '    },',
        f'    joint_weights=[1.0] * {len(names)},',
        f'    sigmas=[{SIGMA}] * {len(names)},  # ours, not measured: OKS and AP depend on them',
        ')',
    ]
    return '\n'.join(lines) + '\n'


def config_text(plan: Plan) -> str:
    """The text of config.py."""
    train, val = plan.counts['train'], plan.counts['val']
    chosen = plan.recipe
    bases = (f'_base_/models/{plan.network.base}', *BASES, 'metainfo.py')
    start = plan.network.load_from
    count, (width, height) = len(plan.annotations.labels.names), plan.size
    return CONFIG.format(
        title=f'{plan.name}: {count} keypoints, {train:,} instances for training and {val:,} for validation',
        bases=', '.join(repr(f'./{base}') for base in bases),
        input_size=(width, height),
        heatmap_size=(width // 4, height // 4),
        count=count,
        backbone=plan.network.backbone + (f', freeze={chosen.frozen}' if chosen.frozen else ''),
        head=plan.network.head,
        flip=plan.sides.flip,
        start=f'load_from = {str(start)!r}\n' if start else '',
        augmentation='_base_.flip, ' if plan.sides.flip else '',
        scale=chosen.scale,
        rotation=chosen.rotation,
        batch=chosen.batch,
        epochs=chosen.epochs,
        interval=max(chosen.epochs // 10, 1),
        rate=chosen.rate,
        decay=plan.network.decay,
        warm_up=max(min(100, -(-train // chosen.batch) * chosen.epochs // 10), 1),
    )


def write_bases(out: Path, network: Network) -> None:
    """Copy the shipped base configs into `out`, so that the folder works on any machine."""
    for base in (*BASES, *dict.fromkeys(f'_base_/models/{name}' for name in ('vitpose.py', network.base))):
        write_text(out / base, shipped(f'configs/{base}').read_text(encoding='utf-8'))


def _colour(names: Sequence[str], mirror: Sequence[int], i: int) -> list[int]:
    """Green for the left side, orange for the right one, as MMPose's COCO."""
    if mirror[i] == i:
        return COLOURS['']
    return COLOURS['left' if is_left(names[i], names[mirror[i]], i < mirror[i]) else 'right']
