"""Render a short video of people who move through the image and cross each other."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .figure import Figure, draw_figure, place
from .landmarks import KeypointSet
from .paint import Canvas
from .poses import FAMILIES, Angles, mirrored, sample_pose
from .renderer import annotate, difficulty, foot
from .scenery import draw_background, draw_shadow
from .skeleton import rotation
from .species import Species
from .wardrobe import Wardrobe

WALK = FAMILIES['walk']


@dataclass(frozen=True)
class Walker:
    """One person of a clip, who walks on a straight line.

    Attributes:
        poses: Two poses, each one step; the person goes from one to the other and back in a period.
        period: In frames.
        yaw: Of the body towards the camera, in degrees.
        scale: Pixels per stature.
        build: Build factors.
        wardrobe: Colours.
        path: x of the feet in the first and the last frame, and y, in pixels.
    """

    poses: tuple[Angles, Angles]
    period: float
    yaw: float
    scale: float
    build: dict[str, float]
    wardrobe: Wardrobe
    path: tuple[float, float, float]

    def figure(self, species: Species, frame: int, frames: int) -> Figure:
        """Return the posed figure of a frame."""
        share = 0.5 - 0.5 * np.cos(2 * np.pi * frame / self.period)
        one, other = self.poses
        angles: Angles = {}
        for name in one:
            x, z, y = (float(a + share * (b - a)) for a, b in zip(one[name], other[name], strict=True))
            angles[name] = (x, z, y)
        view = rotation(4, 0, 0) @ rotation(0, 0, self.yaw)
        figure = place(species.body, angles, self.build, view, self.scale, self.wardrobe)
        start, end, ground = self.path
        x = start + (end - start) * frame / max(frames - 1, 1)
        return figure.moved(*(np.array((x, ground)) - foot(figure)))


def render_clip(
    rng: np.random.Generator, table: KeypointSet, frames: int, people: int = 3, height: int = 240, width: int = 320
) -> Iterator[tuple[np.ndarray, dict[int, dict]]]:
    """Render the frames of a video in which people cross from side to side.

    Args:
        rng: Random generator; the same state gives the same video.
        table: Species to draw and keypoints to annotate.
        frames: Number of frames.
        people: Number of people; every second one walks from right to left.
        height: Image height in pixels.
        width: Image width in pixels.

    Yields:
        Image (H, W, 3) uint8 BGR, and the annotation of each person who is visible, by number from 1, as in
        `renderer.RenderedImage.people`. People are numbered from back to front.
    """
    background = draw_background(rng, height, width, difficulty('easy').clutter)
    light = np.array((rng.uniform(-0.8, 0.8), rng.uniform(-0.9, -0.2), 0.8))
    walkers = [_sample_walker(rng, table.species, number, people, height, width) for number in range(people)]
    for frame in range(frames):
        canvas = Canvas.blank(background.copy(), light)
        figures = [walker.figure(table.species, frame, frames) for walker in walkers]
        for number, figure in enumerate(figures, 1):
            draw_shadow(canvas, foot(figure), figure.body.footprint * figure.scale)
            draw_figure(canvas, figure, number)
        found = {number: annotate(canvas, figure, number, table) for number, figure in enumerate(figures, 1)}
        image = np.clip(canvas.image, 0, 255).astype(np.uint8)
        yield image, {number: person for number, person in found.items() if person is not None}


def _sample_walker(
    rng: np.random.Generator, species: Species, number: int, people: int, height: int, width: int
) -> Walker:
    """Sample person `number` of `people`, counted from 0 and from the back."""
    depth = (number + 1) / people
    side = 1 if number % 2 == 0 else -1  # 1: from left to right
    ends = (rng.uniform(0.05, 0.1) + 0.25 * number / people + np.array((0, 0.6))) * width
    legs = {name: angle for name, angle in WALK.items() if name.endswith(('hip', 'knee'))}
    one, other = (sample_pose(rng, 'easy', species.body, species.repertoire) for _ in range(2))
    return Walker(
        poses=(one | legs, other | mirrored(legs)),
        period=float(rng.uniform(24, 32)),
        yaw=side * float(rng.uniform(20, 45)),
        scale=(0.5 + 0.25 * depth) * height,
        build=species.body.sample_build(rng, species.sample_breed(rng).factors),
        wardrobe=species.dress(rng, None),
        path=(*ends[::side], (0.8 + 0.16 * depth) * height),
    )
