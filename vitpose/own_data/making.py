"""Make a dataset of annotations: split, derive, check, write; atomically."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vitpose_mm.files import write_text

from .annotations import Annotations, Photo
from .checks import Finding, ImageFile, check, faults_of, read_files
from .derive import MARGIN, SIGMA, box_of, find_sides, input_size
from .network import choose_network
from .preview import draw_preview
from .split import LEAST, split_images
from .writing import Plan, config_text, metainfo_text, write_bases, write_coco, write_images


class Refused(Exception):
    """--strict, and something was found."""


def make_dataset(annotations: Annotations, out: Path, options: argparse.Namespace) -> None:
    """Write a dataset and say what was assumed and found.

    Args:
        annotations: as read.
        out: folder to write; it appears when it is complete.
        options: of `vitpose dataset`.

    Raises:
        ValueError: the annotations cannot be split, too few are left, or the checkpoint cannot be used.
        Refused: --strict, and a check found something.
        OSError: a file cannot be written.
    """
    by_image = options.split_by == 'image'
    network = choose_network(options.arch, options.start)
    parts = dict(zip(('train', 'val'), split_images(annotations, options.val, options.seed, by_image), strict=True))
    sides = find_sides(annotations.labels)
    files = read_with_progress([photo.path for photos in parts.values() for photo in photos])
    findings = check(parts, sides.mirror, annotations.labels.names, files)
    report(annotations, findings)
    if options.strict and findings:
        raise Refused(f'--strict: {len(findings)} kinds of problems, nothing is written')
    parts = {split: usable(photos, files) for split, photos in parts.items()}
    held_out = {files[photo.path].digest for photo in parts['val']}
    parts['train'] = [photo for photo in parts['train'] if files[photo.path].digest not in held_out]
    instances = [instance for photos in parts.values() for photo in photos for instance in photo.instances]
    if not all(parts.values()) or sum(map(len, parts.values())) < LEAST:
        left = ', '.join(f'{len(photos)} in {split}' for split, photos in parts.items())
        raise ValueError(f'too few usable images are left ({left}): correct what is listed above')
    size, why = input_size([box_of(instance) for instance in instances])
    derived = sum(instance.box is None for instance in instances)
    if derived:
        print(f'- {derived:,} boxes made from the keypoints, with a margin of {MARGIN:.0%} of the larger side')
    print(f'- {sides.note}\n- {why}\n- sigma {SIGMA} of OKS for each keypoint: ours; compare by PCK rather than AP')
    for note in network.notes:
        print(f'- {note}')
    plan = Plan(out.name, annotations, parts, files, sides, size, network)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f'.{out.name}.part-', dir=out.parent))
    try:
        _write(temporary, plan, options)
        temporary.chmod(0o755)
        os.rename(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print(f'- {plan.counts["train"]:,} instances for training, {plan.counts["val"]:,} for validation')
    recipe = plan.recipe
    frozen = f', the first {recipe.frozen} of {network.depth} blocks frozen' if recipe.frozen else ''
    print(f'- {recipe.epochs} epochs in batches of {recipe.batch}, learning rate {recipe.rate:g}{frozen}')
    small, large = recipe.scale
    print(f'- augmented by rotations up to {recipe.rotation:.0f} degrees and scales of {small} to {large}')


def _write(folder: Path, plan: Plan, options: argparse.Namespace) -> None:
    from mmengine.config import Config

    names = write_images(folder, [photo for photos in plan.parts.values() for photo in photos], options.copy)
    for split in plan.parts:
        write_coco(folder / f'{split}.json', split, plan, names)
    write_bases(folder, plan.network)
    write_text(folder / 'metainfo.py', metainfo_text(plan))
    write_text(folder / 'config.py', config_text(plan))
    config = Config.fromfile(folder / 'config.py')
    draw_preview(config, folder / 'preview.png', options.seed)


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


def read_with_progress(paths: Sequence[Path]) -> dict[Path, ImageFile]:
    """Read image files with a progress bar; see `read_files`."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task('reading images', total=len(paths))
        return read_files(paths, lambda: progress.advance(task))


def report(annotations: Annotations, findings: Sequence[Finding]) -> None:
    """Print what was assumed, and what was found."""
    names = annotations.labels.names
    print(f'{annotations.category}: {len(names)} keypoints ({", ".join(names[:4])}{", ..." if len(names) > 4 else ""})')
    for note in annotations.notes:
        print(f'- {note}')
    for finding in findings:
        word = 'left out' if finding.serious else 'check'
        print(f'- {word}: {finding}', file=sys.stderr)
