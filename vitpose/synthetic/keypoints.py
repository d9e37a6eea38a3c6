"""The keypoints of each dataset."""

from ..errors import InputError
from .bodies.hands import DETAILED_PERSON
from .bodies.quadruped import QUADRUPED
from .bodies.species import PERSON
from .landmarks import KeypointSet, Landmark, both_landmarks, links, pick
from .wholebody import DETAIL_LINKS, FACE, FEET, HANDS

_BODY = {
    'nose': Landmark('head', ('nose',), (0.0, -0.12, 1.12), True),
    'left_eye': Landmark('head', ('head', 'nose'), (0.37, 0.12, 0.92), True, facing=0.12),
    'right_eye': Landmark('head', ('head', 'nose'), (-0.37, 0.12, 0.92), True, facing=0.12),
    'left_ear': Landmark('head', ('left_ear',), (1.0, 0.0, -0.08), True),
    'right_ear': Landmark('head', ('right_ear',), (-1.0, 0.0, -0.08), True),
    **both_landmarks('shoulder', 'shoulder', 'upper_arm', through=('torso', 'neck'), depth=0.055),
    **both_landmarks('elbow', 'elbow', 'upper_arm', 'forearm'),
    **both_landmarks('wrist', 'wrist', 'forearm', 'hand'),
    **both_landmarks('hip', 'hip', 'thigh', through=('torso',), depth=0.04),
    **both_landmarks('knee', 'knee', 'thigh', 'shank'),
    **both_landmarks('ankle', 'ankle', 'shank', 'foot'),
}
_LINKS = links('*_ankle *_knee *_hip', 'left_hip right_hip', '*_shoulder *_hip', 'left_shoulder right_shoulder')
_LINKS += links('*_shoulder *_elbow *_wrist', 'left_eye right_eye', 'nose *_eye *_ear *_shoulder')
COCO = KeypointSet(PERSON, _BODY, _LINKS)
BODY_KEYPOINTS = len(COCO.names)  # the first keypoints of COCO-WholeBody
WHOLEBODY = KeypointSet(DETAILED_PERSON, _BODY | FEET | FACE | HANDS, _LINKS + DETAIL_LINKS, 'wholebody', (480, 360))
_HEAD_TOP = Landmark('head', ('head',), (0.0, 0.94, 0.0), True, facing=-0.4)

_AIC_ORDER = 'right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist '
_AIC_ORDER += 'right_hip right_knee right_ankle left_hip left_knee left_ankle'
_AIC_LINKS = links('head_top neck *_shoulder *_elbow *_wrist', '*_shoulder *_hip *_knee *_ankle', 'left_hip right_hip')
_AIC = pick(_BODY, _AIC_ORDER) | {'head_top': _HEAD_TOP, 'neck': Landmark('neck', ('torso', 'neck'), (0.0, 0.01, 0.0))}
AIC = KeypointSet(PERSON, _AIC, _AIC_LINKS, 'aic')
_MPII_TRUNK = {
    'pelvis': Landmark('pelvis', ('torso', 'left_thigh', 'right_thigh')),
    'thorax': Landmark('neck', ('torso', 'neck'), (0.0, -0.015, 0.0)),
    'upper_neck': Landmark('neck', ('neck', 'torso', 'head'), (0.0, 0.035, 0.003)),
    'head_top': _HEAD_TOP,
}
_MPII = pick(_BODY, 'right_ankle right_knee right_hip left_hip left_knee left_ankle') | _MPII_TRUNK
_MPII |= pick(_BODY, 'right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist')
_MPII_LINKS = links('*_ankle *_knee *_hip pelvis', 'pelvis thorax upper_neck head_top')
_MPII_LINKS += links('upper_neck *_shoulder *_elbow *_wrist')
MPII = KeypointSet(PERSON, _MPII, _MPII_LINKS, 'mpii')
_ANIMAL = {
    **both_landmarks('eye', 'eye', 'eye'),
    'nose': Landmark('nose', ('nose',)),
    'neck': Landmark('neck', ('throat', 'chest', 'left_upper_arm', 'right_upper_arm')),
    'root_of_tail': Landmark('tail_root', ('tail', 'loin')),
    **both_landmarks('shoulder', 'shoulder', 'upper_arm', through=('chest',), depth=0.03),
    **both_landmarks('elbow', 'elbow', 'upper_arm', 'forearm'),
    **both_landmarks('front_paw', 'front_paw', 'pastern', 'front_foot'),
    **both_landmarks('hip', 'hip', 'thigh', through=('loin',), depth=0.03),
    **both_landmarks('knee', 'knee', 'thigh', 'shank'),
    **both_landmarks('back_paw', 'back_paw', 'heel', 'back_foot'),
}
_AP10K_ORDER = 'left_eye right_eye nose neck root_of_tail left_shoulder left_elbow left_front_paw '
_AP10K_ORDER += 'right_shoulder right_elbow right_front_paw left_hip left_knee left_back_paw '
_AP10K_ORDER += 'right_hip right_knee right_back_paw'
_AP10K_LINKS = links('left_eye right_eye', 'nose *_eye', 'nose neck root_of_tail')
_AP10K_LINKS += links('neck *_shoulder *_elbow *_front_paw', 'root_of_tail *_hip *_knee *_back_paw')
AP10K = KeypointSet(QUADRUPED, pick(_ANIMAL, _AP10K_ORDER), _AP10K_LINKS, 'ap10k')
KINDS: dict[str, KeypointSet] = {'coco': COCO, 'aic': AIC, 'mpii': MPII, 'ap10k': AP10K, 'wholebody': WHOLEBODY}


def keypoint_set(kind: str) -> KeypointSet:
    """Return the keypoints of a kind. ValueError if it is unknown."""
    if kind not in KINDS:
        raise InputError(f'unknown kind {kind!r}: known kinds are {", ".join(sorted(KINDS))}')
    return KINDS[kind]
