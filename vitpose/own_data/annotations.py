"""What every annotation format is read into."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import InputError

SPLITS = ('train', 'val', 'test')


@dataclass
class Instance:
    """One annotated person, animal or thing.

    Attributes:
        keypoints: (K, 3) float64: x and y in image pixels, and 0 (not labelled), 1 (hidden) or 2 (visible).
        where: where it stands in the annotations, for messages.
        box: x y width height in image pixels, or None if the format has none.
    """

    keypoints: np.ndarray
    where: str
    box: tuple[float, float, float, float] | None = None


@dataclass
class Photo:
    """One image and its instances.

    Attributes:
        path: of the image file.
        name: its name in the annotations.
        instances: what is annotated in it.
        split: 'train', 'val' or 'test' if the annotations say so.
        video: what the image is a frame of, if the annotations say so.
    """

    path: Path
    name: str
    instances: list[Instance] = field(default_factory=list)
    split: str | None = None
    video: str | None = None


@dataclass
class Labels:
    """The keypoints of a dataset.

    Attributes:
        names: of K keypoints.
        links: pairs of indices, the skeleton.
        mirror: index of the keypoint on the other side, for each keypoint; None if the format does not say.
    """

    names: list[str]
    links: list[tuple[int, int]] = field(default_factory=list)
    mirror: list[int] | None = None


@dataclass
class Annotations:
    """Everything read from the annotations of one dataset.

    Attributes:
        labels: its keypoints.
        photos: its images.
        category: name of what is annotated.
        notes: what was assumed or left out, a line each.
    """

    labels: Labels
    photos: list[Photo]
    category: str
    notes: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of instances."""
        return sum(len(photo.instances) for photo in self.photos)


def numbers(values: object, count: int, where: str) -> np.ndarray:
    """Return a list as an array.

    Raises:
        ValueError: it is not a list of `count` numbers.
    """
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.shape != (count,):
        shown = repr(values)
        raise InputError(
            f'{where}: expected {count} numbers, got {len(values) if isinstance(values, list) else "none"}: '
            f'{shown if len(shown) < 80 else shown[:77] + "..."}'
        )
    return array


def check_names(names: object, where: str) -> list[str]:
    """Return keypoint names.

    Raises:
        ValueError: they are not texts, or one occurs twice.
    """
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names) or not names:
        raise InputError(f'{where}: expected a list of keypoint names, got {names!r}')
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f'{where}: keypoint name {twice[0]!r} occurs twice')
    return names


def choose(names: list[str], wanted: str | None) -> str:
    """Choose one category.

    Args:
        names: categories with annotated keypoints.
        wanted: what the user asked for.

    Raises:
        ValueError: there is no such category, or there are several and none was asked for.
    """
    if wanted in names:
        return str(wanted)
    if wanted is None and len(names) == 1:
        return names[0]
    listed = ', '.join(map(repr, names)) or 'none'
    if wanted is None:
        raise InputError(
            f'{len(names)} categories have keypoints: {listed}. Choose one with --category NAME, or write a dataset '
            'for each with --category each'
        )
    raise InputError(f'--category {wanted!r}: the annotated categories are {listed}')
