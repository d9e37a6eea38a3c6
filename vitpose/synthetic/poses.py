"""What people do: families of poses as tables of joint angles, each sampled with its own spread."""

from dataclasses import dataclass, field

import numpy as np

from .skeleton import HUMAN, Body, mirror_name

Angles = dict[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Repertoire:
    """What a body does.

    Attributes:
        families: Name to mean angles in degrees about (x, z, y); joints that are not named rest.
        weights: Difficulty to how often it takes each family; `anything` is no table but any angles.
        gestures: Tables for the left side, of which each side takes its own, whatever the family.
    """

    families: dict[str, Angles]
    weights: dict[str, dict[str, float]]
    gestures: dict[str, Angles] = field(default_factory=dict)


# Mean angles in degrees about (x, z, y), for the left where the two sides are alike; see `skeleton` for the signs.
_ARMS_DOWN: Angles = {
    'left_shoulder': (-5, 10, 0),
    'right_shoulder': (-5, -10, 0),
    'left_elbow': (-18, 0, 0),
    'right_elbow': (-18, 0, 0),
}
FAMILIES: dict[str, Angles] = {
    'stand': _ARMS_DOWN,
    'walk': {
        'left_hip': (-26, 2, 0),
        'right_hip': (16, -2, 0),
        'left_knee': (12, 0, 0),
        'right_knee': (24, 0, 0),
        'left_shoulder': (24, 9, 0),
        'right_shoulder': (-28, -9, 0),
        'left_elbow': (-25, 0, 0),
        'right_elbow': (-32, 0, 0),
    },
    'run': {
        'spine': (14, 0, 0),
        'left_hip': (-62, 3, 0),
        'right_hip': (18, -3, 0),
        'left_knee': (78, 0, 0),
        'right_knee': (48, 0, 0),
        'left_shoulder': (38, 12, 0),
        'right_shoulder': (-48, -12, 0),
        'left_elbow': (-88, 0, 0),
        'right_elbow': (-92, 0, 0),
    },
    'wave': {**_ARMS_DOWN, 'left_shoulder': (-20, 105, 0), 'left_elbow': (-20, 0, 60), 'spine': (0, -4, 0)},
    'reach': {**_ARMS_DOWN, 'left_shoulder': (-95, 10, 0), 'left_elbow': (-15, 0, 0)},
    'cheer': {
        'left_shoulder': (-165, 18, 0),
        'right_shoulder': (-165, -18, 0),
        'left_elbow': (-25, 0, 0),
        'right_elbow': (-25, 0, 0),
        'left_hip': (0, 8, 0),
        'right_hip': (0, -8, 0),
    },
    'spread': {
        'left_shoulder': (0, 85, 0),
        'right_shoulder': (0, -85, 0),
        'left_elbow': (-15, 0, 0),
        'right_elbow': (-15, 0, 0),
        'left_hip': (0, 14, 0),
        'right_hip': (0, -14, 0),
    },
    'akimbo': {
        'left_shoulder': (18, 48, 0),
        'right_shoulder': (18, -48, 0),
        'left_elbow': (-95, 0, -55),
        'right_elbow': (-95, 0, 55),
        'left_hip': (0, 7, 0),
        'right_hip': (0, -7, 0),
    },
    'lunge': {
        'left_hip': (-70, 4, 0),
        'left_knee': (80, 0, 0),
        'right_hip': (14, -3, 0),
        'right_knee': (30, 0, 0),
        'left_shoulder': (-40, 25, 0),
        'right_shoulder': (15, -30, 0),
        'left_elbow': (-30, 0, 0),
        'right_elbow': (-40, 0, 0),
    },
    'kick': {
        **_ARMS_DOWN,
        'left_hip': (-75, 12, 0),
        'left_knee': (18, 0, 0),
        'spine': (-8, 0, 0),
        'right_shoulder': (-30, -55, 0),
        'left_shoulder': (20, 45, 0),
    },
    'squat': {
        'spine': (32, 0, 0),
        'left_hip': (-92, 16, 0),
        'right_hip': (-92, -16, 0),
        'left_knee': (112, 0, 0),
        'right_knee': (112, 0, 0),
        'left_shoulder': (-70, 10, 0),
        'right_shoulder': (-70, -10, 0),
        'left_elbow': (-30, 0, 0),
        'right_elbow': (-30, 0, 0),
    },
    'sit': {
        'left_hip': (-84, 9, 0),
        'right_hip': (-84, -9, 0),
        'left_knee': (84, 0, 0),
        'right_knee': (84, 0, 0),
        'left_shoulder': (-28, 10, 0),
        'right_shoulder': (-28, -10, 0),
        'left_elbow': (-50, 0, 0),
        'right_elbow': (-50, 0, 0),
    },
    'bend': {'spine': (58, 0, 0), 'chest': (15, 0, 0), 'left_shoulder': (-75, 8, 0), 'right_shoulder': (-75, -8, 0)},
    'jump': {
        'left_shoulder': (-120, 40, 0),
        'right_shoulder': (-120, -40, 0),
        'left_hip': (-25, 18, 0),
        'right_hip': (10, -18, 0),
        'left_knee': (60, 0, 0),
        'right_knee': (45, 0, 0),
    },
}

WEIGHTS: dict[str, dict[str, float]] = {
    'easy': {
        'stand': 4,
        'walk': 4,
        'wave': 3,
        'reach': 1,
        'cheer': 3,
        'spread': 4,
        'akimbo': 2,
        'lunge': 1,
        'kick': 1,
        'run': 1,
    },
    'hard': dict.fromkeys(FAMILIES, 1.0) | {'anything': 3.0},
}
PEOPLE = Repertoire(FAMILIES, WEIGHTS)


def sample_pose(
    rng: np.random.Generator, difficulty: str, body: Body = HUMAN, repertoire: Repertoire = PEOPLE
) -> Angles:
    """Draws a pose inside the body's joint limits.

    A family is chosen, mirrored half of the time (so no side is favoured), and every joint is moved by a normal
    amount in proportion to its range. `anything` takes each joint evenly from the middle of its range.

    Args:
        rng: Source of randomness.
        difficulty: 'easy' or 'hard'.
        body: The body whose limits hold.
        repertoire: What it does.

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
        angles = {mirror_name(name): (x, -z, -y) for name, (x, z, y) in angles.items()}
    return {name: (float(x), float(z), float(y)) for name, (x, z, y) in body.clip(angles).items()}


def _gestures(rng: np.random.Generator, repertoire: Repertoire) -> Angles:
    """A gesture of the left side, and another of the right one."""
    if not repertoire.gestures:
        return {}
    left, right = (repertoire.gestures[str(rng.choice(list(repertoire.gestures)))] for _ in range(2))
    return left | {mirror_name(name): (x, -z, -y) for name, (x, z, y) in right.items()}


def _middle(rng: np.random.Generator, limits: tuple) -> tuple[float, float, float]:
    low, high = np.array(limits, dtype=float).T
    return tuple(low + (high - low) * rng.uniform(0.12, 0.88, 3))
