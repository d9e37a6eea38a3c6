"""The keypoints of each dataset."""

from itertools import pairwise

from .hands import DETAILED_PERSON
from .landmarks import KeypointSet, Landmark, two_sides
from .quadruped import QUADRUPED
from .species import PERSON
from .wholebody import FACE, FEET, HAND_LINKS, HANDS

_BODY = {
    'nose': Landmark('head', ('nose',), (0.0, -0.12, 1.12), True),
    'left_eye': Landmark('head', ('head', 'nose'), (0.37, 0.12, 0.92), True, facing=0.12),
    'right_eye': Landmark('head', ('head', 'nose'), (-0.37, 0.12, 0.92), True, facing=0.12),
    'left_ear': Landmark('head', ('left_ear',), (1.0, 0.0, -0.08), True),
    'right_ear': Landmark('head', ('right_ear',), (-1.0, 0.0, -0.08), True),
    **two_sides('shoulder', 'shoulder', 'upper_arm', through=('torso', 'neck'), depth=0.055),
    **two_sides('elbow', 'elbow', 'upper_arm', 'forearm'),
    **two_sides('wrist', 'wrist', 'forearm', 'hand'),
    **two_sides('hip', 'hip', 'thigh', through=('torso',), depth=0.04),
    **two_sides('knee', 'knee', 'thigh', 'shank'),
    **two_sides('ankle', 'ankle', 'shank', 'foot'),
}
COCO = KeypointSet(
    species=PERSON,
    landmarks=_BODY,
    skeleton=(
        *pairwise(('left_ankle', 'left_knee', 'left_hip')),
        *pairwise(('right_ankle', 'right_knee', 'right_hip')),
        ('left_hip', 'right_hip'),
        ('left_shoulder', 'left_hip'),
        ('right_shoulder', 'right_hip'),
        ('left_shoulder', 'right_shoulder'),
        ('left_shoulder', 'left_elbow'),
        ('right_shoulder', 'right_elbow'),
        ('left_elbow', 'left_wrist'),
        ('right_elbow', 'right_wrist'),
        ('left_eye', 'right_eye'),
        ('nose', 'left_eye'),
        ('nose', 'right_eye'),
        ('left_eye', 'left_ear'),
        ('right_eye', 'right_ear'),
        ('left_ear', 'left_shoulder'),
        ('right_ear', 'right_shoulder'),
    ),
)

WHOLEBODY = KeypointSet(
    species=DETAILED_PERSON,
    landmarks=_BODY | FEET | FACE | HANDS,
    skeleton=COCO.skeleton
    + tuple(
        (f'{side}_ankle', f'{side}_{end}') for side in ('left', 'right') for end in ('big_toe', 'small_toe', 'heel')
    )
    + HAND_LINKS,
    layout='wholebody',
    size=(480, 360),
)

_TRUNK = ('torso', 'neck')
_HEAD_TOP = Landmark('head', ('head', 'hair'), (0.0, 0.94, 0.0), True, facing=-0.4)

AIC = KeypointSet(
    species=PERSON,
    landmarks={
        **{
            f'{side}_{joint}': _BODY[f'{side}_{joint}']
            for pair in (('shoulder', 'elbow', 'wrist'), ('hip', 'knee', 'ankle'))
            for side in ('right', 'left')
            for joint in pair
        },
        'head_top': _HEAD_TOP,
        'neck': Landmark('neck', _TRUNK, (0.0, 0.01, 0.0)),
    },
    skeleton=(
        *pairwise(
            ('right_wrist', 'right_elbow', 'right_shoulder', 'neck', 'left_shoulder', 'left_elbow', 'left_wrist')
        ),
        *pairwise(('right_ankle', 'right_knee', 'right_hip', 'left_hip', 'left_knee', 'left_ankle')),
        ('head_top', 'neck'),
        ('right_shoulder', 'right_hip'),
        ('left_shoulder', 'left_hip'),
    ),
    layout='aic',
)

MPII = KeypointSet(
    species=PERSON,
    landmarks={
        **{
            name: _BODY[name]
            for name in ('right_ankle', 'right_knee', 'right_hip', 'left_hip', 'left_knee', 'left_ankle')
        },
        'pelvis': Landmark('pelvis', ('torso', 'left_thigh', 'right_thigh')),
        'thorax': Landmark('neck', _TRUNK, (0.0, -0.015, 0.0)),
        'upper_neck': Landmark('neck', ('neck', 'torso', 'head'), (0.0, 0.035, 0.003)),
        'head_top': _HEAD_TOP,
        **{
            name: _BODY[name]
            for name in ('right_wrist', 'right_elbow', 'right_shoulder', 'left_shoulder', 'left_elbow', 'left_wrist')
        },
    },
    skeleton=(
        *pairwise(('right_ankle', 'right_knee', 'right_hip', 'pelvis', 'left_hip', 'left_knee', 'left_ankle')),
        *pairwise(('pelvis', 'thorax', 'upper_neck', 'head_top')),
        *pairwise(('upper_neck', 'right_shoulder', 'right_elbow', 'right_wrist')),
        *pairwise(('upper_neck', 'left_shoulder', 'left_elbow', 'left_wrist')),
    ),
    layout='mpii',
)


def _leg(side: str, trunk: str, joints: dict[str, tuple[str, ...]]) -> dict[str, Landmark]:
    """Return the landmarks of a leg from its keypoint names and parts; the first one lies within the trunk."""
    return {
        f'{side}_{name}': Landmark(
            f'{side}_{name}', tuple(f'{side}_{part}' for part in parts), through=() if i else (trunk,), depth=0.03
        )
        for i, (name, parts) in enumerate(joints.items())
    }


_FORE = {'shoulder': ('upper_arm',), 'elbow': ('upper_arm', 'forearm'), 'front_paw': ('pastern', 'front_foot')}
_HIND = {'hip': ('thigh',), 'knee': ('thigh', 'shank'), 'back_paw': ('heel', 'back_foot')}

AP10K = KeypointSet(
    species=QUADRUPED,
    landmarks={
        'left_eye': Landmark('left_eye', ('left_eye',)),
        'right_eye': Landmark('right_eye', ('right_eye',)),
        'nose': Landmark('nose', ('nose',)),
        'neck': Landmark('neck', ('throat', 'chest', 'left_upper_arm', 'right_upper_arm')),
        'root_of_tail': Landmark('tail_root', ('tail', 'loin')),
        **_leg('left', 'chest', _FORE),
        **_leg('right', 'chest', _FORE),
        **_leg('left', 'loin', _HIND),
        **_leg('right', 'loin', _HIND),
    },
    skeleton=(
        ('left_eye', 'right_eye'),
        ('left_eye', 'nose'),
        *pairwise(('right_eye', 'nose', 'neck', 'root_of_tail')),
        *pairwise(('neck', 'left_shoulder', 'left_elbow', 'left_front_paw')),
        *pairwise(('neck', 'right_shoulder', 'right_elbow', 'right_front_paw')),
        *pairwise(('root_of_tail', 'left_hip', 'left_knee', 'left_back_paw')),
        *pairwise(('root_of_tail', 'right_hip', 'right_knee', 'right_back_paw')),
    ),
    layout='ap10k',
)

KINDS: dict[str, KeypointSet] = {'coco': COCO, 'aic': AIC, 'mpii': MPII, 'ap10k': AP10K, 'wholebody': WHOLEBODY}


def keypoint_set(kind: str) -> KeypointSet:
    """Return the keypoints of a kind.

    Raises:
        KeyError: If the kind is unknown.
    """
    if kind not in KINDS:
        raise KeyError(f'unknown kind {kind!r}: known kinds are {", ".join(sorted(KINDS))}')
    return KINDS[kind]
