"""One person: who they are, how they are placed, and how they come onto the canvas back to front."""

from dataclasses import dataclass, replace

import numpy as np

from .keypoints import KeypointSet, Landmark
from .paint import Canvas, Face, Paint, draw_head, draw_limb
from .skeleton import Body

PARTS_PER_FIGURE = 64  # a figure's pixels hold ids from its number * 64 to its number * 64 + 63

_SKIN = np.array(((178, 205, 238), (150, 190, 230), (120, 165, 215), (95, 140, 195), (70, 105, 160), (50, 75, 115)))
_HAIR = np.array(((25, 25, 30), (30, 45, 75), (45, 75, 125), (95, 160, 205), (40, 60, 150), (150, 150, 150)))


@dataclass(frozen=True)
class Wardrobe:
    """Colours of one person: the same on both sides, so that they say nothing about left or right.

    Attributes:
        face: Head.
        paints: Bone name to paint; bones that are not named are skin.
        long_hair: How far the hair hangs below the head's centre, in half axes; 0 for none.
    """

    face: Face
    paints: dict[str, Paint]
    long_hair: float


@dataclass(frozen=True)
class Placed:
    """A posed body in the image.

    Attributes:
        body: The body.
        points: Joint name to (x, y, z): image pixels, and pixels to the camera.
        frames: Joint name to rotation (3, 3) into the camera's frame (x right, y up, z to the camera).
        scale: Pixels a stature.
        girth: Factor on all radii.
        wardrobe: Colours.
    """

    body: Body
    points: dict[str, np.ndarray]
    frames: dict[str, np.ndarray]
    scale: float
    girth: float
    wardrobe: Wardrobe

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


def place(
    body: Body,
    angles: dict[str, tuple[float, float, float]],
    build: dict[str, float],
    view: np.ndarray,
    scale: float,
    wardrobe: Wardrobe,
) -> Placed:
    """Poses a body and projects it in parallel; the pelvis lands on pixel (0, 0).

    Args:
        body: The body.
        angles: Joint angles in degrees.
        build: Build factors.
        view: (3, 3) rotation from the body's frame to the camera's.
        scale: Pixels a stature.
        wardrobe: Colours.
    """
    places, frames = body.forward(angles, build, view)
    flip = np.array((scale, -scale, scale))
    points = {name: place * flip for name, place in places.items()}
    return Placed(body, points, frames, scale, build.get('girth', 1.0), wardrobe)


def sample_wardrobe(rng: np.random.Generator, avoid: np.ndarray | None = None) -> Wardrobe:
    """Clothes, skin and hair.

    Args:
        rng: Source of randomness.
        avoid: (3,) BGR that clothes keep clear of (the background's mean), or None for any colour.
    """
    skin = (_SKIN[rng.integers(len(_SKIN))] * rng.uniform(0.92, 1.06)).astype(np.float32)
    hair = (_HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.8, 1.2)).astype(np.float32)
    iris = np.array(((60, 35, 20), (30, 40, 60), (110, 70, 40))[rng.integers(3)], np.float32)
    face = Face(skin, hair, float(rng.uniform(-0.08, 0.22)), iris)
    shirt, trousers, shoes = (_cloth(rng, avoid) for _ in range(3))
    sleeve, leg = int(rng.integers(3)), int(rng.integers(3))
    band = _cloth(rng, avoid) if rng.random() < 0.35 else shirt
    paints = {'torso': _shirt(shirt, trousers, band, rng)}
    for side in ('left', 'right'):
        paints[f'{side}_upper_arm'] = _until((0.25, 0.85, 2.0)[sleeve], shirt, skin)
        paints[f'{side}_forearm'] = _until((-1.0, -1.0, 0.92)[sleeve], shirt, skin)
        paints[f'{side}_thigh'] = _until((0.8, 2.0, 2.0)[leg], trousers, skin)
        paints[f'{side}_shank'] = _until((-1.0, 0.9, 0.97)[leg], trousers, skin)
        paints[f'{side}_foot'] = Paint.plain(shoes)
    return Wardrobe(face, paints, float(rng.uniform(0.9, 1.9)) if rng.random() < 0.3 else 0.0)


def _cloth(rng: np.random.Generator, avoid: np.ndarray | None) -> np.ndarray:
    colour = rng.uniform(25, 240, 3)
    for _ in range(8):
        if avoid is None or np.abs(colour - avoid).max() > 75:
            break
        colour = rng.uniform(25, 240, 3)
    return colour.astype(np.float32)


def _until(end: float, cloth: np.ndarray, skin: np.ndarray) -> Paint:
    if end < 0:
        return Paint.plain(skin)
    return Paint.plain(cloth) if end > 1 else Paint((end,), np.stack((cloth, skin)))


def _shirt(shirt: np.ndarray, trousers: np.ndarray, band: np.ndarray, rng: np.random.Generator) -> Paint:
    hem = float(rng.uniform(0.06, 0.2))
    rings = int(rng.integers(2, 9))
    stops = tuple(float(stop) for stop in np.linspace(hem, 0.95, rings))
    return Paint(stops, np.stack([trousers] + [(shirt, band)[i % 2] for i in range(rings)]))


def part_ids(body: Body) -> dict[str, int]:
    """Part name to its number within a figure, from 1; marks on the head come after the bones."""
    names = [*body.bones, 'head', 'nose', 'left_ear', 'right_ear', 'hair']
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
    radii = np.array(bone.radii) * figure.scale * figure.girth
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


def locate(figure: Placed, landmark: Landmark) -> np.ndarray:
    """A landmark as (x, y, z): image pixels, and pixels to the camera."""
    if landmark.on_head:
        return on_head(figure, landmark.offset)
    arm = figure.frames[landmark.joint] @ np.array(landmark.offset) * figure.scale
    return figure.points[landmark.joint] + arm * (1, -1, 1)


def read_keypoints(canvas: Canvas, figure: Placed, number: int, table: KeypointSet) -> np.ndarray:
    """Keypoints with a visibility that is true to what was drawn.

    Args:
        canvas: The finished canvas.
        figure: Who.
        number: The number it was drawn with.
        table: Which keypoints.

    Returns:
        (K, 3) float: x and y in image pixels and COCO's v: 2 if the figure shows it, 1 if something (or the figure
        itself) hides it, 0 with x = y = 0 if it is outside of the image.
    """
    height, width = canvas.ids.shape
    ids = part_ids(figure.body)
    out = np.zeros((len(table.landmarks), 3))
    for row, landmark in zip(out, table.landmarks.values(), strict=True):
        x, y, z = locate(figure, landmark)
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
            continue
        owner, part = divmod(int(canvas.ids[round(y), round(x)]), PARTS_PER_FIGURE)
        row[:] = x, y, 2 if owner == number and _shows(figure, landmark, part, ids, z) else 1
    return out


def _shows(figure: Placed, landmark: Landmark, part: int, ids: dict[str, int], z: float) -> bool:
    if landmark.facing is not None:
        toward = figure.frames[landmark.joint][2] @ np.array(landmark.offset)
        if toward < landmark.facing:
            return False
    if part in {ids[name] for name in landmark.shown_by}:
        return True
    for name in landmark.through:
        bone = figure.body.bones[name]
        middle = (figure.points[bone.start][2] + figure.points[bone.end][2]) / 2
        if part == ids[name] and z > middle - landmark.depth * figure.scale:
            return True
    return False
