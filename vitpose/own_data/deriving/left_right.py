"""Which keypoints are the left and right ones of a pair."""

import re
from dataclasses import dataclass

from ..annotations import Labels

_SIDE_PATTERNS = (
    (re.compile(r'left', re.I), re.compile(r'right', re.I), ('left', 'right')),
    (re.compile(r'(?<![A-Za-z])l(?![A-Za-z])', re.I), re.compile(r'(?<![A-Za-z])r(?![A-Za-z])', re.I), 'lr'),
    (re.compile(r'^L(?=[A-Z])|(?<=[a-z])L$'), re.compile(r'^R(?=[A-Z])|(?<=[a-z])R$'), 'LR'),
)


@dataclass(frozen=True)
class Sides:
    """The pairs of left and right keypoints."""

    mirror: list[int]  # index of each keypoint's counterpart; its own index if it has none
    flip: bool  # whether training may flip images
    note: str  # how the pairs were found, for the user


def find_sides(labels: Labels) -> Sides:
    """Find pairs of left and right keypoints: as the format says, or by names.

    Names are paired by left/right, l/r as a separate word (l_eye, eye-r), and L/R before a capital or at the end
    (LEar, earR). A name that says left or right but has no counterpart turns the flip augmentation off.
    """
    count = len(labels.names)
    if labels.mirror is not None:
        known = sum(other > i for i, other in enumerate(labels.mirror))
        note = f'{known} pairs of left and right keypoints, from the annotations'
        return Sides(labels.mirror, True, note if known else f'{note}: flipping swaps none')
    index = {name: i for i, name in enumerate(labels.names)}
    mirror, unpaired = list(range(count)), []
    for i, name in enumerate(labels.names):
        counterparts = find_counterparts(name)
        partners = [index[other] for other in counterparts if other in index and other != name]
        if partners:
            mirror[i] = partners[0]
        elif counterparts:
            unpaired.append(name)
    wrong = [name for i, name in enumerate(labels.names) if mirror[mirror[i]] != i]
    if unpaired or wrong:
        note = f'{[*unpaired, *wrong][0]!r} says left or right, but no name is its counterpart'
        return Sides(list(range(count)) if wrong else mirror, False, f'{note}: training does not flip images')
    pairs = [(name, labels.names[mirror[i]]) for i, name in enumerate(labels.names) if mirror[i] > i]
    shown = ', '.join(f'{a}/{b}' for a, b in pairs[:3]) + (', ...' if len(pairs) > 3 else '')
    if pairs:
        return Sides(mirror, True, f'{len(pairs)} pairs of left and right keypoints, by name: {shown}')
    note = 'no keypoint name says left or right: training flips images without swapping keypoints'
    return Sides(mirror, True, f'{note}; if some keypoints have a counterpart, set swap in metainfo.py')


def find_counterparts(name: str) -> list[str]:
    """Return names that the keypoint on the other side could have; [] if the name does not say left or right."""
    counterparts = []
    for left, right, words in _SIDE_PATTERNS:
        for pattern, word in ((left, words[1]), (right, words[0])):
            if match := pattern.search(name):
                counterparts.append(name[: match.start()] + _cased(word, match[0]) + name[match.end() :])
    return counterparts


def is_left(name: str, other: str, first: bool) -> bool:
    """Answer whether a keypoint is the left one of a pair, by the names; otherwise, whether it comes first."""
    for left, right, _ in _SIDE_PATTERNS:
        for a, b in ((name, other), (other, name)):
            if left.search(a) and right.search(b):
                return a == name
    return first


def _cased(word: str, like: str) -> str:
    return word.upper() if like.isupper() else word.capitalize() if like[0].isupper() else word.lower()
