"""Make datasets from annotations: split, derive, check and write them, atomically."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch.nn import ModuleDict

from vitpose_base.files import write_text

from ..errors import FailedError, InputError, warn
from ..models.names import DEFAULT
from ..predict.inputs.coco_json import BOX_MARGIN, is_scaled
from ..predict.inputs.matching import name_few
from .annotations import Annotations, Instance, Photo
from .checking.checked_images import ImageFile, read_files
from .checking.findings import CORNERS, Finding, find_data_problems, find_repeated, find_usable
from .deriving.instance_boxes import choose_input_size, drop_tight_boxes, find_box, find_box_share, use_whole_images
from .deriving.known_keypoints import find_known_set
from .deriving.left_right import find_resultant_length, find_sides
from .deriving.network import choose_network
from .deriving.train_val_split import MIN_IMAGES, split_images
from .training_report import NOTES
from .writing.coco_writer import write_coco, write_images
from .writing.config_writer import OKS_SIGMA, DatasetPlan, write_config
from .writing.joint_config import write_joint_config
from .writing.preview import draw_preview


def make_dataset(
    annotations: Annotations,
    out: Path,
    *,
    arch: str | None = None,
    start: str | None = None,
    val: float = 0.1,
    by_image: bool = False,
    seed: int = 0,
    copy: bool = False,
    strict: bool = False,
    scale_labels: bool = False,
    exif: str | None = None,
    splits: dict[str, list[Photo]] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> DatasetPlan:
    """Write a dataset to the folder `out`, which appears once it is complete.

    `choose_network` explains `arch` and `start`; `split_images` explains `val` (its `share`), `by_image` and `seed`;
    `splits`, 'train' and 'val', replace its result. Images are linked, or copied with `copy`. With `scale_labels`,
    labels of resized images are scaled. `exif` says which image was labeled if EXIF data rotate it: 'upright' or
    'stored'. `say` is called with each line about what was read and derived; findings are warnings.

    ValueError if the annotations cannot be split, most are unusable or too few are left, or the checkpoint cannot be
    used; FailedError if `strict` and there is a finding.
    """
    network = choose_network(arch, start)
    splits = splits or _split(annotations, val, seed, by_image)
    known = find_known_set(annotations.labels.names)
    annotations.labels = replace(known.labels, flip=annotations.labels.flip) if known else annotations.labels
    photos = [*chain(*splits.values())]
    files = read_files([photo.path for photo in photos])
    turned = sum(_turn(photo, files[photo.path], exif) for photo in photos if exif)
    rotated = sum(files[photo.path].rotated > 0 for photo in photos) * (exif == 'stored')
    scaled = sum(_scale(photo, files[photo.path]) for photo in photos if scale_labels)
    instances = [instance for photo in photos for instance in photo.instances]
    tight = drop_tight_boxes(instances)
    alone = all(len(photo.instances) - len(find_repeated(photo.instances)) < 2 for photo in annotations.photos)
    sizes = {path: file.size for path, file in files.items() if file.size}
    whole = use_whole_images(photos, sizes) if alone else 0
    sides = find_sides(annotations.labels, instances)
    _report(annotations, find_data_problems(splits, sides.mirror, annotations.labels.names, files), strict, say)
    splits = _choose_usable(splits, files)
    photos = [*chain(*splits.values())]
    instances = [instance for photo in photos for instance in photo.instances]
    input_size, why = choose_input_size(list(map(find_box, instances)), arch == DEFAULT)
    bits = max((file.bits for file in files.values() if file.bits), default=None)
    more = (bits, known, find_resultant_length(instances), alone, find_box_share(photos, sizes))
    plan = DatasetPlan(out.name, annotations, splits, sides, input_size, network, *more)
    notes = [
        *([f'the labels of {scaled:,} images are scaled to the size of the files'] if scaled else []),
        *([f'{turned:,} images are rotated by EXIF data: labels are of the {exif} images'] if turned else []),
        *([f'--exif stored: {rotated - turned:,} images had the upright size: not turned'] if rotated > turned else []),
        *([f'{tight:,} boxes are the extent of their keypoints: they are treated as missing'] if tight else []),
        *([f'{whole:,} boxes are the whole image: one labeled keypoint tells no size'] if whole else []),
        *_describe(plan, instances, why),
    ]
    for note in notes:
        say(f'- {note}')
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f'.{out.name}.part-', dir=out.parent) as name:
        folder = Path(name, out.name)
        image_names = write_images(folder, photos, copy)
        for split, its_photos in splits.items():
            write_coco(folder / f'{split}.json', its_photos, annotations, sizes, image_names)
        write_config(folder, plan)
        write_text(folder / NOTES, '\n'.join([*annotations.notes, *notes]) + '\n')
        draw_preview(folder / 'config.py', folder / 'preview.png', seed)
        os.rename(folder, out)
    return plan


def make_joint_dataset(
    datasets: Sequence[Annotations],
    out: Path,
    *,
    val: float = 0.1,
    by_image: bool = False,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> list[str]:
    """Write a dataset per category below `out`, and a config that trains one network with a decoder for each.

    An image that is held out for one category is held out for all. `out` appears once it is complete. The arguments
    are those of `make_dataset`. Returns the names of the datasets, which are their folders. ValueError as there, if two
    categories differ only in characters that a name cannot have, or if all images of one are held out.
    """
    names = [re.sub(r'\W+', '_', annotations.category) for annotations in datasets]
    names = [f'{name}_' if hasattr(ModuleDict, name) else name for name in names]  # they become names of modules
    if len(set(names)) < len(names):
        raise InputError(f'categories {", ".join(names)}: the names must differ in letters and digits: rename one')
    splits = []
    for annotations in datasets:
        try:
            splits.append(_split(annotations, val, seed, by_image))
        except InputError as problem:
            raise InputError(f'{annotations.category}: {problem}') from problem
    held_out = {photo.path for parts in splits for photo in parts['val']}
    for annotations, parts in zip(datasets, splits, strict=True):
        moved = [photo for photo in parts['train'] if photo.path in held_out]
        parts['train'] = [photo for photo in parts['train'] if photo.path not in held_out]
        parts['val'] += moved
        if not parts['train']:
            reason = 'all its images are held out, for it or another category'
            raise InputError(f'{annotations.category}: {reason}: --split-by image holds out fewer')
        if moved:
            annotations.notes.append(f'{len(moved):,} more images are held out, as for another category')
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f'.{out.name}.part-', dir=out.parent) as folder:
        part = Path(folder, out.name)
        plans = [
            make_dataset(annotations, part / name, seed=seed, splits=its_splits, say=say, **options)
            for annotations, name, its_splits in zip(datasets, names, splits, strict=True)
        ]
        photos = [photo for plan in plans for photo in chain(*plan.splits.values())]
        boxes = [find_box(instance) for photo in photos for instance in photo.instances]
        input_size, why = choose_input_size(boxes, options.get('arch') == DEFAULT)
        for line in (', '.join(names), f'- {why}', f'- {write_joint_config(part, plans, input_size)}'):
            say(line)
        os.rename(part, out)
    return names


def _report(annotations: Annotations, findings: Sequence[Finding], strict: bool, say: Callable[[str], None]) -> None:
    """Say what was read, and warn of what is wrong. InputError or FailedError if that rules out a dataset."""
    names = annotations.labels.names
    if annotations.unreadable:
        findings = [Finding('rows cannot be read', True, annotations.unreadable), *findings]
    say(f'{annotations.category}: {len(names)} keypoints ({name_few(names, 4)})')
    for note in annotations.notes:
        say(f'- {note}')
    for finding in findings:
        warn(f'- {"left out" if finding.serious else "check"}: {finding}')
    if any(finding.what == CORNERS for finding in findings):
        raise InputError(f'all {CORNERS}')
    if strict and findings:
        raise FailedError(f'--strict: {len(findings)} kinds of problems, nothing is written')


def _choose_usable(splits: dict[str, list[Photo]], files: dict[Path, ImageFile]) -> dict[str, list[Photo]]:
    """Drop what cannot be used, and training images that are also held out. InputError if that is too much."""
    usable, bad = dict[str, list[Photo]](), 0
    for split, photos in splits.items():
        usable[split] = []
        for photo in photos:
            good, others = find_usable(photo, files[photo.path])
            bad += others
            usable[split] += [replace(photo, instances=good)] if good else []
    if bad > (good_count := sum(len(photo.instances) for photo in chain(*usable.values()))):
        raise InputError(f'{bad:,} of {bad + good_count:,} instances cannot be used: fix the problems listed above')
    held_out = {files[photo.path].digest for photo in usable['val']}
    usable['train'] = [photo for photo in usable['train'] if files[photo.path].digest not in held_out]
    if not all(usable.values()) or sum(map(len, usable.values())) < MIN_IMAGES:
        images = ', '.join(f'{len(photos)} in {split}' for split, photos in usable.items())
        raise InputError(f'too few usable images are left ({images}): fix the problems listed above')
    return usable


def _describe(plan: DatasetPlan, instances: Sequence[Instance], why: str) -> list[str]:
    """Say what was derived, one line each; `why` explains the input size."""
    recipe, (small, large), share = plan.recipe, plan.recipe.scale, plan.box_share or (0, 1)
    derived = sum(instance.box is None for instance in instances)
    boxes = f'{derived:,} boxes derived from the keypoints, with a margin of {BOX_MARGIN:.0%} of the larger side'
    sigma = f'OKS sigma {OKS_SIGMA} for every keypoint: our choice; the best checkpoint is chosen by PCK rather than AP'
    if plan.known:
        taken = 'names, sigmas, skeleton and sides are taken from it'
        sigma = f"the keypoints are those of MMPose's {plan.known.name}: {taken}"
    frozen = f', the first {recipe.frozen} of {plan.network.depth} blocks frozen' if recipe.frozen else ''
    towards = plan.resultant
    directions = '' if towards is None else f'; directions of the instances have resultant length {towards:.2f}'
    areas = [w * h for photo in plan.splits['val'] for _, _, w, h in map(find_box, photo.instances)]
    sizes = {'M': any(32**2 <= area <= 96**2 for area in areas), 'L': any(area >= 96**2 for area in areas)}
    absent = [size for size, has_any in sizes.items() if not has_any]
    scores = ', '.join(f'{score} ({size})' for size in absent for score in ('AP', 'AR'))
    none_of = f'no instance for validation is of size {" or ".join(absent)}: {scores} will be -1'
    alone = 'one object per image: training also crops whole images, so that no detector is needed'
    return [
        *([boxes] if derived else []),
        *([f'16-bit images are read as {plan.bits} bits per channel, here and in predictions'] if plan.bits else []),
        *([alone] if plan.alone else []),
        f'boxes take {share[0]:.2%} to {share[1]:.2%} of their image (1st to 99th percentile)',
        *(plan.sides.note, why, sigma, *plan.network.notes),
        f'{plan.counts["train"]:,} instances for training, {plan.counts["val"]:,} for validation',
        *([none_of] if absent else []),
        f'{recipe.epochs} epochs with batch size {recipe.batch}, learning rate {recipe.rate:g}{frozen}',
        f'augmentation: rotation up to {recipe.rotation:.0f} degrees, scale from {small} to {large}{directions}',
    ]


def _split(annotations: Annotations, *options: Any) -> dict[str, list[Photo]]:
    """Split images with the options of `split_images`; missing ones, which are reported, do not take part."""
    missing = [photo for photo in annotations.photos if photo.instances and not os.path.exists(photo.path)]
    if len(annotations.photos) - len(missing) < MIN_IMAGES:
        missing = []
    gone = {photo.path for photo in missing}
    there = [photo for photo in annotations.photos if photo.path not in gone]
    train, val = split_images(replace(annotations, photos=there), *options)
    return dict(train=train + missing, val=val)


def _scale(photo: Photo, file: ImageFile) -> bool:
    """Scale the labels of an image to its size, if they were drawn at another size with the same aspect ratio."""
    if not photo.size or not file.size or photo.size == file.size or not is_scaled(photo.size, file.size):
        return False
    _resize(photo, photo.size, file.size)
    return True


def _resize(photo: Photo, old: tuple[float, float], new: tuple[float, float]) -> None:
    """Move the labels of an image of size (w, h) to where they are at another size."""
    factors = np.array(new) / old
    for instance in photo.instances:
        instance.keypoints[:, :2] *= factors
        instance.box = tuple(np.array(instance.box) * (*factors, *factors)) if instance.box else None  # type: ignore[assignment]
    photo.size = new


def _turn(photo: Photo, file: ImageFile, exif: str) -> bool:
    """Turn labels of the 'stored' image as EXIF data turn it; for the 'upright' one, only its size is swapped."""
    if not file.rotated or not file.size:
        return False
    (w, h), number = file.size, file.rotated
    stored = (h, w) if number > 4 else (w, h)
    if photo.is_relative and photo.size and exif == 'stored':
        _resize(photo, photo.size, stored)
    if photo.size not in (None, stored):
        return False
    axes, is_flipped = [1, 0] if number > 4 else [0, 1], (number in (2, 3, 6, 7), number in (3, 4, 7, 8))
    for instance in photo.instances if exif == 'stored' else ():
        labeled = instance.keypoints[:, 2] > 0
        xy = instance.keypoints[labeled][:, axes]
        instance.keypoints[labeled, :2] = np.where(is_flipped, (w - 1, h - 1) - xy, xy)
        if instance.box:
            corners = np.reshape(instance.box, (2, 2)).cumsum(0)[:, axes]
            corners = np.where(is_flipped, (w, h) - corners, corners)
            instance.box = (*corners.min(0).tolist(), *np.ptp(corners, 0).tolist())
    photo.size = file.size
    return True
