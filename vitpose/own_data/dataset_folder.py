"""Make a dataset from annotations: split, derive, check and write it, atomically."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import FailedError, InputError
from ..predict.inputs.coco_json import BOX_MARGIN
from .annotations import Annotations, Instance, Photo
from .checking.checked_images import ImageFile, read_files
from .checking.findings import find_data_problems, find_instance_problems
from .deriving.instance_boxes import choose_input_size, find_box
from .deriving.left_right import find_sides
from .deriving.network import choose_network
from .deriving.train_val_split import MIN_IMAGES, split_images
from .writing.coco_writer import write_coco, write_images
from .writing.config_writer import OKS_SIGMA, DatasetPlan, write_config
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
    say: Callable[[str, bool], None] = lambda line, problem: None,
    read: Callable[[Sequence[Path]], dict[Path, ImageFile]] = read_files,
) -> None:
    """Write a dataset to the folder `out`, which appears once it is complete.

    `choose_network` explains `arch` and `start`; `split_images` explains `val` (its `share`), `by_image` and `seed`.
    Images are linked, or copied with `copy`. `say` is called with each line about what was assumed or is wrong, and
    whether it is about a problem; `read` reads the image files. ValueError if the annotations cannot be split, too few
    are left, or the checkpoint cannot be used; FailedError if `strict` and there is a finding.
    """
    network = choose_network(arch, start)
    splits = dict(zip(('train', 'val'), split_images(annotations, val, seed, by_image), strict=True))
    names = annotations.labels.names
    sides = find_sides(annotations.labels)
    files = read([photo.path for photos in splits.values() for photo in photos])
    findings = find_data_problems(splits, sides.mirror, names, files)
    shown = ', '.join(names[:4]) + (', ...' if len(names) > 4 else '')
    say(f'{annotations.category}: {len(names)} keypoints ({shown})', False)
    for note in annotations.notes:
        say(f'- {note}', False)
    for finding in findings:
        say(f'- {"left out" if finding.serious else "check"}: {finding}', True)
    if strict and findings:
        raise FailedError(f'--strict: {len(findings)} kinds of problems, nothing is written')
    splits = {split: _drop_unusable(photos, files) for split, photos in splits.items()}
    held_out = {files[photo.path].digest for photo in splits['val']}
    splits['train'] = [photo for photo in splits['train'] if files[photo.path].digest not in held_out]
    instances = [instance for photos in splits.values() for photo in photos for instance in photo.instances]
    if not all(splits.values()) or sum(map(len, splits.values())) < MIN_IMAGES:
        left = ', '.join(f'{len(photos)} in {split}' for split, photos in splits.items())
        raise InputError(f'too few usable images are left ({left}): fix the problems listed above')
    input_size, why = choose_input_size(list(map(find_box, instances)))
    derived = sum(instance.box is None for instance in instances)
    boxes = f'{derived:,} boxes derived from the keypoints, with a margin of {BOX_MARGIN:.0%} of the larger side'
    sigma = f'OKS sigma {OKS_SIGMA} for every keypoint: our choice; compare by PCK rather than AP'
    bits = max((file.bits for file in files.values() if file.bits), default=None)
    alone = all(len(photo.instances) < 2 for photo in annotations.photos)
    shares = [
        box[2] * box[3] / np.prod(size)
        for photos in splits.values()
        for photo in photos
        if (size := files[photo.path].size)
        for box in map(find_box, photo.instances)
    ]
    share = round(float(min(shares)), 5), round(min(float(max(shares)), 1.0), 5)
    plan = DatasetPlan(out.name, annotations, splits, sides, input_size, network, bits, alone, share)
    recipe, (small, large) = plan.recipe, plan.recipe.scale
    frozen = f', the first {recipe.frozen} of {network.depth} blocks frozen' if recipe.frozen else ''
    notes = [
        *([boxes] if derived else []),
        *([f'16-bit images are read as {bits} bits per channel, here and in predictions'] if bits else []),
        *(['one object per image: training also crops whole images, so that no detector is needed'] if alone else []),
        f'boxes take {share[0]:.2%} to {share[1]:.2%} of their image',
        *(sides.note, why, sigma, *network.notes),
        f'{plan.counts["train"]:,} instances for training, {plan.counts["val"]:,} for validation',
        f'{recipe.epochs} epochs with batch size {recipe.batch}, learning rate {recipe.rate:g}{frozen}',
        f'augmentation: rotation up to {recipe.rotation:.0f} degrees, scale from {small} to {large}',
    ]
    for note in notes:
        say(f'- {note}', False)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f'.{out.name}.part-', dir=out.parent))
    try:
        image_names = write_images(temporary, [photo for photos in splits.values() for photo in photos], copy)
        sizes = {path: file.size for path, file in files.items() if file.size}
        for split, photos in splits.items():
            write_coco(temporary / f'{split}.json', photos, annotations, sizes, image_names)
        write_config(temporary, plan)
        draw_preview(temporary / 'config.py', temporary / 'preview.png', seed)
        temporary.chmod(0o755)
        os.rename(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _drop_unusable(photos: Sequence[Photo], files: dict[Path, ImageFile]) -> list[Photo]:
    """Drop images that cannot be read, and instances that cannot be trained on."""

    def is_usable(instance: Instance, size: tuple[int, int]) -> bool:
        problems = find_instance_problems(instance, size)
        return bool((instance.keypoints[:, 2] > 0).any()) and not any(serious for _, serious in problems)

    sized = [(photo, size) for photo in photos if (size := files[photo.path].size)]
    kept = [replace(photo, instances=[i for i in photo.instances if is_usable(i, size)]) for photo, size in sized]
    return [photo for photo in kept if photo.instances]
