"""A figure: a body posed in the image, and how it is drawn."""

from dataclasses import dataclass, replace

import numpy as np

from .bodies.skeleton import Angles, Body
from .paint import Appearance, Canvas, draw_head, draw_limb

PARTS_PER_FIGURE = 64  # pixel id = 64 * figure number + part number; see `part_ids`
_FEATURES = {  # parts of a face: start, end and radii in half axes of the head
    'nose': ((0.0, 0.08, 0.97), (0.0, -0.17, 1.1), (0.09, 0.15)),
    'left_ear': ((1.0, 0.16, -0.08), (1.0, -0.2, -0.08), (0.19, 0.13)),
    'right_ear': ((-1.0, 0.16, -0.08), (-1.0, -0.2, -0.08), (0.19, 0.13)),
}


@dataclass(frozen=True)
class Figure:
    """A body posed in the image."""

    body: Body
    points: dict[str, np.ndarray]  # joint name to (x, y, z): x and y in image pixels, z in pixels towards the camera
    frames: dict[str, np.ndarray]  # joint name to rotation (3, 3) into the camera's frame (x right, y up, z towards it)
    scale: float  # pixels per stature
    build: dict[str, float]  # build factors, as in `Body.factors`
    looks: Appearance

    def moved(self, dx: float, dy: float) -> 'Figure':
        """Return the figure translated by (dx, dy) pixels."""
        return replace(self, points={name: point + (dx, dy, 0.0) for name, point in self.points.items()})

    def extent(self) -> np.ndarray:
        """Return the box (left, top, right, bottom) of the joints in pixels, with a margin for limbs and head."""
        xy = np.stack([point[:2] for point in self.points.values()])
        margin, head = 0.03 * self.scale, self.head_box()
        return np.concatenate((np.minimum(xy.min(0) - margin, head[:2]), np.maximum(xy.max(0) + margin, head[2:])))

    def head_box(self) -> np.ndarray:
        """Return the box (left, top, right, bottom) of the head in pixels."""
        reach = np.sqrt(((self.frames['head'] * self.body.head_radii) ** 2).sum(1))[:2] * self.scale
        center = self.points['head'][:2]
        return np.concatenate((center - reach, center + reach))

    def foot(self) -> np.ndarray:
        """Return the point (x, y) where the figure stands: below its root joint, at the height of its lowest joint."""
        return np.array((next(iter(self.points.values()))[0], max(point[1] for point in self.points.values())))

    def middle_z(self, bone: str) -> float:
        """Return the z of a bone's middle in pixels towards the camera."""
        ends = self.body.bones[bone]
        return (self.points[ends.start][2] + self.points[ends.end][2]) / 2

    def at(self, joint: str, offset: np.ndarray) -> np.ndarray:
        """Return the position (x, y, z) in pixels, as in `points`, of an offset in statures in a joint's frame."""
        return self.points[joint] + self.frames[joint] @ offset * self.scale * (1, -1, 1)

    def on_head(self, offset: tuple[float, float, float]) -> np.ndarray:
        """Return the position (x, y, z) in pixels, as in `points`, of a point given in the head's half axes."""
        return self.at('head', np.array(offset) * self.body.head_radii)


def place(
    body: Body, angles: Angles, build: dict[str, float], view: np.ndarray, scale: float, looks: Appearance
) -> Figure:
    """Pose a body and project it orthographically; its root joint is at pixel (0, 0).

    `view` (3, 3) rotates from the body's frame to the camera's; `Figure` describes the other arguments.
    """
    positions, frames = body.forward(angles, build, view)
    points = {name: position * (scale, -scale, scale) for name, position in positions.items()}
    return Figure(body, points, frames, scale, build, looks)


def part_ids(body: Body) -> dict[str, int]:
    """Map part names to part numbers within a figure, from 1: first the bones, then the parts of the head."""
    return {name: i for i, name in enumerate(dict.fromkeys((*body.bones, 'head', *_FEATURES)), 1)}


def draw_figure(canvas: Canvas, figure: Figure, number: int) -> None:
    """Draw the parts of a figure from back to front; `number`, from 1, is that of the figure in the image."""
    ids = {name: number * PARTS_PER_FIGURE + i for name, i in part_ids(figure.body).items()}
    head_z = figure.points['head'][2]
    parts = [(figure.middle_z(name) + bone.z_offset * figure.scale, name) for name, bone in figure.body.bones.items()]
    for _, name in sorted([*parts, (head_z + 0.03 * figure.scale, 'head')]):
        if name == 'head':
            _draw_head(canvas, figure, ids)
            continue
        bone = figure.body.bones[name]
        radii = np.array(bone.radii) * figure.scale * figure.build.get('girth', 1.0)
        if bone.flatness != 1:
            edge_on = figure.frames[bone.end][2, 0]
            radii = radii * np.sqrt(1 - edge_on**2 + (bone.flatness * edge_on) ** 2)
        color, start, end = figure.looks.bones.get(name, figure.looks.skin), bone.start, bone.end
        draw_limb(canvas, figure.points[start][:2], figure.points[end][:2], radii, color, ids[name], bone.cap)


def _draw_head(canvas: Canvas, figure: Figure, ids: dict[str, int]) -> None:
    """Draw the head and, from back to front with it, nose and ears."""
    center, frame = figure.points['head'], figure.frames['head']
    half_axes = np.array(figure.body.head_radii) * figure.scale
    parts = [(0.0, 'head')]
    if figure.looks.has_face:
        depths = {name: figure.on_head(start)[2] - center[2] for name, (start, _, _) in _FEATURES.items()}
        parts += [(depth + 0.12 * half_axes[0], name) for name, depth in depths.items()]
    for _, name in sorted(parts):
        if name == 'head':
            draw_head(canvas, center[:2], frame, half_axes, figure.looks, ids['head'])
        else:
            first, last, radii = _FEATURES[name]
            ends = figure.on_head(first)[:2], figure.on_head(last)[:2]
            draw_limb(canvas, *ends, half_axes[0] * np.array(radii), figure.looks.skin * 0.88, ids[name])
