"""What formats lack, derived from the annotations: boxes, sides, input size."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .annotations import Instance, Labels

MARGIN = 0.15  # of the larger side of the keypoints' extent, on each side of a box
SIGMA = 0.05  # of OKS for each keypoint: ours, a middle value between COCO's eyes (0.025) and hips (0.107)
_SIDES = (
    (re.compile(r'left', re.IGNORECASE), re.compile(r'right', re.IGNORECASE), ('left', 'right')),
    (re.compile(r'(?<![A-Za-z])l(?![A-Za-z])', re.IGNORECASE), re.compile(r'(?<![A-Za-z])r(?![A-Za-z])', re.I), 'lr'),
    (re.compile(r'^L(?=[A-Z])|(?<=[a-z])L$'), re.compile(r'^R(?=[A-Z])|(?<=[a-z])R$'), 'LR'),
)


@dataclass(frozen=True)
class Sides:
    """Which keypoint is on the other side of which.

    Attributes:
        mirror: index of the keypoint on the other side; a keypoint's own index if there is none.
        flip: whether images may be flipped in training.
        note: how this was found, for the user.
    """

    mirror: list[int]
    flip: bool
    note: str


def find_sides(labels: Labels) -> Sides:
    """Find pairs of left and right keypoints: as the format says, or by names.

    Names are paired by left/right, l/r as a word of its own (l_eye, eye-r) and L/R before a capital or at the end
    (LEar, earR). A name with a side and without a partner turns the flip augmentation off.
    """
    count = len(labels.names)
    if labels.mirror is not None:
        known = sum(other > i for i, other in enumerate(labels.mirror))
        note = f'{known} pairs of left and right keypoints, as the annotations say'
        return Sides(labels.mirror, True, note if known else f'{note}; flipped, each keypoint remains itself')
    index = {name: i for i, name in enumerate(labels.names)}
    mirror, alone = list(range(count)), []
    for i, name in enumerate(labels.names):
        others = other_sides(name)
        partner = next((other for other in others if other in index and other != name), None)
        if partner is not None:
            mirror[i] = index[partner]
        elif others:
            alone.append(name)
    wrong = [name for i, name in enumerate(labels.names) if mirror[mirror[i]] != i]
    if alone or wrong:
        name = (alone or wrong)[0]
        note = f'{name!r} has a side and no partner among the names: images are not flipped in training'
        return Sides(mirror if not wrong else list(range(count)), False, note)
    pairs = [(name, labels.names[mirror[i]]) for i, name in enumerate(labels.names) if mirror[i] > i]
    if pairs:
        shown = ', '.join(f'{a}/{b}' for a, b in pairs[:3]) + (', ...' if len(pairs) > 3 else '')
        return Sides(mirror, True, f'{len(pairs)} pairs of left and right keypoints, by their names: {shown}')
    note = 'no name has a side: images are flipped in training, and each keypoint remains itself'
    return Sides(mirror, True, f'{note}; if some keypoints change sides, set swap in metainfo.py')


def other_sides(name: str) -> list[str]:
    """Names that the same keypoint could have on the other side; [] if the name has no side."""
    found = []
    for left, right, words in _SIDES:
        for pattern, word in ((left, words[1]), (right, words[0])):
            match = pattern.search(name)
            if match:
                found.append(name[: match.start()] + _cased(word, match[0]) + name[match.end() :])
    return found


def is_left(name: str, other: str, first: bool) -> bool:
    """Return whether a keypoint with a partner is the left one, by its name; else whether it comes first."""
    for left, right, _ in _SIDES:
        if left.search(name) and right.search(other):
            return True
        if right.search(name) and left.search(other):
            return False
    return first


def _cased(word: str, like: str) -> str:
    return word.upper() if like.isupper() else word.capitalize() if like[0].isupper() else word.lower()


def box_of(instance: Instance) -> tuple[float, float, float, float]:
    """Return the box x y width height in image pixels: the annotated one, or one around the labelled keypoints.

    A margin of 15% of the larger side is added on each side, at least 2 pixels.
    """
    if instance.box is not None:
        return instance.box
    points = instance.keypoints[instance.keypoints[:, 2] > 0, :2]
    low, high = points.min(0), points.max(0)
    margin = max(MARGIN * float((high - low).max()), 2.0)
    (x, y), (w, h) = (low - margin).tolist(), (high - low + 2 * margin).tolist()
    return x, y, w, h


def input_size(boxes: Sequence[tuple[float, float, float, float]]) -> tuple[tuple[int, int], str]:
    """Choose the input size (w, h) in pixels by the median ratio of the boxes' sides; and say why."""
    with np.errstate(divide='ignore', invalid='ignore'):
        ratios = np.array([box[3] for box in boxes]) / np.array([box[2] for box in boxes])
    ratio = float(np.median(ratios[np.isfinite(ratios)])) if np.isfinite(ratios).any() else 1.0
    for least, size, shape in ((1.16, (192, 256), 'tall'), (0.86, (224, 224), 'square'), (0.0, (256, 192), 'wide')):
        if ratio >= least:
            return size, f'input {size[0]}x{size[1]}: boxes are {shape}, median height / width {ratio:.2f}'
    raise AssertionError(ratio)
