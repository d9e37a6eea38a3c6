"""Make a dataset of annotations: split, derive, check, write; atomically."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from vitpose_base.files import write_text

from ..errors import FailedError, InputError
from .annotations import Annotations, Photo
from .checks import ImageFile, check, faults_of, read_files
from .derive import MARGIN, SIGMA, box_of, find_sides, input_size
from .network import choose_network
from .preview import draw_preview
from .split import LEAST, split_images
from .writing import Plan, config_text, metainfo_text, write_bases, write_coco, write_images


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
    say: Callable[[str, bool], None] = lambda line, problem: None,
    read: Callable[[Sequence[Path]], dict[Path, ImageFile]] = read_files,
) -> None:
    """Write a dataset and say what was assumed and found.

    Args:
        annotations: as read.
        out: folder to write; it appears when it is complete.
        arch: see `choose_network`.
        start: see `choose_network`.
        val: share of the images for validation.
        by_image: split by image; by default, frames of one video stay on one side.
        seed: of the split.
        copy: copy the images instead of linking them.
        strict: raise if a check finds something.
        say: called with each line about what was assumed or found, and whether it is a problem.
        read: reads the image files.

    Raises:
        ValueError: the annotations cannot be split, too few are left, or the checkpoint cannot be used.
        FailedError: `strict`, and a check found something.
        OSError: a file cannot be written.
    """
    network = choose_network(arch, start)
    parts = dict(zip(('train', 'val'), split_images(annotations, val, seed, by_image), strict=True))
    sides = find_sides(annotations.labels)
    files = read([photo.path for photos in parts.values() for photo in photos])
    findings = check(parts, sides.mirror, annotations.labels.names, files)

    def note(*lines: str) -> None:
        for line in lines:
            say(f'- {line}', False)

    names = annotations.labels.names
    shown = ', '.join(names[:4]) + (', ...' if len(names) > 4 else '')
    say(f'{annotations.category}: {len(names)} keypoints ({shown})', False)
    note(*annotations.notes)
    for finding in findings:
        say(f'- {"left out" if finding.serious else "check"}: {finding}', True)
    if strict and findings:
        raise FailedError(f'--strict: {len(findings)} kinds of problems, nothing is written')
    parts = {split: usable(photos, files) for split, photos in parts.items()}
    held_out = {files[photo.path].digest for photo in parts['val']}
    parts['train'] = [photo for photo in parts['train'] if files[photo.path].digest not in held_out]
    instances = [instance for photos in parts.values() for photo in photos for instance in photo.instances]
    if not all(parts.values()) or sum(map(len, parts.values())) < LEAST:
        left = ', '.join(f'{len(photos)} in {split}' for split, photos in parts.items())
        raise InputError(f'too few usable images are left ({left}): correct what is listed above')
    size, why = input_size([box_of(instance) for instance in instances])
    derived = sum(instance.box is None for instance in instances)
    if derived:
        note(f'{derived:,} boxes made from the keypoints, with a margin of {MARGIN:.0%} of the larger side')
    note(sides.note, why, f'sigma {SIGMA} of OKS for each keypoint: ours; compare by PCK rather than AP')
    note(*network.notes)
    plan = Plan(out.name, annotations, parts, files, sides, size, network)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f'.{out.name}.part-', dir=out.parent))
    try:
        _write(temporary, plan, copy, seed)
        temporary.chmod(0o755)
        os.rename(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    note(f'{plan.counts["train"]:,} instances for training, {plan.counts["val"]:,} for validation')
    recipe = plan.recipe
    frozen = f', the first {recipe.frozen} of {network.depth} blocks frozen' if recipe.frozen else ''
    note(f'{recipe.epochs} epochs in batches of {recipe.batch}, learning rate {recipe.rate:g}{frozen}')
    small, large = recipe.scale
    note(f'augmented by rotations up to {recipe.rotation:.0f} degrees and scales of {small} to {large}')


def _write(folder: Path, plan: Plan, copy: bool, seed: int) -> None:
    from mmengine.config import Config

    names = write_images(folder, [photo for photos in plan.parts.values() for photo in photos], copy)
    for split in plan.parts:
        write_coco(folder / f'{split}.json', split, plan, names)
    write_bases(folder, plan.network)
    write_text(folder / 'metainfo.py', metainfo_text(plan))
    write_text(folder / 'config.py', config_text(plan))
    config = Config.fromfile(folder / 'config.py')
    draw_preview(config, folder / 'preview.png', seed)


def usable(photos: Sequence[Photo], files: dict[Path, ImageFile]) -> list[Photo]:
    """Leave out images that cannot be read, and instances that cannot be trained on."""
    found = []
    for photo in photos:
        size = files[photo.path].size
        own = [each for each in photo.instances if size and not any(bad for _, bad in faults_of(each, size))]
        own = [each for each in own if (each.keypoints[:, 2] > 0).any()]
        if own:
            found.append(replace(photo, instances=own))
    return found
