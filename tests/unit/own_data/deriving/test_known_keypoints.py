import re

import numpy as np
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from vitpose.own_data.deriving.known_keypoints import SETS, find_known_set


def set_names(title):
    meta = parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{title}.py'))
    return [meta['keypoint_id2name'][i] for i in range(meta['num_keypoints'])]


COCO, AP10K, WHOLEBODY = map(set_names, ('coco', 'ap10k', 'coco_wholebody'))
HAND, CROWDPOSE, MPII, AIC, HALPE = map(set_names, ('coco_wholebody_hand', 'crowdpose', 'mpii', 'aic', 'halpe26'))
FINGERS = ('thumb', 'index', 'middle', 'ring', 'little')
SIDE, LETTER = r'^(left|right)_(.*)', r'^(l|r)(?:eft|ight)_(.*)'
SPELLINGS = {  # of any set: what is replaced, by what
    'left eye': ('_', ' '),
    'left-eye': ('_', '-'),
    'lefteye': ('[-_ ]', ''),
    'l_eye': (LETTER, r'\1_\2'),
    'leye': (LETTER, r'\1\2'),
    'Lt. eye': (LETTER, lambda match: f'{match[1].upper()}t. {match[2]}'),
    'LEye': ('(?:^|_)([a-z])', lambda match: match[1].upper()),
    'eye_left': (SIDE, r'\2_\1'),
    'eye (l)': (LETTER, r'\2 (\1)'),
    'eyeleft': (SIDE, r'\2\1'),
    'eyel': (LETTER, r'\2\1'),
}
OTHERS = {  # of single names: the set, what its names are called
    'crowdpose-json': ('crowdpose', [name.replace('top_head', 'head') for name in CROWDPOSE]),
    'aic-head-top': ('aic', [name.replace('_', ' ') for name in reversed(AIC)]),
    'aic-headTop': ('aic', [name.replace('head_top', 'headTop') for name in AIC]),
    'aic-glued': ('aic', [re.sub(LETTER, r'\1\2', name).replace('_', '') for name in AIC]),
    'crowdpose-topHead': ('crowdpose', [name.replace('top_head', 'topHead') for name in CROWDPOSE]),
    'mpii-neck-head': ('mpii', [name.replace('upper_', '').replace('_top', '') for name in MPII]),
    'mpii-short': ('mpii', 'rank rkne rhip lhip lkne lank pelv thrx neck head rwri relb rsho lsho lelb lwri'.split()),
    'mpii-glued': ('mpii', [re.sub(LETTER, r'\1\2', name).replace('_', '') for name in MPII]),
    'halpe-pelvis': ('halpe26', [re.sub('^hip', 'pelvis', name) for name in HALPE]),
    'halpe-midhip': ('halpe26', [re.sub('^hip', 'midhip', name) for name in HALPE]),
    'ap10k-json': ('ap10k', [re.sub('L_', 'left_', re.sub('R_', 'right_', name)) for name in AP10K]),
    'ap10k-fore-hind': ('ap10k', [name.replace('F_', 'fore_').replace('B_', 'hind_') for name in AP10K]),
    'ap10k-glued': ('ap10k', [re.sub('[_ ]', '', name).lower() for name in AP10K]),
    'ap10k-FLPaw': ('ap10k', [re.sub('(._)([FB])_', r'\2\1', name).replace('_', '') for name in AP10K]),
    'hand-of-MediaPipe': (
        'coco_wholebody_hand',
        ['WRIST', *(f'THUMB_{joint}' for joint in ('CMC', 'MCP', 'IP', 'TIP'))]
        + [f'{f}_FINGER_{j}' for f in ('INDEX', 'MIDDLE', 'RING', 'PINKY') for j in ('MCP', 'PIP', 'DIP', 'TIP')],
    ),
    'hand-from-0': ('coco_wholebody_hand', ['palm', *(f'{finger}_{i}' for finger in FINGERS for i in range(4))]),
    'hand-glued': (
        'coco_wholebody_hand',
        ['handroot', *(f'{finger}finger{i}' for finger in FINGERS for i in range(4))],
    ),
    'hand-left': ('coco_wholebody_hand', [f'left_{name}' for name in HAND]),
    'wholebody-face-from-1': (
        'coco_wholebody',
        [re.sub(r'\d+', lambda m: f'{int(m[0]) + 1}', n) if 'face' in n else n for n in WHOLEBODY],
    ),
    'wholebody-hands': (
        'coco_wholebody',
        WHOLEBODY[:91] + [f'{side}_hand_{i}' for side in ('left', 'right') for i in range(21)],
    ),
}


@pytest.mark.parametrize('title', [title for titles in SETS.values() for title in titles])
def test_sets_in_any_order(title):
    meta, names = parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{title}.py')), set_names(title)
    order = np.random.default_rng(0).permutation(len(names))
    known = find_known_set([names[i] for i in order])
    assert known.name == title and known.labels.names == [names[i] for i in order]
    np.testing.assert_allclose(known.sigmas, np.array(meta['sigmas'])[order])
    np.testing.assert_allclose(known.weights, np.array(meta['dataset_keypoint_weights'])[order])
    swapped = [names[meta['flip_indices'][i]] for i in order]
    assert [known.labels.names[i] for i in known.labels.mirror] == swapped
    links = {frozenset(known.labels.names[i] for i in link) for link in known.labels.links}
    assert links == {frozenset(names[i] for i in link) for link in meta['skeleton_links']}
    upper = {names[i] for i in meta['upper_body_ids']}
    assert {name for name, kind in zip(known.labels.names, known.types, strict=True) if kind == 'upper'} == upper


@pytest.mark.parametrize('title', [title for titles in SETS.values() for title in titles])
@pytest.mark.parametrize('spelling', SPELLINGS)
def test_usual_spellings(spelling, title):
    names = set_names(title)
    spelled = [re.sub(*SPELLINGS[spelling], name) for name in names]
    before, after = ([form.format(i, name) for i, name in enumerate(spelled)] for form in ('{}. {}', '{1} ({0})'))
    for given in (spelled, [name.upper() for name in spelled], before, after):
        known = find_known_set(given)
        assert known is not None and known.name == title and known.labels.names == names, given


@pytest.mark.parametrize('other', OTHERS)
def test_other_names(other):
    title, names = OTHERS[other]
    known, expected = find_known_set(names), set_names(title)
    assert known is not None and known.name == title
    assert known.labels.names == (expected[::-1] if other == 'aic-head-top' else expected)


def test_other_sets_are_not_known():
    lsp = [*CROWDPOSE[:12], 'neck', 'head_bottom']
    mice = (
        'nose left_ear right_ear neck left_hip right_hip tail_base tail1 tail2 tail3 tail4 tail5 tail6 tail_tip'.split()
    )
    h36m = [re.sub('ankle', 'foot', n) for n in COCO[5:]] + ['root', 'spine', 'thorax', 'neck_base', 'head']
    for names in (
        COCO[:-1],
        [*COCO[:-1], 'tail'],
        [*COCO[:-1], COCO[0]],
        [*COCO[:-1], 'left_ankle_2'],
        [*COCO[:-1], 'right_ankle 鼻'],
        ['nose²', *COCO[1:]],
        ['nose_left', *COCO[1:]],
        [f'keypoint_{i}' for i in range(17)],
        [f'hand_{i}' for i in range(21)],
        [f'face-{i}' for i in range(133)],
        [*COCO, 'left_finger', 'right_finger', 'left_toe', 'right_toe'],
        [*MPII[:-1], 'neck'],
        [name.replace('head_top', 'chin') for name in AIC],
        [name.replace('Paw', 'knee') for name in AP10K],
        [name.replace('Root of tail', 'tail_tip') for name in AP10K],
        [name.replace('thumb4', 'thumb_0') for name in HAND][:-1] + ['thumb5'],
        [re.sub('^hip', 'chest', name) for name in HALPE],
        h36m,
        lsp,
        mice,
    ):
        assert find_known_set(names) is None, names
