"""Families of human poses as mean joint angles, and how poses are sampled from families."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from .skeleton import HUMAN, Angle, Angles, Body, mirror_name


@dataclass(frozen=True)
class Repertoire:
    """The poses of a body."""

    families: dict[str, Angles]  # name to mean angles in degrees about (x, z, y); 0 for joints that are not listed
    weights: dict[str, dict[str, float]]  # difficulty to frequencies of families; `anything` samples any angles
    gestures: dict[str, Angles] = field(default_factory=dict)  # name to angles of the left hand; each hand takes one


def mirrored(angles: Angles) -> Angles:
    """Return the angles of the mirror image: left and right swapped, z and y negated."""
    return {mirror_name(name): (x, -z, -y) for name, (x, z, y) in angles.items()}


def left(side: str = 'left', /, **angles: Angle) -> Angles:
    """Return the angles of joints on one side, named without the side."""
    return {f'{side}_{joint}': angle for joint, angle in angles.items()}


right = partial(left, 'right')


def both(**angles: Angle) -> Angles:
    """Return the angles of joints on both sides from those of the left ones, named without the side."""
    return left(**angles) | mirrored(left(**angles))


# Mean angles in degrees about (x, z, y); see `skeleton` for their signs.
_ARMS_DOWN = both(shoulder=(-5, 10, 0), elbow=(-18, 0, 0))
FAMILIES: dict[str, Angles] = {
    'stand': _ARMS_DOWN,
    'walk': left(hip=(-26, 2, 0), knee=(12, 0, 0), shoulder=(24, 9, 0), elbow=(-25, 0, 0))
    | right(hip=(16, -2, 0), knee=(24, 0, 0), shoulder=(-28, -9, 0), elbow=(-32, 0, 0)),
    'run': {'spine': (14, 0, 0)}
    | left(hip=(-62, 3, 0), knee=(78, 0, 0), shoulder=(38, 12, 0), elbow=(-88, 0, 0))
    | right(hip=(18, -3, 0), knee=(48, 0, 0), shoulder=(-48, -12, 0), elbow=(-92, 0, 0)),
    'wave': _ARMS_DOWN | {'spine': (0, -4, 0)} | left(shoulder=(-20, 105, 0), elbow=(-20, 0, 60)),
    'reach': _ARMS_DOWN | left(shoulder=(-95, 10, 0), elbow=(-15, 0, 0)),
    'cheer': both(shoulder=(-165, 18, 0), elbow=(-25, 0, 0), hip=(0, 8, 0)),
    'spread': both(shoulder=(0, 85, 0), elbow=(-15, 0, 0), hip=(0, 14, 0)),
    'akimbo': both(shoulder=(18, 48, 0), elbow=(-95, 0, -55), hip=(0, 7, 0)),
    'lunge': left(hip=(-70, 4, 0), knee=(80, 0, 0), shoulder=(-40, 25, 0), elbow=(-30, 0, 0))
    | right(hip=(14, -3, 0), knee=(30, 0, 0), shoulder=(15, -30, 0), elbow=(-40, 0, 0)),
    'kick': _ARMS_DOWN
    | {'spine': (-8, 0, 0)}
    | left(shoulder=(20, 45, 0), hip=(-75, 12, 0), knee=(18, 0, 0))
    | right(shoulder=(-30, -55, 0)),
    'squat': {'spine': (32, 0, 0)} | both(hip=(-92, 16, 0), knee=(112, 0, 0), shoulder=(-70, 10, 0), elbow=(-30, 0, 0)),
    'sit': both(hip=(-84, 9, 0), knee=(84, 0, 0), shoulder=(-28, 10, 0), elbow=(-50, 0, 0)),
    'bend': {'spine': (58, 0, 0), 'chest': (15, 0, 0)} | both(shoulder=(-75, 8, 0)),
    'jump': both(shoulder=(-120, 40, 0))
    | left(hip=(-25, 18, 0), knee=(60, 0, 0))
    | right(hip=(10, -18, 0), knee=(45, 0, 0)),
}
_EASY: dict[str, float] = dict(stand=4, walk=4, wave=3, reach=1, cheer=3, spread=4, akimbo=2, lunge=1, kick=1, run=1)
WEIGHTS = {'easy': _EASY, 'hard': dict.fromkeys(FAMILIES, 1.0) | {'anything': 3.0}}
PEOPLE = Repertoire(FAMILIES, WEIGHTS)


def sample_pose(
    rng: np.random.Generator, difficulty: str, body: Body = HUMAN, repertoire: Repertoire = PEOPLE
) -> Angles:
    """Sample a pose within the body's joint limits.

    A family is chosen, normal noise proportional to each joint's range is added, and half of the poses are mirrored.
    `anything` samples each joint uniformly from the middle of its range.
    """
    weights = repertoire.weights[difficulty]
    family = rng.choice(list(weights), p=np.array(list(weights.values())) / sum(weights.values()))
    means = repertoire.families.get(family, {})
    if repertoire.gestures:
        gestures = [repertoire.gestures[rng.choice(list(repertoire.gestures))] for _ in range(2)]
        means = means | gestures[0] | mirrored(gestures[1])
    deviation = 0.04 if difficulty == 'easy' else 0.085  # relative to the joint's range
    angles: Angles = {}
    for name, joint in body.joints.items():
        low, high = np.array(joint.limits, dtype=float).T
        if family == 'anything':
            angle = low + (high - low) * rng.uniform(0.12, 0.88, 3)
        else:
            angle = rng.normal(means.get(name, (0, 0, 0)), deviation * (high - low))
        angles[name] = tuple(angle)
    return body.clip(mirrored(angles) if rng.random() < 0.5 else angles)
