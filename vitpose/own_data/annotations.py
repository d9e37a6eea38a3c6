"""What every annotation format is read into."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SPLITS = ('train', 'val', 'test')
Box = tuple[float, float, float, float]  # x y width height in image pixels


@dataclass
class Instance:
    """One annotated person, animal or thing."""

    keypoints: np.ndarray  # (K, 3) float64: x and y in image pixels, and 0 (not labeled), 1 (hidden) or 2 (visible)
    where: str  # its place in the annotations, for messages
    box: Box | None = None  # if the format has boxes


@dataclass
class Photo:
    """One image and its instances."""

    path: Path
    name: str  # in the annotations
    instances: list[Instance] = field(default_factory=list)
    split: str | None = None  # 'train', 'val' or 'test' if the annotations have a split
    video: str | None = None  # the video it is a frame of, if the annotations say so
    size: tuple[float, float] | None = None  # (w, h) in pixels of the image that was labeled, if they say so
    is_relative: bool = False  # whether the labels were fractions of the size, which is then the file's


@dataclass
class Labels:
    """The keypoints of a dataset."""

    names: list[str]
    links: list[tuple[int, int]] = field(default_factory=list)  # the skeleton: pairs of indices
    mirror: list[int] | None = None  # index of each keypoint's counterpart on the other side, if the format has it
    flip: bool = True  # whether images may be flipped, as far as the format says


@dataclass
class Annotations:
    """Everything read from the annotations of one dataset."""

    labels: Labels
    photos: list[Photo]
    category: str  # name of what is annotated
    notes: list[str] = field(default_factory=list)  # what was assumed or left out, one line each
    unreadable: list[str] = field(default_factory=list)  # rows that are left out: where, and why

    @property
    def count(self) -> int:
        """Number of instances."""
        return sum(len(photo.instances) for photo in self.photos)
