"""Keypoint definitions: a position on a body and the parts on which it is visible."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .bodies.species import Species

Offset = tuple[float, float, float]


@dataclass(frozen=True)
class Landmark:
    """The position of a keypoint and the parts on which it is visible."""

    joint: str  # whose frame the keypoint moves with
    shown_by: tuple[str, ...]  # parts of the body: the keypoint is visible if one of them is drawn at its pixel
    offset: Offset = (0.0, 0.0, 0.0)  # (x, y, z) from the joint in its frame, in statures
    on_head: bool = False  # `offset` is in half axes of the head instead
    through: tuple[str, ...] = ()  # like `shown_by`, unless the keypoint is more than `depth` behind the part's middle
    depth: float = 0.0  # in statures
    facing: float | None = None  # minimum z, towards the camera, of the rotated `offset` for it to be visible


@dataclass(frozen=True)
class KeypointSet:
    """The keypoints of one dataset on one species."""

    species: Species
    landmarks: dict[str, Landmark]  # by keypoint name, in the dataset's order
    skeleton: tuple[tuple[str, str], ...]  # pairs of keypoint names that are joined by a limb
    layout: str = 'coco'  # of the annotation files: 'coco', 'aic', 'mpii', 'ap10k' or 'wholebody'
    size: tuple[int, int] = (320, 240)  # default image width and height in pixels

    @property
    def names(self) -> list[str]:
        """Keypoint names in order."""
        return list(self.landmarks)

    def limbs(self) -> list[tuple[int, int]]:
        """Return the skeleton as pairs of keypoint indices, counted from 0."""
        index = {name: i for i, name in enumerate(self.landmarks)}
        return [(index[a], index[b]) for a, b in self.skeleton]


def both_landmarks(
    name: str, joint: str, *shown_by: str, offset: Offset = (0, 0, 0), **through: Any
) -> dict[str, Landmark]:
    """Return the left and right landmarks at a joint; `offset` is that of the left one."""
    landmarks, (x, y, z) = {}, offset
    for side, sign in (('left', 1), ('right', -1)):
        parts = tuple(f'{side}_{part}' for part in shown_by)
        landmarks[f'{side}_{name}'] = Landmark(f'{side}_{joint}', parts, (sign * x, y, z), **through)
    return landmarks


def pick(landmarks: dict[str, Landmark], names: str) -> dict[str, Landmark]:
    """Return the landmarks with these names, separated by spaces, in their order."""
    return {name: landmarks[name] for name in names.split()}


def links(*chains: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of neighbors in chains of names; `*` stands for left in one copy of a chain, right in another.

    'nose *_eye' gives ('nose', 'left_eye') and ('nose', 'right_eye').
    """
    copies = [chain.replace('*', side) for chain in chains for side in ('left', 'right')]
    return tuple(dict.fromkeys(pair for chain in copies for pair in pairwise(chain.split())))
