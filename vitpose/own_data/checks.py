"""Checks of a dataset: what is wrong with images and annotations, counted and named."""

import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .annotations import Instance, Photo
from .derive import box_of

SHOWN = 3  # names per finding
SWAPPED = 0.3  # share of instances in which a pair agrees with the other pairs, below which it looks swapped
OUTSIDE = 0.25  # of a box's larger side
LEAST_SEEN = 10  # instances for that


@dataclass
class Finding:
    """Something wrong.

    Attributes:
        what: in words.
        serious: whether training on it fails or is wrong; otherwise it may be intended.
        names: where, one per case.
    """

    what: str
    serious: bool
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line: number, what, first names."""
        shown = ', '.join(self.names[:SHOWN]) + (', ...' if len(self.names) > SHOWN else '')
        return f'{len(self.names):,} {self.what}: {shown}'


@dataclass(frozen=True)
class ImageFile:
    """What an image file is.

    Attributes:
        size: (w, h) in pixels, upright; None if it cannot be read.
        fault: why it cannot be read, in one line, or ''.
        turned: whether EXIF data turn it.
        unusual: '16 bits' or 'grey', or ''.
        digest: hash of its bytes.
    """

    size: tuple[int, int] | None
    fault: str
    turned: bool = False
    unusual: str = ''
    digest: str = ''


def read_files(paths: Sequence[Path], on_progress: Callable[[], None] = lambda: None) -> dict[Path, ImageFile]:
    """Decode each image file once, in threads."""
    with ThreadPoolExecutor() as pool:
        found = {}
        for path, file in zip(paths, pool.map(read_file, paths), strict=True):
            found[path] = file
            on_progress()
    return found


def read_file(path: Path) -> ImageFile:
    """Decode an image file as training does, and describe it."""
    from PIL import Image

    from vitpose_base.image_files import exif_orientation
    from vitpose_mm.datasets.transforms.image_file import decode_image, read_image_file

    if not path.is_file():
        return ImageFile(None, 'missing')
    try:
        data = read_image_file(path)
        height, width = decode_image(data, path).shape[:2]
        with Image.open(io.BytesIO(data)) as image:
            mode, turned = image.mode, exif_orientation(image) != 1
    except (OSError, ValueError, SyntaxError) as problem:
        return ImageFile(None, ' '.join(str(problem).split()))
    unusual = '16 bits' if mode.startswith('I') else 'grey' if mode in ('L', 'LA', '1') else ''
    return ImageFile((width, height), '', turned, unusual, hashlib.sha256(data).hexdigest())


def check(
    parts: dict[str, list[Photo]], mirror: Sequence[int], names: Sequence[str], files: dict[Path, ImageFile]
) -> list[Finding]:
    """Check images and annotations.

    Args:
        parts: images of each split.
        mirror: index of each keypoint on the other side.
        names: of the keypoints.
        files: of `read_files`.

    Returns:
        What was found, serious things first.
    """
    found: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for photo in (photo for photos in parts.values() for photo in photos):
        file = files[photo.path]
        if file.size is None:
            what = 'images are missing' if file.fault == 'missing' else 'images are broken'
            found[what, True].append(str(photo.path) if file.fault == 'missing' else file.fault)
            continue
        if file.turned:
            found['images are turned by EXIF data (labels must be those of the upright image)', False].append(
                photo.name
            )
        if file.unusual:
            found[f'images are {file.unusual}, and converted to 8 bits BGR', False].append(photo.name)
        if not photo.instances:
            found['images have no instance', False].append(photo.name)
        for instance in photo.instances:
            for what, serious in faults_of(instance, file.size):
                found[what, serious].append(instance.where)
    for name in _duplicates(parts, files):
        found['images are in training and validation', True].append(name)
    for pair in _swapped(parts, mirror, names):
        found['pairs of left and right look swapped', False].append(pair)
    findings = [Finding(what, serious, where) for (what, serious), where in found.items()]
    return sorted(findings, key=lambda finding: not finding.serious)


def faults_of(instance: Instance, size: tuple[int, int]) -> list[tuple[str, bool]]:
    """What is wrong with an instance in an image of a size (w, h), and whether it cannot be trained on."""
    points, faults = instance.keypoints, list[tuple[str, bool]]()
    labelled = points[:, 2] > 0
    if not np.isfinite(points).all():
        return [('instances have keypoints that are NaN or infinite', True)]
    if not labelled.any():
        return [('instances have no labelled keypoint', False)]
    xy = points[labelled, :2]
    if (xy < -0.5).any() or (xy > np.array(size) - 0.5).any():
        faults.append(('instances have keypoints outside the image', False))
    x, y, w, h = box_of(instance)
    if not (np.isfinite((x, y, w, h)).all() and w > 0 and h > 0):
        faults.append(('instances have a box without area', True))
    elif x >= size[0] or y >= size[1] or x + w <= 0 or y + h <= 0:
        faults.append(('instances have a box outside the image', True))
    elif (np.abs(xy - (x + w / 2, y + h / 2)) > np.array((w, h)) / 2 + OUTSIDE * max(w, h)).any():
        faults.append(('instances have keypoints far outside their box', False))
    return faults


def _duplicates(parts: dict[str, list[Photo]], files: dict[Path, ImageFile]) -> list[str]:
    """Images of one split whose bytes are in another one, too."""
    seen: dict[str, tuple[str, str]] = {}
    found = []
    for split, photos in parts.items():
        for photo in photos:
            digest = files[photo.path].digest
            other = seen.setdefault(digest, (split, photo.name)) if digest else (split, '')
            if other[0] != split:
                found.append(f'{photo.name} = {other[1]}')
    return found


def _swapped(parts: dict[str, list[Photo]], mirror: Sequence[int], names: Sequence[str]) -> list[str]:
    """Pairs whose left and right are mostly the other way round than those of the other pairs of the same instance."""
    pairs = [(i, other) for i, other in enumerate(mirror) if other > i]
    if len(pairs) < 3:
        return []
    left, right = np.array(pairs).T
    points = [instance.keypoints for photos in parts.values() for photo in photos for instance in photo.instances]
    found = np.stack(points)
    seen = (found[:, left, 2] > 0) & (found[:, right, 2] > 0)
    sign = np.where(seen, np.sign(found[:, left, 0] - found[:, right, 0]), 0)
    others = np.sign(sign.sum(1, keepdims=True) - sign)  # the majority of the other pairs
    counted = (sign != 0) & (others != 0)
    agree = ((sign == others) & counted).sum(0)
    total = counted.sum(0)
    return [
        f'{names[a]}/{names[b]} (unlike the others in {n - same} of {n} instances)'
        for (a, b), same, n in zip(pairs, agree.tolist(), total.tolist(), strict=True)
        if n >= LEAST_SEEN and same < SWAPPED * n
    ]
