"""Find what is wrong with images and annotations: each kind of problem once, counted, with the places."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...predict.inputs.coco_json import is_scaled
from ..annotations import Instance, Photo
from ..deriving.instance_boxes import find_box, has_no_extent
from ..deriving.left_right import is_left
from .checked_images import MISSING, ImageFile

CORNERS = 'instances have boxes that look like x1 y1 x2 y2: expected x y width height'
NAMES_SHOWN = 3  # per finding
MIN_AGREEING_SHARE = 0.3  # of the instances in which a pair agrees with the other pairs; below, it looks swapped
MIN_PAIR_INSTANCES = 10  # in which a pair is labeled, before it is judged
MAX_COORDINATE = 1e6  # in pixels; what exceeds it is no measurement
MIN_BEYOND_SHARE = 0.3  # of boxes that end outside their images, which may be corners
MAX_DISTANCE_SHARE = 0.25  # of a box's larger side, by which a keypoint may lie outside the box


@dataclass
class Finding:
    """A kind of problem."""

    what: str
    serious: bool  # training on it fails or is wrong; otherwise it may be intended
    places: list[str]  # one per case

    def __str__(self) -> str:
        """Format the finding in one line: number, what, first places."""
        shown = ', '.join(self.places[:NAMES_SHOWN]) + (', ...' if len(self.places) > NAMES_SHOWN else '')
        return f'{len(self.places):,} {self.what}: {shown}'


def find_data_problems(
    splits: dict[str, list[Photo]], mirror: Sequence[int], names: Sequence[str], files: dict[Path, ImageFile]
) -> list[Finding]:
    """Find problems of images and annotations, serious ones first.

    `mirror` has the index of each keypoint's counterpart, `names` are the keypoints', `files` come from `read_files`.
    """
    places: dict[tuple[str, bool], list[str]] = defaultdict(list)
    sized: list[tuple[Instance, tuple[int, int]]] = []
    first: dict[str, tuple[str, str]] = {}  # split and name of the first image with these bytes
    for split, photo in ((split, photo) for split, photos in splits.items() for photo in photos):
        file = files[photo.path]
        if file.size is None:
            state, place = ('missing', str(photo.path)) if file.error == MISSING else ('broken', file.error)
            places[f'images are {state}', True].append(place)
            continue
        other_split, other_name = first.setdefault(file.digest, (split, photo.name))
        if other_split != split:
            places['images are in training and validation', True].append(f'{photo.name} = {other_name}')
        if file.rotated:
            what = 'images are rotated by EXIF data (labels must be those of the upright image)'
            places[what, False].append(photo.name)
        if file.unusual:
            places[f'images are {file.unusual}, and converted to 8-bit BGR', False].append(photo.name)
        if photo.size and (what := find_size_problem(photo.size, file.size, file.rotated)):
            (w, h), (width, height) = photo.size, file.size
            places[what, True].append(f'{photo.name} ({width}x{height}, not {w:g}x{h:g})')
        if names and not photo.instances:
            places['images have no instance', False].append(photo.name)
        for instance in find_repeated(photo.instances):
            places['instances repeat another instance of the same image', True].append(instance.where)
        sized += [(instance, file.size) for instance in photo.instances]
        for instance in photo.instances:
            for what, serious in find_instance_problems(instance, file.size):
                places[what, serious].append(instance.where)
    places[CORNERS, True] = find_corners(sized)
    labeled = np.any([instance.keypoints[:, 2] > 0 for instance, _ in sized], axis=0)
    if np.any(labeled):
        places['keypoints are never labeled', False] = [names[i] for i in np.flatnonzero(~labeled)]
    places['pairs of left and right look swapped', False] = _find_swapped_pairs(splits, mirror, names)
    findings = [Finding(what, serious, where) for (what, serious), where in places.items() if where]
    return sorted(findings, key=lambda finding: not finding.serious)


def find_repeated(instances: Sequence[Instance]) -> list[Instance]:
    """Return the instances that have the same keypoints and box as an earlier one."""
    first: dict[tuple, Instance] = {}
    return [i for i in instances if first.setdefault((i.keypoints.tobytes(), i.box), i) is not i]


def find_corners(sized: Sequence[tuple[Instance, tuple[int, int]]]) -> list[str]:
    """Name the instances in images of (w, h) pixels if their boxes are corners x1 y1 x2 y2, not x y width height."""
    rows = [(*instance.box, *size) for instance, size in sized if instance.box]
    first, second, size = np.reshape(rows, (-1, 3, 2)).swapaxes(0, 1)
    if not len(rows) or not ((first < second) & (second <= size + 1)).all():
        return []
    for (instance, _), low, high in zip((row for row in sized if row[0].box), first, second, strict=True):
        xy = instance.keypoints[instance.keypoints[:, 2] > 0, :2]
        if (xy < low - 1).any() or (xy > high + 1).any():
            return []
    is_beyond = (first + second > size + 1).any(1)
    return [instance.where for instance, _ in sized] if is_beyond.mean() > MIN_BEYOND_SHARE else []


def find_size_problem(labeled: tuple[float, float] | None, size: tuple[int, int], rotated: int) -> str:
    """Say why labels drawn on an image of a size (w, h) do not fit the upright image of another size, or ''."""
    if labeled is None or max(abs(a - b) for a, b in zip(labeled, size, strict=True)) <= 1:
        return ''
    if rotated and labeled == size[::-1]:
        remedy = 'pass --exif upright if labels were drawn on the upright images, otherwise --exif stored'
        return f'images have the size before the rotation by EXIF data in the annotations ({remedy})'
    if is_scaled(labeled, size):
        return 'images differ in size from the annotations (pass --scale-labels if they were resized)'
    return 'images differ in aspect ratio from the annotations'


def find_instance_problems(instance: Instance, size: tuple[int, int]) -> list[tuple[str, bool]]:
    """Return what is wrong with an instance in an image of a size (w, h), and whether it rules out training on it."""
    points = instance.keypoints
    labeled = points[:, 2] > 0
    if not (np.abs(points) < MAX_COORDINATE).all():
        return [('instances have keypoints that are NaN, infinite or above 1,000,000', True)]
    if points[:, 2].max() > 2:
        return [('instances have a visibility above 2: expected 0, 1 or 2 after x and y', True)]
    if not labeled.any():
        return [('instances have no labeled keypoint', False)]
    xy = points[labeled, :2]
    if xy.min() >= 0 and xy.max() <= 1 < min(size):
        return [('instances have keypoints between 0 and 1: expected pixels', True)]
    is_outside = (xy < -0.5).any() or (xy > np.array(size) - 0.5).any()
    problems = [('instances have keypoints outside the image', False)] if is_outside else []
    if not xy.any(1).all():
        problems.append(('instances have labeled keypoints at 0, 0, as tools write missing ones', False))
    if (points[labeled, 2] % 1).any():
        problems.append(('instances have scores instead of visibilities: expected 0, 1 or 2 after x and y', False))
    if has_no_extent(instance):
        problems.append(('instances have one labeled keypoint and no box: the crop is the few pixels around it', False))
    x, y, w, h = (round(value, 2) for value in find_box(instance))  # as it is written
    if not (np.isfinite((x, y, w, h)).all() and w > 0 and h > 0):
        problems.append(('instances have a box without area', True))
    elif x >= size[0] - 1 or y >= size[1] - 1 or x + w <= 0 or y + h <= 0:  # MMPose clips it to the last pixel
        problems.append(('instances have a box outside the image', True))
    elif (np.abs(xy - (x + w / 2, y + h / 2)) > np.array((w, h)) / 2 + MAX_DISTANCE_SHARE * max(w, h)).any():
        problems.append(('instances have keypoints far outside their box', False))
    return problems


def find_usable(photo: Photo, file: ImageFile) -> tuple[list[Instance], int]:
    """Return the instances of an image that can be trained on, and how many others it has.

    Missing images, repeated instances and those without a labeled keypoint do not count.
    """
    repeated, good = set(map(id, find_repeated(photo.instances))), list[Instance]()
    labeled = [i for i in photo.instances if (i.keypoints[:, 2] > 0).any() and id(i) not in repeated]
    if file.size and not find_size_problem(photo.size, file.size, file.rotated):
        good = [i for i in labeled if not any(serious for _, serious in find_instance_problems(i, file.size))]
    return good, len(labeled) - len(good) if file.error != MISSING else 0


def _find_swapped_pairs(splits: dict[str, list[Photo]], mirror: Sequence[int], names: Sequence[str]) -> list[str]:
    """Name the pairs whose left and right mostly contradict the majority of the other pairs of the same instance."""
    pairs = [(i, other) for i, other in enumerate(mirror) if is_left(names[i], names[other], False)]
    pairs = pairs or [(i, other) for i, other in enumerate(mirror) if other > i]  # no name says which is left
    if len(pairs) < 3:
        return []
    left, right = np.array(pairs).T
    points = np.stack([row.keypoints for photos in splits.values() for photo in photos for row in photo.instances])
    labeled = (points[:, left, 2] > 0) & (points[:, right, 2] > 0)
    sign = np.where(labeled, np.sign(points[:, left, 0] - points[:, right, 0]), 0)
    majority = np.sign(sign.sum(1, keepdims=True) - sign)
    counted = (sign != 0) & (majority != 0)
    agreeing, total = ((sign == majority) & counted).sum(0).tolist(), counted.sum(0).tolist()
    return [
        f'{names[a]}/{names[b]} (unlike the other pairs in {n - same} of {n} instances)'
        for (a, b), same, n in zip(pairs, agreeing, total, strict=True)
        if n >= MIN_PAIR_INSTANCES and same < MIN_AGREEING_SHARE * n
    ]
