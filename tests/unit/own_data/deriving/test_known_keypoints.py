import numpy as np
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from vitpose.own_data.deriving.known_keypoints import SETS, find_known_set

COCO = 'nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist '
COCO = (COCO + 'right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle').split()
SHORT = [name.replace('left_', 'l').replace('right_', 'r') for name in COCO]
AP10K = 'left_eye right_eye nose neck root_of_tail left_shoulder left_elbow left_front_paw right_shoulder right_elbow '
AP10K += 'right_front_paw left_hip left_knee left_back_paw right_hip right_knee right_back_paw'
FINGERS = [
    f'{finger}_{joint}' for finger in ('index', 'middle', 'ring', 'pinky') for joint in ('mcp', 'pip', 'dip', 'tip')
]
SPELLINGS = {
    'LEye': ['Nose', *(f'{name[0].upper()}{name.split("_")[1].title()}' for name in COCO[1:])],
    'eye left': [' '.join(reversed(name.split('_'))) for name in COCO],
    'leye': SHORT,
    'ap10k': AP10K.split(),
    'coco_wholebody_hand': ['WRIST', *(f'THUMB_{j}' for j in ('CMC', 'MCP', 'IP', 'TIP')), *map(str.upper, FINGERS)],
}


@pytest.mark.parametrize('title', [title for titles in SETS.values() for title in titles])
def test_sets_in_any_order(title):
    meta = parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{title}.py'))
    names = [meta['keypoint_id2name'][i] for i in range(meta['num_keypoints'])]
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


@pytest.mark.parametrize('spelling', SPELLINGS)
def test_usual_spellings(spelling):
    known = find_known_set(SPELLINGS[spelling])
    assert known is not None and known.name == (spelling if '_' in spelling or '1' in spelling else 'coco')
    assert known.name != 'coco' or known.labels.names == COCO


def test_other_sets_are_not_known():
    for names in (COCO[:-1], [*COCO[:-1], 'tail'], [*COCO[:-1], COCO[0]], [f'keypoint_{i}' for i in range(17)]):
        assert find_known_set(names) is None
