"""A figure: a body posed in the image, and how it is drawn."""

from dataclasses import dataclass, replace

import numpy as np

from .paint import Canvas, Paint, draw_head, draw_limb
from .skeleton import Body
from .wardrobe import Wardrobe

PARTS_PER_FIGURE = 64  # pixel id = 64 * figure number + part number; see `part_ids`


@dataclass(frozen=True)
class Figure:
    """A body posed in the image.

    Attributes:
        body: The body.
        points: Joint name to (x, y, z): x and y in image pixels, z in pixels towards the camera.
        frames: Joint name to rotation (3, 3) into the camera's frame (x right, y up, z towards the camera).
        scale: Pixels per stature.
        build: Build factors, as in `Body.factors`.
        wardrobe: Colours.
        category: Category id, as in `species.Breed`.
    """

    body: Body
    points: dict[str, np.ndarray]
    frames: dict[str, np.ndarray]
    scale: float
    build: dict[str, float]
    wardrobe: Wardrobe
    category: int = 1

    def moved(self, dx: float, dy: float) -> 'Figure':
        """Return the figure translated by (dx, dy) pixels."""
        shift = np.array((dx, dy, 0.0))
        return replace(self, points={name: point + shift for name, point in self.points.items()})

    def extent(self) -> np.ndarray:
        """Return the box (left, top, right, bottom) of the joints in pixels, with a margin for limbs and head."""
        xy = np.stack([point[:2] for point in self.points.values()])
        head = self.points[self.body.head][:2]
        low = np.minimum(xy.min(0) - 0.03 * self.scale, head - self.body.head_radii[1] * self.scale)
        high = np.maximum(xy.max(0) + 0.03 * self.scale, head + self.body.head_radii[1] * self.scale)
        return np.concatenate((low, high))

    def head_box(self) -> np.ndarray:
        """Return the box (left, top, right, bottom) of the head in pixels."""
        reach = np.sqrt(((self.frames[self.body.head] * self.body.head_radii) ** 2).sum(1))[:2] * self.scale
        centre = self.points[self.body.head][:2]
        return np.concatenate((centre - reach, centre + reach))

    def middle_z(self, bone: str) -> float:
        """Return the z of a bone's middle in pixels towards the camera."""
        ends = self.body.bones[bone]
        return (self.points[ends.start][2] + self.points[ends.end][2]) / 2


def place(
    body: Body,
    angles: dict[str, tuple[float, float, float]],
    build: dict[str, float],
    view: np.ndarray,
    scale: float,
    wardrobe: Wardrobe,
    category: int = 1,
) -> Figure:
    """Pose a body and project it orthographically; its root joint is at pixel (0, 0).

    Args:
        body: The body.
        angles: Joint angles in degrees.
        build: Build factors.
        view: (3, 3) rotation from the body's frame to the camera's.
        scale: Pixels per stature.
        wardrobe: Colours.
        category: Category id.
    """
    positions, frames = body.forward(angles, build, view)
    to_pixels = np.array((scale, -scale, scale))
    points = {name: position * to_pixels for name, position in positions.items()}
    return Figure(body, points, frames, scale, build, wardrobe, category)


def part_ids(body: Body) -> dict[str, int]:
    """Map part names to part numbers within a figure, from 1: first the bones, then the parts of the head."""
    names = dict.fromkeys((*body.bones, 'head', 'nose', 'left_ear', 'right_ear', 'hair'))
    return {name: i + 1 for i, name in enumerate(names)}


def draw_figure(canvas: Canvas, figure: Figure, number: int) -> None:
    """Draw the parts of a figure from back to front.

    Args:
        canvas: Canvas to draw on.
        figure: The figure.
        number: Number of the figure in the image, from 1.
    """
    ids = {name: number * PARTS_PER_FIGURE + i for name, i in part_ids(figure.body).items()}
    head_z = figure.points[figure.body.head][2]
    parts = [(figure.middle_z(name) + bone.z_offset * figure.scale, name) for name, bone in figure.body.bones.items()]
    for _, name in sorted([*parts, (head_z + 0.03 * figure.scale, 'head')]):
        if name == 'head':
            _draw_head(canvas, figure, ids)
        else:
            _draw_bone(canvas, figure, name, ids[name])


def _draw_bone(canvas: Canvas, figure: Figure, name: str, ident: int) -> None:
    bone = figure.body.bones[name]
    radii = np.array(bone.radii) * figure.scale * figure.build.get('girth', 1.0)
    if bone.flatness != 1:
        edge_on = figure.frames[bone.end][2, 0]
        radii = radii * np.sqrt(1 - edge_on**2 + (bone.flatness * edge_on) ** 2)
    paint = figure.wardrobe.paints.get(name) or Paint.plain(figure.wardrobe.face.skin)
    draw_limb(canvas, figure.points[bone.start][:2], figure.points[bone.end][:2], radii, paint, ident, bone.cap)


def on_head(figure: Figure, offset: tuple[float, float, float]) -> np.ndarray:
    """Return the position (x, y, z) in pixels, as in `Figure.points`, of a point given in the head's half axes."""
    offset_px = figure.frames[figure.body.head] @ (np.array(offset) * figure.body.head_radii) * figure.scale
    return figure.points[figure.body.head] + offset_px * (1, -1, 1)


def _draw_head(canvas: Canvas, figure: Figure, ids: dict[str, int]) -> None:
    face, scale = figure.wardrobe.face, figure.scale
    centre = figure.points[figure.body.head]
    half_axes = np.array(figure.body.head_radii) * scale
    unit = half_axes[0]
    darker = Paint.plain(face.skin * 0.88)
    parts: list[tuple[float, str]] = [(0.0, 'head')]
    features = {  # start, end and radii in half axes
        'nose': ((0.0, 0.08, 0.97), (0.0, -0.17, 1.1), (0.09, 0.15)),
        'left_ear': ((1.0, 0.16, -0.08), (1.0, -0.2, -0.08), (0.19, 0.13)),
        'right_ear': ((-1.0, 0.16, -0.08), (-1.0, -0.2, -0.08), (0.19, 0.13)),
    }
    if face.marks:
        for name, (start, *_) in features.items():
            parts.append((on_head(figure, start)[2] - centre[2] + 0.12 * unit, name))
    if figure.wardrobe.long_hair:
        parts.append((on_head(figure, (0.0, 0.0, -0.55))[2] - centre[2], 'hair'))
    for _, name in sorted(parts):
        if name == 'head':
            frame = figure.frames[figure.body.head]
            draw_head(canvas, centre[:2], frame, half_axes, face, ids['head'])
        elif name == 'hair':
            bottom = on_head(figure, (0.0, -figure.wardrobe.long_hair, -0.6))[:2]
            top = on_head(figure, (0.0, 0.25, -0.3))[:2]
            draw_limb(canvas, top, bottom, unit * np.array((0.98, 0.95, 0.7)), Paint.plain(face.hair), ids['hair'])
        else:
            first, last, radii = features[name]
            ends = on_head(figure, first)[:2], on_head(figure, last)[:2]
            draw_limb(canvas, *ends, unit * np.array(radii), darker, ids[name])
