"""One person: how they are placed, and how they come onto the canvas back to front."""

from dataclasses import dataclass, replace

import numpy as np

from .paint import Canvas, Paint, draw_head, draw_limb
from .skeleton import Body
from .wardrobe import Wardrobe

PARTS_PER_FIGURE = 64  # a figure's pixels hold ids from its number * 64 to its number * 64 + 63


@dataclass(frozen=True)
class Placed:
    """A posed body in the image.

    Attributes:
        body: The body.
        points: Joint name to (x, y, z): image pixels, and pixels to the camera.
        frames: Joint name to rotation (3, 3) into the camera's frame (x right, y up, z to the camera).
        scale: Pixels a stature.
        build: Build factors, as in `Body.factors`.
        wardrobe: Colours.
        category: Number of what it is, as in `species.Breed`.
    """

    body: Body
    points: dict[str, np.ndarray]
    frames: dict[str, np.ndarray]
    scale: float
    build: dict[str, float]
    wardrobe: Wardrobe
    category: int = 1

    def moved(self, dx: float, dy: float) -> 'Placed':
        """The same figure elsewhere in the image."""
        shift = np.array((dx, dy, 0.0))
        return replace(self, points={name: point + shift for name, point in self.points.items()})

    def extent(self) -> np.ndarray:
        """Left, top, right, bottom of the joints in pixels, widened by a limb and the head."""
        xy = np.stack([point[:2] for point in self.points.values()])
        head = self.points[self.body.head][:2]
        low = np.minimum(xy.min(0) - 0.03 * self.scale, head - self.body.head_radii[1] * self.scale)
        high = np.maximum(xy.max(0) + 0.03 * self.scale, head + self.body.head_radii[1] * self.scale)
        return np.concatenate((low, high))

    def head_box(self) -> np.ndarray:
        """Left, top, right, bottom of the head in pixels."""
        reach = np.sqrt(((self.frames[self.body.head] * self.body.head_radii) ** 2).sum(1))[:2] * self.scale
        centre = self.points[self.body.head][:2]
        return np.concatenate((centre - reach, centre + reach))


def place(
    body: Body,
    angles: dict[str, tuple[float, float, float]],
    build: dict[str, float],
    view: np.ndarray,
    scale: float,
    wardrobe: Wardrobe,
    category: int = 1,
) -> Placed:
    """Poses a body and projects it in parallel; the pelvis lands on pixel (0, 0).

    Args:
        body: The body.
        angles: Joint angles in degrees.
        build: Build factors.
        view: (3, 3) rotation from the body's frame to the camera's.
        scale: Pixels a stature.
        wardrobe: Colours.
        category: Number of what it is.
    """
    places, frames = body.forward(angles, build, view)
    flip = np.array((scale, -scale, scale))
    points = {name: place * flip for name, place in places.items()}
    return Placed(body, points, frames, scale, build, wardrobe, category)


def part_ids(body: Body) -> dict[str, int]:
    """Part name to its number within a figure, from 1; marks on the head come after the bones."""
    names = dict.fromkeys((*body.bones, 'head', 'nose', 'left_ear', 'right_ear', 'hair'))
    return {name: i + 1 for i, name in enumerate(names)}


def draw_figure(canvas: Canvas, figure: Placed, number: int) -> None:
    """Draws a figure's parts from the farthest to the nearest.

    Args:
        canvas: What to draw on.
        figure: Who.
        number: The figure's number from 1: the owner of its pixels.
    """
    ids = {name: number * PARTS_PER_FIGURE + i for name, i in part_ids(figure.body).items()}
    head_z = figure.points[figure.body.head][2]
    jobs = [(head_z + 0.03 * figure.scale, 'head')]
    for name, bone in figure.body.bones.items():
        middle = (figure.points[bone.start][2] + figure.points[bone.end][2]) / 2
        jobs.append((middle + bone.nearer * figure.scale, name))
    for _, name in sorted(jobs):
        if name == 'head':
            _draw_head(canvas, figure, ids)
        else:
            _draw_bone(canvas, figure, name, ids[name])


def _draw_bone(canvas: Canvas, figure: Placed, name: str, ident: int) -> None:
    bone = figure.body.bones[name]
    radii = np.array(bone.radii) * figure.scale * figure.build.get('girth', 1.0)
    if bone.flatness != 1:
        edge_on = figure.frames[bone.end][2, 0]
        radii = radii * np.sqrt(1 - edge_on**2 + (bone.flatness * edge_on) ** 2)
    paint = figure.wardrobe.paints.get(name) or Paint.plain(figure.wardrobe.face.skin)
    draw_limb(canvas, figure.points[bone.start][:2], figure.points[bone.end][:2], radii, paint, ident, bone.cap)


def on_head(figure: Placed, offset: tuple[float, float, float]) -> np.ndarray:
    """A point given in the head's half axes as (x, y, z): image pixels, and pixels to the camera."""
    arm = figure.frames[figure.body.head] @ (np.array(offset) * figure.body.head_radii) * figure.scale
    return figure.points[figure.body.head] + arm * (1, -1, 1)


def _draw_head(canvas: Canvas, figure: Placed, ids: dict[str, int]) -> None:
    face, scale = figure.wardrobe.face, figure.scale
    centre = figure.points[figure.body.head]
    half_axes = np.array(figure.body.head_radii) * scale
    unit = half_axes[0]
    dim = Paint.plain(face.skin * 0.88)
    pieces: list[tuple[float, str]] = [(0.0, 'head')]
    spots = {
        'nose': ((0.0, 0.08, 0.97), (0.0, -0.17, 1.1), (0.09, 0.15)),
        'left_ear': ((1.0, 0.16, -0.08), (1.0, -0.2, -0.08), (0.19, 0.13)),
        'right_ear': ((-1.0, 0.16, -0.08), (-1.0, -0.2, -0.08), (0.19, 0.13)),
    }
    if face.marks:
        for name, (start, *_) in spots.items():
            pieces.append((on_head(figure, start)[2] - centre[2] + 0.12 * unit, name))
    if figure.wardrobe.long_hair:
        pieces.append((on_head(figure, (0.0, 0.0, -0.55))[2] - centre[2], 'hair'))
    for _, name in sorted(pieces):
        if name == 'head':
            frame = figure.frames[figure.body.head]
            draw_head(canvas, centre[:2], frame, half_axes, face, ids['head'])
        elif name == 'hair':
            bottom = on_head(figure, (0.0, -figure.wardrobe.long_hair, -0.6))[:2]
            top = on_head(figure, (0.0, 0.25, -0.3))[:2]
            draw_limb(canvas, top, bottom, unit * np.array((0.98, 0.95, 0.7)), Paint.plain(face.hair), ids['hair'])
        else:
            first, last, radii = spots[name]
            ends = on_head(figure, first)[:2], on_head(figure, last)[:2]
            draw_limb(canvas, *ends, unit * np.array(radii), dim, ids[name])
