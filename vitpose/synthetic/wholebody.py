"""COCO-WholeBody's keypoints in addition to the body's 17: 6 of the feet, 68 of the face and 21 per hand."""

import numpy as np

from .bodies.hands import FINGERS
from .landmarks import Landmark, both_landmarks, links, pick

_FEET = both_landmarks('big_toe', 'toe', 'foot', offset=(-0.01, -0.002, 0.012))
_FEET |= both_landmarks('small_toe', 'toe', 'foot', offset=(0.013, -0.004, 0.004))
_FEET |= both_landmarks('heel', 'ankle', 'foot', 'shank', offset=(0.0, -0.014, -0.016))
FEET = pick(_FEET, 'left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel')


def _on_surface(x: float, y: float) -> tuple[float, float, float]:
    """Return the point at (x, y) on the front of the head's ellipsoid, in half axes."""
    return x, y, float(np.sqrt(max(1 - x * x - y * y, 0.0)))


def _face() -> dict[str, Landmark]:
    """Return the 68 face landmarks in order, at the features that `paint.draw_head` draws."""
    points: list[tuple[float, float, float]] = []
    for turn in np.linspace(-100, 100, 17):  # the jaw, from right ear to left ear
        angle = np.radians(turn)
        points.append(_on_surface(0.95 * float(np.sin(angle)), -0.95 * float(np.cos(angle))))
    brows = [(x, 0.4 - 0.35 * (x - 0.37) ** 2) for x in np.linspace(0.57, 0.17, 5)]
    points += [_on_surface(-x, y) for x, y in brows] + [_on_surface(x, y) for x, y in reversed(brows)]
    points += [(0.0, y, z) for y, z in ((0.14, 0.99), (0.05, 1.03), (-0.04, 1.08), (-0.12, 1.12))]
    points += [(x, -0.27, 1.06) for x in (-0.12, -0.06, 0.0, 0.06, 0.12)]
    eye = [(0.6, 0.12), (0.45, 0.24), (0.29, 0.24), (0.14, 0.12), (0.29, 0.0), (0.45, 0.0)]  # outer corner first
    points += [_on_surface(-x, y) for x, y in eye]
    points += [_on_surface(*eye[i]) for i in (3, 2, 1, 0, 5, 4)]
    for wide, thick, across in ((0.27, 0.065, 5), (0.2, 0.03, 3)):  # outer lips, inner lips
        corner = [(x, -0.52 + 0.6 * x * x) for x in (-wide, wide)]
        middle = np.linspace(-wide, wide, across + 2)[1:-1]
        top, bottom = ([(x, -0.52 + 0.6 * x * x + side * thick) for x in middle] for side in (1, -1))
        points += [_on_surface(*point) for point in (corner[0], *top, corner[1], *reversed(bottom))]
    pairs = enumerate(zip(points, [0.0] * 17 + [0.1] * 51, strict=True))  # the jaw, and the others
    return {f'face-{i}': Landmark('head', ('head', 'nose'), xyz, True, facing=facing) for i, (xyz, facing) in pairs}


def _hand(side: str) -> dict[str, Landmark]:
    hand = {f'{side}_hand_root': Landmark(f'{side}_wrist', (f'{side}_forearm', f'{side}_hand'))}
    for finger in (f'{side}_{finger}' for finger in FINGERS):
        one, two, three, tip = (f'{finger}{i}' for i in (1, 2, 3, 4))
        shown_by = {one: (one, f'{side}_hand'), two: (one, two), three: (two, three), tip: (three,)}
        hand |= {joint: Landmark(joint, parts) for joint, parts in shown_by.items()}
    return hand


FACE = _face()
HANDS = _hand('left') | _hand('right')
DETAIL_LINKS = links(
    *(f'*_ankle *_{end}' for end in ('big_toe', 'small_toe', 'heel')),
    *(f'*_hand_root *_{finger}1 *_{finger}2 *_{finger}3 *_{finger}4' for finger in FINGERS),
)
