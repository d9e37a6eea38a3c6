"""Poses: families of mean joint angles, and how poses are sampled from them."""

from dataclasses import dataclass, field

import numpy as np

from .skeleton import HUMAN, Body, mirror_name

Angle = tuple[float, float, float]  # degrees about x, z and y
Angles = dict[str, Angle]  # by joint name


@dataclass(frozen=True)
class Repertoire:
    """The poses of a body.

    Attributes:
        families: Name to mean angles in degrees about (x, z, y); joints that are not listed have angle 0.
        weights: Difficulty to the relative frequency of each family; `anything` samples any angles.
        gestures: Name to mean angles of the left hand; each hand takes one independently of the family.
    """

    families: dict[str, Angles]
    weights: dict[str, dict[str, float]]
    gestures: dict[str, Angles] = field(default_factory=dict)


def mirrored(angles: Angles) -> Angles:
    """Return the angles of the mirror image: left and right swapped, z and y negated."""
    return {mirror_name(name): (x, -z, -y) for name, (x, z, y) in angles.items()}


def both_angles(joint: str, left: Angle, right: Angle | None = None) -> Angles:
    """Return the angles of a joint on both sides; the right one mirrors the left one unless it is given."""
    angles = {f'left_{joint}': left}
    return angles | (mirrored(angles) if right is None else {f'right_{joint}': right})


# Mean angles in degrees about (x, z, y); see `skeleton` for their signs.
_ARMS_DOWN = both_angles('shoulder', (-5, 10, 0)) | both_angles('elbow', (-18, 0, 0))
FAMILIES: dict[str, Angles] = {
    'stand': _ARMS_DOWN,
    'walk': {
        **both_angles('hip', (-26, 2, 0), (16, -2, 0)),
        **both_angles('knee', (12, 0, 0), (24, 0, 0)),
        **both_angles('shoulder', (24, 9, 0), (-28, -9, 0)),
        **both_angles('elbow', (-25, 0, 0), (-32, 0, 0)),
    },
    'run': {
        'spine': (14, 0, 0),
        **both_angles('hip', (-62, 3, 0), (18, -3, 0)),
        **both_angles('knee', (78, 0, 0), (48, 0, 0)),
        **both_angles('shoulder', (38, 12, 0), (-48, -12, 0)),
        **both_angles('elbow', (-88, 0, 0), (-92, 0, 0)),
    },
    'wave': {**_ARMS_DOWN, 'left_shoulder': (-20, 105, 0), 'left_elbow': (-20, 0, 60), 'spine': (0, -4, 0)},
    'reach': {**_ARMS_DOWN, 'left_shoulder': (-95, 10, 0), 'left_elbow': (-15, 0, 0)},
    'cheer': {
        **both_angles('shoulder', (-165, 18, 0)),
        **both_angles('elbow', (-25, 0, 0)),
        **both_angles('hip', (0, 8, 0)),
    },
    'spread': {
        **both_angles('shoulder', (0, 85, 0)),
        **both_angles('elbow', (-15, 0, 0)),
        **both_angles('hip', (0, 14, 0)),
    },
    'akimbo': {
        **both_angles('shoulder', (18, 48, 0)),
        **both_angles('elbow', (-95, 0, -55)),
        **both_angles('hip', (0, 7, 0)),
    },
    'lunge': {
        **both_angles('hip', (-70, 4, 0), (14, -3, 0)),
        **both_angles('knee', (80, 0, 0), (30, 0, 0)),
        **both_angles('shoulder', (-40, 25, 0), (15, -30, 0)),
        **both_angles('elbow', (-30, 0, 0), (-40, 0, 0)),
    },
    'kick': {
        **_ARMS_DOWN,
        **both_angles('shoulder', (20, 45, 0), (-30, -55, 0)),
        'left_hip': (-75, 12, 0),
        'left_knee': (18, 0, 0),
        'spine': (-8, 0, 0),
    },
    'squat': {
        'spine': (32, 0, 0),
        **both_angles('hip', (-92, 16, 0)),
        **both_angles('knee', (112, 0, 0)),
        **both_angles('shoulder', (-70, 10, 0)),
        **both_angles('elbow', (-30, 0, 0)),
    },
    'sit': {
        **both_angles('hip', (-84, 9, 0)),
        **both_angles('knee', (84, 0, 0)),
        **both_angles('shoulder', (-28, 10, 0)),
        **both_angles('elbow', (-50, 0, 0)),
    },
    'bend': {'spine': (58, 0, 0), 'chest': (15, 0, 0), **both_angles('shoulder', (-75, 8, 0))},
    'jump': {
        **both_angles('shoulder', (-120, 40, 0)),
        **both_angles('hip', (-25, 18, 0), (10, -18, 0)),
        **both_angles('knee', (60, 0, 0), (45, 0, 0)),
    },
}

WEIGHTS: dict[str, dict[str, float]] = {
    'easy': dict(stand=4, walk=4, wave=3, reach=1, cheer=3, spread=4, akimbo=2, lunge=1, kick=1, run=1),
    'hard': dict.fromkeys(FAMILIES, 1.0) | {'anything': 3.0},
}
PEOPLE = Repertoire(FAMILIES, WEIGHTS)


def sample_pose(
    rng: np.random.Generator, difficulty: str, body: Body = HUMAN, repertoire: Repertoire = PEOPLE
) -> Angles:
    """Sample a pose within the body's joint limits.

    A family is chosen, normal noise proportional to each joint's range is added, and half of the poses are mirrored.
    `anything` samples each joint uniformly from the middle of its range.

    Args:
        rng: Random generator.
        difficulty: 'easy' or 'hard'.
        body: Body with the joint limits.
        repertoire: Poses of the body.

    Returns:
        Joint name to degrees about (x, z, y).
    """
    weights = repertoire.weights[difficulty]
    names = list(weights)
    family = str(rng.choice(names, p=np.array(list(weights.values())) / sum(weights.values())))
    if family == 'anything':
        angles = {name: _middle(rng, joint.limits) for name, joint in body.joints.items()}
    else:
        spread = 0.04 if difficulty == 'easy' else 0.085
        means = repertoire.families[family] | _gestures(rng, repertoire)
        angles = {}
        for name, joint in body.joints.items():
            low, high = np.array(joint.limits, dtype=float).T
            mean = np.array(means.get(name, (0, 0, 0)), dtype=float)
            angles[name] = tuple(rng.normal(mean, spread * (high - low) + 1e-9))
    if rng.random() < 0.5:
        angles = mirrored(angles)
    return {name: (float(x), float(z), float(y)) for name, (x, z, y) in body.clip(angles).items()}


def _gestures(rng: np.random.Generator, repertoire: Repertoire) -> Angles:
    """Sample a gesture for each hand."""
    if not repertoire.gestures:
        return {}
    left, right = (repertoire.gestures[str(rng.choice(list(repertoire.gestures)))] for _ in range(2))
    return left | mirrored(right)


def _middle(rng: np.random.Generator, limits: tuple) -> Angle:
    low, high = np.array(limits, dtype=float).T
    return tuple(low + (high - low) * rng.uniform(0.12, 0.88, 3))
