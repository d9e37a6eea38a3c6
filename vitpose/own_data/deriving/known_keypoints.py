"""Keypoint sets that are known by their names, with what MMPose knows of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..annotations import Labels

SETS = {14: ('crowdpose', 'aic'), 16: ('mpii',), 17: ('coco', 'ap10k'), 21: ('coco_wholebody_hand',)}
SETS |= {26: ('halpe26',), 133: ('coco_wholebody',)}  # names of MMPose's metainfo files, by the number of keypoints
_SPELLINGS = dict(l='left', r='right', lt='left', rt='right', f='front', b='back', hind='back', rear='back')
_SPELLINGS |= dict(of='', finger='', forefinger='index', little='pinky', pinkie='pinky', base='root')
_JOINTS = dict(thumb=dict(cmc='1', mcp='2', ip='3', tip='4'), other=dict(mcp='1', pip='2', dip='3', tip='4'))


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

    If there are two, it is the one with more names spelled in the same way.
    """
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    best: KnownSet | None = None
    agreeing = -1
    for title in SETS.get(len(names), ()):
        meta = parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{title}.py'))
        known = [meta['keypoint_id2name'][i] for i in range(len(names))]
        words = {part for name in known for part in _words(name, ())}
        index = {_words(name, words): i for i, name in enumerate(known)}
        order = [index.get(_words(name, words), -1) for name in names]
        same = len(set(known) & set(names))
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


def _words(name: str, known: Sequence[str] | set[str]) -> tuple[str, ...]:
    """Return the words of a name, sorted and in one spelling; `known` words may follow a side without a space."""
    words = []
    for word in re.findall(r'[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+', name):
        word = word.lower()
        for side in ('left', 'right', 'l', 'r'):
            if word not in known and word.startswith(side) and word[len(side) :] in known:
                words.append(_SPELLINGS.get(side, side))
                word = word[len(side) :]
        words.append(_SPELLINGS.get(word, word))
    joints = _JOINTS['thumb' if 'thumb' in words else 'other']
    return tuple(sorted(joints.get(word, word) for word in words if word))
