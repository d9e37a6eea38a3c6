"""Keypoint sets that are known by their names, with what MMPose knows of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from ..annotations import Labels

SETS = {14: ('crowdpose', 'aic'), 16: ('mpii',), 17: ('coco', 'ap10k'), 21: ('coco_wholebody_hand',)}
SETS |= {26: ('halpe26',), 133: ('coco_wholebody',)}  # names of MMPose's metainfo files, by the number of keypoints
_TOKEN = re.compile(r'[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W_]')
_SPELLINGS = dict(l='left', r='right', lt='left', rt='right', f='front', fore='front', b='back', h='back', hind='back')
_SPELLINGS |= dict(rear='back', base='root', of='', finger='', forefinger='index', mid='middle', little='pinky')
_SPELLINGS |= dict(pinkie='pinky', sho='shoulder', elb='elbow', wri='wrist', kne='knee', ank='ankle', pelv='pelvis')
_SPELLINGS |= dict(thrx='thorax', cmc='0', mcp='1', ip='2', pip='2', dip='3', tip='4')  # of numbers, the order counts
_SHARED = {'left', 'right', 'hand', 'body', 'person'}  # say nothing if they are in all names
_ALIASES = {  # what else some of the names are called
    'crowdpose': dict(head='top_head'),
    'mpii': dict(head='head_top', neck='upper_neck'),
    'halpe26': dict(pelvis='hip', mid_hip='hip', head_top='head'),
    'coco_wholebody_hand': dict(palm='wrist', hand_root='wrist', root='wrist', palm_root='wrist'),
}


@dataclass(frozen=True)
class KnownSet:
    """A known keypoint set, in the order of the labels."""

    name: str
    labels: Labels  # names as MMPose spells them, skeleton and mirror
    sigmas: list[float]
    weights: list[float]
    types: list[str]  # 'upper', 'lower' or ''


def find_known_set(names: Sequence[str]) -> KnownSet | None:
    """Find the known set that has exactly these keypoints, in any order and usual spelling.

    Of two such sets, it is the one with more names that have the same words in the same order, or else the one whose
    keypoints are in this order.
    """
    best: KnownSet | None = None
    agreeing = (-1, False)
    for title in SETS.get(len(names), ()):
        meta = _read_metainfo(title)
        known = [meta['keypoint_id2name'][i] for i in range(len(names))]
        aliases = dict(_ALIASES.get(title, {}))
        if title == 'coco_wholebody':
            aliases |= {f'{name[: name.index("_")]}_hand_{i % 21}': name for i, name in enumerate(known[91:])}
        tokens = {token.lower() for name in [*known, *aliases] for token in _TOKEN.findall(name) if token.isalpha()}
        parts = {_SPELLINGS.get(token, token) for token in tokens} - {''} | _SHARED
        usual = {word: part for word, part in _SPELLINGS.items() if part in parts or not part.isalpha()}
        spellings = {part: part for part in parts} | usual
        spelled, words = (_read_words(each, spellings) for each in ([*aliases, *known], names))
        index = dict(zip(_find_keys(spelled), map(known.index, [*aliases.values(), *known]), strict=True))
        order = [index.get(key, -1) for key in _find_keys(words)]
        same = sum(a == spelled[len(aliases) + i] for a, i in zip(words, order, strict=True)), order == sorted(order)
        if -1 in order or len(set(order)) < len(names) or same <= agreeing:
            continue
        agreeing, place = same, {old: new for new, old in enumerate(order)}
        upper, lower = meta['upper_body_ids'], meta['lower_body_ids']
        links = [(place[a], place[b]) for a, b in meta['skeleton_links']]
        labels = Labels([known[i] for i in order], links, [place[meta['flip_indices'][i]] for i in order])
        sigmas, weights = ([float(meta[key][i]) for i in order] for key in ('sigmas', 'dataset_keypoint_weights'))
        types = ['upper' if i in upper else 'lower' if i in lower else '' for i in order]
        best = KnownSet(title, labels, sigmas, weights, types)
    return best


@cache
def _read_metainfo(title: str) -> dict:
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    return parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{title}.py'))


def _read_words(names: Sequence[str], spellings: dict[str, str]) -> list[list[str]]:
    """Return the words of each name in one spelling, without those that say nothing and numbers of all names."""
    for number in (r'^\d+', r'\d+\W*$'):
        if all(re.search(number, name) for name in names):
            names = [re.sub(number, '', name) for name in names]
    tokens = [_TOKEN.findall(name) for name in names]
    known = sorted(spellings, key=len, reverse=True)
    words = [[spellings.get(part, part) for t in each for part in _split(t.lower(), known) or [t]] for each in tokens]
    shared = _SHARED.intersection(*words)
    return [[word for word in each if word and word not in shared] for each in words]


def _split(word: str, known: Sequence[str]) -> list[str]:
    """Return the known words that a word consists of, such as 'l' and 'eye'; an empty list if there are none."""
    if word in known:
        return [word]
    starts = (part for part in known if word.startswith(part))
    return next(([part, *rest] for part in starts if (rest := _split(word[len(part) :], known))), [])


def _find_keys(names: list[list[str]]) -> list[tuple[tuple[str, ...], bool, int]]:
    """Return what identifies names: sorted words, whether there is a number, its rank among names of these words."""
    keys = [tuple(sorted(word for word in words if not word.isdecimal())) for words in names]
    numbers = [[int(word) for word in words if word.isdecimal()] for words in names]
    pairs = list(zip(keys, numbers, strict=True))
    return [(key, bool(n), sum(other == key and m < n for other, m in pairs)) for key, n in pairs]
