"""Render a short video of people who walk through the image and cross each other."""

from collections.abc import Iterator

import numpy as np

from .bodies.pose_families import FAMILIES, mirrored, sample_pose
from .bodies.skeleton import Angles, rotation
from .bodies.species import Species
from .figure import Figure, draw_figure, place
from .labels import annotate
from .landmarks import KeypointSet
from .paint import Canvas
from .renderer import DIFFICULTIES, draw_background


def render_clip(
    rng: np.random.Generator, table: KeypointSet, frames: int, people: int = 3, height: int = 240, width: int = 320
) -> Iterator[tuple[np.ndarray, dict[int, dict]]]:
    """Render the frames of a video in which people cross from side to side, every second one from right to left.

    Yields image (H, W, 3) uint8 BGR, and the annotation of each person who is visible, by number from 1, as
    `labels.annotate` makes it. People are numbered from back to front. The same state of `rng` gives the same video.
    """
    background = draw_background(rng, height, width, DIFFICULTIES['easy'].clutter)
    walks = []
    for number in range(people):
        depth = (number + 1) / people
        ends = (rng.uniform(0.05, 0.1) + 0.25 * number / people + np.array((0, 0.6))) * width
        direction = 1 if number % 2 == 0 else -1  # 1: from left to right
        ground_y = np.full(frames, (0.8 + 0.16 * depth) * height)
        start, end = ends[::direction]
        path = np.column_stack((np.linspace(start, end, frames), ground_y))
        yaw = direction * rng.uniform(20, 45)
        walks.append(_walk(rng, table.species, path, yaw, (0.5 + 0.25 * depth) * height))
    for figures in zip(*walks, strict=True) if walks else [()] * frames:
        canvas = Canvas(background)
        for number, figure in enumerate(figures, 1):
            draw_figure(canvas, figure, number)
        annotations = {number: annotate(canvas, figure, number, table) for number, figure in enumerate(figures, 1)}
        image = np.clip(canvas.image, 0, 255).astype(np.uint8)
        yield image, {number: person for number, person in annotations.items() if person is not None}


def _walk(rng: np.random.Generator, species: Species, path: np.ndarray, yaw: float, scale: float) -> list[Figure]:
    """Return the figure of one person in each frame, who goes from one step to the other and back in a period.

    `path` (frames, 2) has the position of the feet in pixels, `yaw` is in degrees, `scale` in pixels per stature.
    """
    legs = {name: angle for name, angle in FAMILIES['walk'].items() if name.endswith(('hip', 'knee'))}
    steps = (legs, mirrored(legs))
    left_step, right_step = (sample_pose(rng, 'easy', species.body, species.repertoire) | step for step in steps)
    period = rng.uniform(24, 32)  # in frames
    build, looks = species.body.sample_build(rng), species.dress(rng, None)
    view = rotation(4, 0, 0) @ rotation(0, 0, yaw)
    figures = []
    for frame, foot in enumerate(path):
        progress = 0.5 - 0.5 * np.cos(2 * np.pi * frame / period)
        mixed = {name: np.array(a) + progress * (np.array(right_step[name]) - a) for name, a in left_step.items()}
        angles: Angles = {name: (x, z, y) for name, (x, z, y) in mixed.items()}
        figure = place(species.body, angles, build, view, scale, looks)
        figures.append(figure.moved(*(foot - figure.foot())))
    return figures
