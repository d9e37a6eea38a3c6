"""A person with fingers: the human body of `skeleton` with five fingers on each hand."""

from dataclasses import replace

from .pose_families import FAMILIES, WEIGHTS, Repertoire
from .skeleton import HUMAN, Angles, Body, Bone, Joint, both_sides
from .species import Species

FINGERS = ('thumb', 'forefinger', 'middle_finger', 'ring_finger', 'pinky_finger')

# The left hand at rest: the palm faces the thigh (-x), the thumb is in front (+z). The first joint of a finger is
# relative to the wrist, the others each to the previous one, in statures. Hands are slightly larger than life.
_OFFSETS = {
    'thumb': ((-0.004, -0.018, 0.024), (-0.003, -0.017, 0.018), (-0.002, -0.018, 0.01), (0.0, -0.015, 0.006)),
    'forefinger': ((0.0, -0.062, 0.023), (0.0, -0.028, 0.003), (0.0, -0.02, 0.002), (0.0, -0.016, 0.001)),
    'middle_finger': ((0.0, -0.066, 0.007), (0.0, -0.031, 0.001), (0.0, -0.022, 0.0), (0.0, -0.017, 0.0)),
    'ring_finger': ((0.0, -0.062, -0.009), (0.0, -0.028, -0.002), (0.0, -0.02, -0.001), (0.0, -0.016, -0.001)),
    'pinky_finger': ((0.0, -0.054, -0.023), (0.0, -0.022, -0.004), (0.0, -0.015, -0.003), (0.0, -0.013, -0.002)),
}
_RADII = {'thumb': 0.0105, 'forefinger': 0.0085, 'middle_finger': 0.009, 'ring_finger': 0.0085, 'pinky_finger': 0.0075}
_WRIST = ((-50.0, 50.0), (-20.0, 20.0), (-85.0, 85.0))  # includes the forearm's twist
_KNUCKLE = ((-14.0, 14.0), (-85.0, 5.0), (0.0, 0.0))
_CURL = ((-4.0, 4.0), (-85.0, 5.0), (0.0, 0.0))
_THUMB = ((-20.0, 20.0), (-40.0, 10.0), (-20.0, 20.0))


def _add_fingers(body: Body) -> Body:
    joints = {'left_wrist': replace(body.joints['left_wrist'], limits=_WRIST)}
    bones = {'left_hand': Bone('left_wrist', 'left_middle_finger1', (0.018, 0.026, 0.028, 0.026), z_offset=0.004)}
    for finger, offsets in _OFFSETS.items():
        limits = (_THUMB, _THUMB, _THUMB, Joint.limits) if finger == 'thumb' else (_KNUCKLE, _CURL, _CURL, Joint.limits)
        parent = 'left_wrist'
        for i, (offset, limit) in enumerate(zip(offsets, limits, strict=True), 1):
            name = f'left_{finger}{i}'
            joints[name] = Joint(parent, offset, limit, 'arms')
            if i > 1:
                bones[parent] = Bone(parent, name, (_RADII[finger], _RADII[finger] * 0.9), z_offset=0.006)
            parent = name
    return replace(body, joints=body.joints | both_sides(joints), bones=body.bones | both_sides(bones))


def _gesture(curl: float, thumb: float, twist: float, straight: tuple[str, ...] = (), fan: float = 3.0) -> Angles:
    """Return the angles of a left hand whose fingers bend by `curl` degrees per joint, but those in `straight`.

    `twist` is that of the forearm, and `fan` the angle between neighboring fingers.
    """
    angles: Angles = {'left_wrist': (0, 0, twist)}
    for i, finger in enumerate(FINGERS):
        bend = 4.0 if finger in straight else thumb if finger == 'thumb' else curl
        for joint in range(1, 4):
            spread = (2 - i) * -fan if joint == 1 and finger != 'thumb' else 0.0
            angles[f'left_{finger}{joint}'] = (spread, -bend, 0)
    return angles


GESTURES: dict[str, Angles] = {
    'flat': _gesture(3, 5, 0),
    'palm': _gesture(5, 0, 70, fan=5.0),
    'back': _gesture(5, 0, -70, fan=5.0),
    'relaxed': _gesture(28, 15, 40),
    'fist': _gesture(75, 32, -40),
    'point': _gesture(70, 30, 45, ('forefinger',)),
}
DETAILED_PERSON = Species(_add_fingers(HUMAN), Repertoire(FAMILIES, WEIGHTS, GESTURES))
