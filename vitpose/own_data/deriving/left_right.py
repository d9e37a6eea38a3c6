"""Which keypoints are the left and right ones of a pair, and whether the labels agree that images can be flipped."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..annotations import Instance, Labels

_WORDS = (
    'left right, links rechts, link recht, gauche droite, gauche droit, izquierd derech, izq der, izq dcha, izq dch, '
)
_WORDS += 'izd dch, sinistr destr, sx dx, esquerd direit, esq dir, li re, lft rgt, lft rht, 左 右, 왼 오른, лев прав'
_LETTERS = dict(zip('lrLR', 'rlRL', strict=True))
_IGNORED = ('', r'[\W_]', r'[\W\d_]')  # of names, one after the other; case, too, but for the first
_TOKEN = re.compile('[A-ZÀ-Þ]?[a-zß-ͯ]+|[A-ZÀ-Þ]+(?![a-zß-ͯ])')
_SIDE = re.compile(
    '(?<!c)left|(?<![bfw])(?<!up)(?<!copy)right|links|linke(?!d)|recht|gauche|droit|izq|derech|sinist|(?<!pe)destr|'
    'esquerd|direit|[左右왼]|오른|лев|прав'
)
_SIDE_TOKEN = re.compile(  # such as l, LH, FR, lknee, Leye, pawl, but not lm, landmarks, and rhinion
    'l(?!m$|mk|dm|nd)[b-df-hj-np-tvwxz].*|r(?!hin|hom)[b-df-hj-np-tvwxz].*|[fbhmtu]?[lr]|sx|dx|li|re|esq|dir|der|'
    'izd[ao]?|dch[ao]?|lear|[lr](eye|elb|ank|arm|asi|up(per|a)|inner|outer|index|iris|anten).*|'
    '(eye|ear|paw|hand|foot|knee|hip|leg|arm|elbow|wrist|ankle|shoulder|wing|toe)[lr]'
)
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
    letter, l and r; then case and separators are ignored, then numbers. Images are only flipped if the format does not
    rule it out, there is a pair or the format declares that there is none, each name that says left or right has a
    counterpart, no pair of names is declared to be none, and flipped instances look like others.
    """
    own, names = list(range(len(labels.names))), labels.names
    named = _find_mirror(names)
    wrong = [name for i, name in enumerate(names) if named[named[i]] != i]
    mirror, note = (own if wrong else named) if labels.mirror is None else labels.mirror, 'as declared'
    if not labels.flip:
        return Sides(mirror, False, 'the annotations declare no pairs (flip_idx: []): training does not flip images')
    if labels.mirror is not None:
        left_alone = [i for i, j in enumerate(named) if i < j and named[j] == i and (mirror[i], mirror[j]) == (i, j)]
        if left_alone:
            pair = f'{names[left_alone[0]]!r} and {names[named[left_alone[0]]]!r}'
            note = f'{pair} are a pair by their names, but not as declared: training does not flip images'
            return Sides(mirror, False, f'{note}; to flip them, declare the pair in the annotations')
    else:
        alone = [name for i, name in enumerate(names) if named[i] == i and says_side(name)] + wrong
        if alone:
            note = f'{alone[0]!r} says left or right, but no name is its counterpart: training does not flip images'
            return Sides(mirror, False, note)
        pairs = [f'{name}/{names[named[i]]}' for i, name in enumerate(names) if named[i] > i]
        if not pairs:
            note = 'no keypoint name says left or right: training does not flip images'
            return Sides(mirror, False, f'{note}; to flip them, set swap in metainfo.py, and flip in config.py')
        note = f'by name: {", ".join(pairs[:3])}' + (', ...' if len(pairs) > 3 else '')
    count = sum(other > i for i, other in enumerate(mirror))
    note = f'{count} pairs of left and right keypoints, {note}' + ('' if count else ': flipping swaps none')
    problem = _find_contradiction(mirror, names, instances)
    return Sides(mirror, not problem, f'{note}; {problem}: training does not flip images' if problem else note)


def find_counterparts(name: str) -> dict[str, bool]:
    """Return names that the other side's keypoint could have, the most likely first, and whether `name` is left."""
    counterparts: dict[str, bool] = {}
    for pair, step in product(_WORDS.split(', '), (1, -1)):
        word, other = pair.split()[::step]
        for match in re.finditer(word, name, re.IGNORECASE):
            cased = other.upper() if match[0].isupper() else other.capitalize() if match[0][0].isupper() else other
            counterparts.setdefault(name[: match.start()] + cased + name[match.end() :], step == 1)
    letters = [m.start() for p in ('(?<![a-z])[lr](?![a-z])', '[lr]') for m in re.finditer(p, name, re.IGNORECASE)]
    for i in letters:
        counterparts.setdefault(name[:i] + _LETTERS[name[i]] + name[i + 1 :], name[i] in 'lL')
    return counterparts


def _find_mirror(names: Sequence[str]) -> list[int]:
    """Return the index of each name's counterpart, or its own."""
    mirror = list(range(len(names)))
    for ignored in _IGNORED:
        keys = [_simplify(name, ignored) for name in names]
        index = {key: i for i, key in enumerate(keys) if mirror[i] == i and keys.count(key) == 1}
        for i in index.values():
            others = (_simplify(other, ignored) for other in find_counterparts(names[i]))
            mirror[i] = next((index[other] for other in others if other in index), i)
    return mirror


def _simplify(name: str, ignored: str) -> str:
    return re.sub(ignored, '', name).casefold() if ignored else name


def says_side(name: str) -> bool:
    """Answer whether a name says left or right."""
    tokens = _TOKEN.findall(name)
    short = any(re.fullmatch('[LR][A-LN-Z]', token) or _SIDE_TOKEN.fullmatch(token.lower()) for token in tokens)
    return short or bool(_SIDE.search(name.lower()))


def is_left(name: str, other: str, first: bool) -> bool:
    """Answer whether a keypoint is the left one of a pair, by the names; otherwise, whether it comes first."""
    sides = find_counterparts(name).items()
    return next((left for i in _IGNORED for o, left in sides if _simplify(o, i) == _simplify(other, i)), first)


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
    """Return keypoints (N, K, 3) of evenly spaced instances, so that N * K * K is at most `MAX_VALUES`."""
    step = -(-len(instances) * len(instances[0].keypoints) ** 2 // MAX_VALUES)
    return np.stack([instance.keypoints for instance in instances[::step]])
