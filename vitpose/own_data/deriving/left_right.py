"""Which keypoints are the left and right ones of a pair, and whether the labels agree that images can be flipped."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..annotations import Instance, Labels

_WORDS = [('left', 'right'), ('links', 'rechts'), ('link', 'recht'), ('gauche', 'droite'), ('gauche', 'droit')]
_WORDS += [('izquierd', 'derech'), ('izq', 'der'), ('sinistr', 'destr'), ('esquerd', 'direit'), ('左', '右')]
_LETTERS = dict(zip('lrLR', 'rlRL', strict=True))
_SIDES = '(?i:left|right|links|rechts|gauche|droite|izquierd|derech|sinistr|esquerd|direit|(?<![a-z])[lr](?![a-z]))'
_SAYS_SIDE = re.compile(rf'{_SIDES}|^[LR](?=[A-Z])|(?<=[a-z])[LR]$')
MIN_INSTANCES = 10  # in which two keypoints are labeled, before the labels say anything about them
MAX_DISAGREEMENT = 0.9  # of the shares of "i is left of j" in images and in flipped images
MAX_VALUES = 4_000_000  # of the arrays below; more instances are sampled


@dataclass(frozen=True)
class Sides:
    """The pairs of left and right keypoints."""

    mirror: list[int]  # index of each keypoint's counterpart; its own index if it has none
    flip: bool  # whether training may flip images
    note: str  # how the pairs were found, for the user


def find_sides(labels: Labels, instances: Sequence[Instance] = ()) -> Sides:
    """Find pairs of left and right keypoints, as the format says or by names, and ask the labels whether they fit.

    Names are paired if one says left where the other says right, in one of several languages, or if they differ in one
    letter, l and r. Images are only flipped if there is a pair or the format declares that there is none, each name
    that says left or right has a counterpart, and flipped instances look like others.
    """
    own, names = list(range(len(labels.names))), labels.names
    mirror, note = labels.mirror, 'as declared'
    if mirror is None:
        index = {name: i for i, name in enumerate(names)}
        mirror = [next((index[o] for o in find_counterparts(name) if o in index), index[name]) for name in names]
        wrong = [name for i, name in enumerate(names) if mirror[mirror[i]] != i]
        alone = [name for i, name in enumerate(names) if mirror[i] == i and says_side(name)] + wrong
        if alone:
            note = f'{alone[0]!r} says left or right, but no name is its counterpart: training does not flip images'
            return Sides(own if wrong else mirror, False, note)
        pairs = [f'{name}/{names[mirror[i]]}' for i, name in enumerate(names) if mirror[i] > i]
        if not pairs:
            note = 'no keypoint name says left or right: training does not flip images'
            return Sides(mirror, False, f'{note}; to flip them, set swap in metainfo.py, and flip in config.py')
        note = f'by name: {", ".join(pairs[:3])}' + (', ...' if len(pairs) > 3 else '')
    count = sum(other > i for i, other in enumerate(mirror))
    note = f'{count} pairs of left and right keypoints, {note}' + ('' if count else ': flipping swaps none')
    problem = _find_contradiction(mirror, names, instances)
    return Sides(mirror, not problem, f'{note}; {problem}: training does not flip images' if problem else note)


def find_counterparts(name: str) -> list[str]:
    """Return names that the keypoint on the other side could have, the most likely first."""
    counterparts = []
    for word, other in (pair[::step] for pair in _WORDS for step in (1, -1)):
        for match in re.finditer(word, name, re.IGNORECASE):
            cased = other.upper() if match[0].isupper() else other.capitalize() if match[0][0].isupper() else other
            counterparts.append(name[: match.start()] + cased + name[match.end() :])
    letters = [m.start() for p in ('(?<![a-z])[lr](?![a-z])', '[lr]') for m in re.finditer(p, name, re.IGNORECASE)]
    return counterparts + [name[:i] + _LETTERS[name[i]] + name[i + 1 :] for i in letters]


def says_side(name: str) -> bool:
    """Answer whether a name says left or right."""
    return bool(_SAYS_SIDE.search(name))


def is_left(name: str, other: str, first: bool) -> bool:
    """Answer whether a keypoint is the left one of a pair, by the names; otherwise, whether it comes first."""
    for left, right in _WORDS:
        for a, b in ((name, other), (other, name)):
            if re.search(left, a, re.IGNORECASE) and re.search(right, b, re.IGNORECASE):
                return a == name
    letters = [a.lower() for a, b in zip(name, other, strict=False) if a != b]
    return letters[0] == 'l' if len(letters) == 1 and letters[0] in 'lr' else first


def find_resultant_length(instances: Sequence[Instance]) -> float | None:
    """Return how much instances point in one direction: 0 for all directions, 1 for the same; None for too few.

    It is the length of the mean of unit vectors from one keypoint to another, for the two that agree best: a person's
    head and feet, or back and paws of an animal that walks to either side.
    """
    points = _sample(instances)
    xy, labeled = points[..., 0] + 1j * points[..., 1], points[..., 2] > 0
    vectors = xy[:, None] - xy[..., None]
    lengths = np.abs(vectors)
    valid = labeled[:, None] & labeled[..., None] & (lengths > 0)
    count = valid.sum(0)
    if not (count >= MIN_INSTANCES).any():
        return None
    units = np.where(valid, vectors / np.where(valid, lengths, 1), 0)
    return float((np.abs(units.sum(0)) / np.maximum(count, 1))[count >= MIN_INSTANCES].max())


def _find_contradiction(mirror: Sequence[int], names: Sequence[str], instances: Sequence[Instance]) -> str:
    """Say which keypoints are almost always on one side of each other, and in flipped images on the other; or ''."""
    if not instances:
        return ''
    points = _sample(instances)
    x, labeled = points[..., 0], points[..., 2] > 0
    both = labeled[:, None] & labeled[..., None]
    count = both.sum(0)
    left, right = ((comparison & both).sum(0) for comparison in (x[..., None] < x[:, None], x[..., None] > x[:, None]))
    flipped, others = right[np.ix_(mirror, mirror)], count[np.ix_(mirror, mirror)]
    differences = np.abs(left / np.maximum(count, 1) - flipped / np.maximum(others, 1))
    differences[np.minimum(count, others) < MIN_INSTANCES] = 0
    i, j = np.unravel_index(differences.argmax(), differences.shape)
    if differences[i, j] <= MAX_DISAGREEMENT:
        return ''
    i, j = (i, j) if left[i, j] >= right[i, j] else (j, i)
    share = f'{left[i, j] / count[i, j]:.0%} of the instances'
    return f'but {names[i]} is left of {names[j]} in {share}, and would be right'


def _sample(instances: Sequence[Instance]) -> np.ndarray:
    """Return keypoints (N, K, 3) of evenly spaced instances, so many that N * K * K is at most `MAX_VALUES`."""
    step = -(-len(instances) * len(instances[0].keypoints) ** 2 // MAX_VALUES)
    return np.stack([instance.keypoints for instance in instances[::step]])
