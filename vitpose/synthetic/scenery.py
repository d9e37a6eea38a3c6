"""Scenery: backgrounds, shadows and objects that can occlude figures."""

import cv2
import numpy as np

from .paint import BACKGROUND, Canvas, Paint, draw_limb

OBJECT = 63  # id of objects: part 63 of figure 0, which is no figure
_SHIFT = 4  # fractional bits of the coordinates passed to cv2


def draw_background(rng: np.random.Generator, height: int, width: int, clutter: float) -> np.ndarray:
    """Draw a background: a setting, clutter and noise.

    Args:
        rng: Random generator.
        height: Image height in pixels.
        width: Image width in pixels.
        clutter: Amount of clutter, 0 to 1.

    Returns:
        (H, W, 3) float32 BGR, 0 to 255.
    """
    setting = (_meadow, _room, _street, _studio)[rng.integers(4)]
    image = cv2.convertScaleAbs(setting(rng, height, width))  # uint8, since cv2 antialiases only 8-bit images
    for _ in range(int(rng.integers(0, 2 + round(12 * clutter)))):
        _shape(rng, image)
    image = image + _noise(rng, height, width, float(rng.uniform(4, 14 + 30 * clutter)))[..., None]
    if rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.6, 2.2)))
    return np.clip(image, 0, 255)


def _colour(rng: np.random.Generator, low: float = 20, high: float = 235) -> np.ndarray:
    """Sample a colour (3,) of low to medium saturation."""
    colour = rng.uniform(low, high, 3)
    grey = colour.mean()
    return (grey + rng.uniform(0.1, 0.75) * (colour - grey)).astype(np.float32)


def _ramp(first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return (1 - t) * first.astype(np.float32) + t * second.astype(np.float32)


def _noise(rng: np.random.Generator, height: int, width: int, strength: float) -> np.ndarray:
    """Sample smooth noise (H, W) of three octaves."""
    total = np.zeros((height, width), np.float32)
    for octave, weight in ((4, 0.6), (14, 0.3), (56, 0.25)):
        grid = rng.standard_normal((octave * 3 // 4 + 1, octave + 1)).astype(np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
    return total * np.float32(strength)


def _meadow(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw sky and ground with a wavy horizon."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = _ramp(_colour(rng, 90, 250), _colour(rng, 130, 255), height)[:, None]
    ground = _ramp(_colour(rng, 30, 190), _colour(rng, 20, 160), height)[:, None]
    horizon = height * rng.uniform(0.3, 0.6)
    wave = horizon + height * 0.05 * np.sin(np.linspace(0, rng.uniform(2, 9), width) + rng.uniform(0, 6))
    below = np.arange(height)[:, None] > wave[None]
    return np.where(below[..., None], ground, image)


def _room(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw a striped wall, a skirting board and floorboards."""
    edge = int(height * rng.uniform(0.55, 0.8))
    wall, stripe, floor = _colour(rng, 60, 240), _colour(rng, 60, 240), _colour(rng, 30, 200)
    image = np.empty((height, width, 3), np.float32)
    period = float(rng.uniform(8, 60))
    on = (np.arange(width) / period % 1) < rng.uniform(0.1, 0.6)
    image[:edge] = np.where(on[:, None], wall + 0.3 * (stripe - wall), wall)
    image[edge:] = _ramp(floor * 0.8, floor, height - edge)[:, None]
    image[max(edge - 4, 0) : edge] = _colour(rng, 150, 250)
    vanish = width * rng.uniform(0.2, 0.8)
    for foot in np.arange(-2 * width, 3 * width, width / rng.uniform(3, 9)):
        top = vanish + (foot - vanish) * 0.35
        cv2.line(image, (int(top), edge), (int(foot), height), (floor * 0.7).tolist(), 1)
    return image


def _street(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw sky, houses with windows and a pavement."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = _ramp(_colour(rng, 120, 250), _colour(rng, 160, 255), height)[:, None]
    edge, left = int(height * rng.uniform(0.5, 0.75)), 0
    while left < width:
        house, top = int(rng.uniform(0.15, 0.4) * width), int(rng.uniform(0.02, 0.3) * height)
        wall, glass = _colour(rng, 50, 220), _colour(rng, 40, 230)
        image[top:edge, left : left + house] = wall
        step = int(rng.integers(14, 34))
        for y in range(top + 6, edge - step, step):
            for x in range(left + 5, min(left + house, width) - step // 2, step):
                image[y : y + step // 2, x : x + step // 2] = glass
        left += house
    image[edge:] = _ramp(_colour(rng, 60, 180), _colour(rng, 60, 160), height - edge)[:, None]
    return image


def _studio(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw a colour gradient in any direction, sometimes with a chequered pattern."""
    angle = rng.uniform(0, 2 * np.pi)
    x, y = np.arange(width, dtype=np.float32) / width, np.arange(height, dtype=np.float32)[:, None] / height
    t = (x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)) + 1.5) / 3
    first, second = _colour(rng), _colour(rng)
    image = first + t[..., None] * 2 * (second - first)
    if rng.random() < 0.35:
        cell = float(rng.uniform(0.05, 0.2))
        odd = (np.floor(x / cell) + np.floor(y / cell)) % 2
        image += (odd * np.float32(rng.uniform(10, 45)))[..., None]
    return np.clip(image, 0, 255)


def _shape(rng: np.random.Generator, image: np.ndarray) -> None:
    """Draw one piece of background clutter: an ellipse, a quadrilateral, a line or a polygon."""
    height, width = image.shape[:2]
    colour = _colour(rng).tolist()
    centre = rng.uniform((0, 0), (width, height))
    size = float(rng.uniform(0.03, 0.2) * width)
    kind = int(rng.integers(4))
    start = centre.astype(int).tolist()
    if kind == 0:
        axes = (int(size * rng.uniform(0.4, 1)), int(size * rng.uniform(0.4, 1)))
        cv2.ellipse(image, start, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    elif kind == 3:
        end = (centre + rng.normal(0, size * 1.5, 2)).astype(int).tolist()
        cv2.line(image, start, end, colour, int(rng.integers(1, 9)), cv2.LINE_AA)
    else:
        corners = 4 if kind == 1 else int(rng.integers(3, 7))
        _polygon(image, _corners(rng, centre, size, corners), colour)


def _corners(rng: np.random.Generator, centre: np.ndarray, size: float, count: int) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.uniform(0, 6)
    radii = size * rng.uniform(0.5, 1, count)
    return centre + np.stack((np.cos(angles), np.sin(angles)), 1) * radii[:, None]


def _polygon(image: np.ndarray, points: np.ndarray, colour: list[float] | float) -> None:
    fixed = np.round(points * 2**_SHIFT).astype(np.int32)
    cv2.fillPoly(image, [fixed], colour, cv2.LINE_AA, _SHIFT)


def draw_shadow(canvas: Canvas, foot: np.ndarray, size: float) -> None:
    """Darken the background under a figure; figures and objects stay as they are.

    Args:
        canvas: Canvas to draw on.
        foot: (x, y) in pixels where the figure stands.
        size: Half width of the shadow in pixels.
    """
    where = canvas.window(foot[0] - size, foot[1] - size * 0.3, foot[0] + size, foot[1] + size * 0.3)
    if where is None:
        return
    x = np.arange(where[1].start, where[1].stop) - foot[0]
    y = np.arange(where[0].start, where[0].stop)[:, None] - foot[1]
    depth = np.clip(1 - (x / size) ** 2 - (y / (0.3 * size)) ** 2, 0, 1).astype(np.float32)
    canvas.image[where] *= 1 - 0.55 * depth[..., None] * (canvas.ids[where] == BACKGROUND)[..., None]


def draw_object(canvas: Canvas, rng: np.random.Generator, foot: np.ndarray, size: float) -> None:
    """Draw one object: a box, a post, a ball or a bush.

    Args:
        canvas: Canvas to draw on.
        rng: Random generator.
        foot: (x, y) in pixels where the object stands.
        size: Approximate height in pixels.
    """
    colour = _colour(rng)
    kind = int(rng.integers(4))
    if kind == 0:
        _box(canvas, rng, foot, size, colour)
    elif kind == 1:
        radii = np.full(2, max(size * rng.uniform(0.04, 0.09), 1.5))
        rings = int(rng.integers(1, 6))
        paint = Paint(tuple(np.linspace(0.1, 0.9, rings)), np.stack([colour, _colour(rng)] * 3)[: rings + 1])
        draw_limb(canvas, foot, foot - (0, size * 1.3), radii, paint, OBJECT, 0.3)
    elif kind == 2:
        centre, radius = foot - (0, size * 0.3), size * 0.3
        draw_limb(canvas, centre, centre + (0, 0.1), np.full(2, radius), Paint.plain(colour), OBJECT)
    else:
        green = np.array((50, 120, 60), np.float32) * np.float32(rng.uniform(0.5, 1.4))
        for _ in range(9):
            middle = foot + rng.uniform((-0.35, -0.75), (0.35, -0.1)) * size
            leaf = Paint.plain(green * rng.uniform(0.75, 1.2))
            draw_limb(canvas, middle, middle + (0.1, 0.1), np.full(2, size * rng.uniform(0.1, 0.2)), leaf, OBJECT)


def _box(canvas: Canvas, rng: np.random.Generator, foot: np.ndarray, size: float, colour: np.ndarray) -> None:
    """Draw a box with a front, a bright top and a dark side."""
    wide, tall = size * rng.uniform(0.4, 1.0), size * rng.uniform(0.4, 0.9)
    back = np.array((rng.choice((-1, 1)) * wide * 0.25, -wide * 0.18))
    left, right = foot - (wide / 2, 0), foot + (wide / 2, 0)
    up = np.array((0, -tall))
    near = right if back[0] > 0 else left
    faces = (
        (np.stack((near, near + back, near + back + up, near + up)), 0.55),
        (np.stack((left + up, right + up, right + up + back, left + up + back)), 1.1),
        (np.stack((left, right, right + up, left + up)), 0.85),
    )
    for corners, shade in faces:
        low, high = corners.min(0), corners.max(0)
        where = canvas.window(low[0], low[1], high[0], high[1])
        if where is not None:
            inside = np.zeros(canvas.ids[where].shape, np.uint8)
            _polygon(inside, corners - (where[1].start, where[0].start), 255)
            canvas.blend(where, np.minimum(colour * np.float32(shade), 255), inside / np.float32(255), OBJECT)
