"""Draw antialiased, shaded limbs and heads on a canvas that records what is drawn at each pixel."""

from dataclasses import dataclass

import numpy as np

LIGHT = np.array((-0.4, 0.5, 0.77), np.float32)  # unit vector towards the light: x right, y up, z towards the camera


class Canvas:
    """An image being drawn; it starts with a copy of a background (H, W, 3)."""

    def __init__(self, background: np.ndarray) -> None:
        self.image = np.array(background, np.float32)  # (H, W, 3) BGR, 0 to 255
        self.ids = np.zeros(background.shape[:2], np.int32)  # of the topmost shape at each pixel; 0 for the background

    def window(self, low: np.ndarray, high: np.ndarray) -> tuple[slice, slice] | None:
        """Return the rows and columns that a box from `low` to `high` (x, y) covers; None if it covers none."""
        height, width = self.ids.shape
        x0, x1 = max(int(low[0]) - 1, 0), min(int(high[0]) + 2, width)
        y0, y1 = max(int(low[1]) - 1, 0), min(int(high[1]) + 2, height)
        return (slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None

    def blend(self, where: tuple[slice, slice], color: np.ndarray, alpha: np.ndarray, ident: int) -> None:
        """Blend `color` (h, w, 3) into a window with opacity `alpha` (h, w); set ids where `alpha` > 0.5."""
        target = self.image[where]
        target += alpha[..., None] * (np.minimum(color, 255) - target)
        self.ids[where][alpha > 0.5] = ident


@dataclass(frozen=True)
class Appearance:
    """Colors of one individual, (3,) BGR, the same on both sides so that they do not reveal left and right."""

    skin: np.ndarray  # of the head, and of the bones that are not listed
    hair: np.ndarray  # of hair and brows
    bones: dict[str, np.ndarray]  # bone name to color
    has_face: bool = True  # whether the head has hair, eyes, brows, mouth, nose and ears


def sample_color(rng: np.random.Generator, avoid: np.ndarray | None = None, saturation: float = 1.0) -> np.ndarray:
    """Sample a color (3,) BGR that differs from the color `avoid`; with `saturation` 0 it is gray."""
    while True:
        color = rng.uniform(25, 240, 3)
        color = color.mean() + saturation * (color - color.mean())
        if avoid is None or np.abs(color - avoid).max() > 75:
            return color


def draw_limb(
    canvas: Canvas, start: np.ndarray, end: np.ndarray, radii: np.ndarray, color: np.ndarray, ident: int, cap: float = 1
) -> None:
    """Draw a tapered tube from `start` to `end`, (x, y) in pixels, in a color (3,) BGR.

    `radii` are half widths in pixels at even distances from start to end; `cap` is the ratio of length to radius of the
    rounded ends.
    """
    reach = float(radii.max())
    where = canvas.window(np.minimum(start, end) - reach, np.maximum(start, end) + reach)
    if where is None:
        return
    span = end - start
    length = max(float(np.hypot(span[0], span[1])), 1e-3)
    ex, ey = span / length if length > 1e-2 else np.array((0.0, 1.0))
    x = np.arange(where[1].start, where[1].stop, dtype=np.float32) - np.float32(start[0])
    y = np.arange(where[0].start, where[0].stop, dtype=np.float32)[:, None] - np.float32(start[1])
    along = x * np.float32(ex) + y * np.float32(ey)
    across = y * np.float32(ex) - x * np.float32(ey)
    t = _unit(along / np.float32(length))
    radius = np.interp(t, np.linspace(0, 1, len(radii)), radii).astype(np.float32)
    beyond = (along - t * np.float32(length)) / np.float32(cap)
    alpha = _unit(radius - np.sqrt(across * across + beyond * beyond) + np.float32(0.5))
    if not alpha.any():
        return
    tilt = np.minimum(np.maximum(across / radius, np.float32(-1)), np.float32(1))
    lit = np.sqrt(1 - tilt * tilt) * LIGHT[2] - tilt * np.float32(ex * LIGHT[1] + ey * LIGHT[0])
    shade = np.float32(0.45) + np.float32(0.65) * np.maximum(lit, 0)
    canvas.blend(where, color.astype(np.float32) * shade[..., None], alpha, ident)


def draw_head(
    canvas: Canvas, center: np.ndarray, frame: np.ndarray, half_axes: np.ndarray, looks: Appearance, ident: int
) -> None:
    """Draw a head: an ellipsoid in orthographic projection with face and hair on its surface.

    `center` is (x, y) and `half_axes` (3,) along the head's x, y and z, in pixels; `frame` (3, 3) rotates from the
    head's frame to the camera's (x right, y up, z towards the camera).
    """
    reach = float(half_axes.max())
    where = canvas.window(center - reach, center + reach)
    if where is None:
        return
    to_unit = (frame.T / half_axes[:, None]).astype(np.float32)
    x = np.arange(where[1].start, where[1].stop, dtype=np.float32) - np.float32(center[0])
    y = np.float32(center[1]) - np.arange(where[0].start, where[0].stop, dtype=np.float32)[:, None]
    across = x[..., None] * to_unit[:, 0] + y[..., None] * to_unit[:, 1]
    ray = to_unit[:, 2]
    square = float(ray @ ray)
    along = across @ ray
    inside = along * along - square * ((across * across).sum(-1) - 1)
    alpha = _unit((1 - np.sqrt(np.maximum(1 - inside / square, 0))) * np.float32(reach) + np.float32(0.5))
    surface = across + ((np.sqrt(np.maximum(inside, 0)) - along) / square)[..., None] * ray
    color = np.broadcast_to(looks.skin.astype(np.float32), surface.shape).copy()
    if looks.has_face:
        _draw_face(color, surface, looks, 1 / reach)
    normal = (surface / half_axes.astype(np.float32)) @ frame.T.astype(np.float32)
    normal /= np.maximum(np.sqrt((normal * normal).sum(-1, keepdims=True)), 1e-6)
    shade = np.float32(0.5) + np.float32(0.58) * np.maximum(normal @ LIGHT, 0)
    canvas.blend(where, color * shade[..., None], alpha, ident)


def _unit(values: np.ndarray) -> np.ndarray:
    """Clip values to [0, 1]; np.clip takes twice as long on arrays of this size."""
    return np.minimum(np.maximum(values, np.float32(0)), np.float32(1))


def _draw_face(color: np.ndarray, surface: np.ndarray, looks: Appearance, pixel: float) -> None:
    """Draw eyes, brows, mouth and hair into `color` (h, w, 3) at the points `surface` (h, w, 3), all in half axes."""
    x, y, front = np.abs(surface[..., 0]), surface[..., 1], surface[..., 2] > 0
    eye_x, eye_y = x - np.float32(0.37), y - np.float32(0.12)
    brow = np.maximum(np.abs(eye_x) - 0.2, np.abs(y - 0.4 + 0.35 * eye_x**2) - 0.05)
    mouth = np.maximum(x - 0.27, np.abs(y + 0.52 - 0.6 * x * x) - 0.065)
    hair = surface @ np.array((0, 0.62, -0.785), np.float32) - np.float32(0.07)
    for inside, where, paint in (  # signed distance to the edge, mask, color
        (0.2 - np.hypot(eye_x * 0.85, eye_y * 1.35), front, np.full(3, 245)),
        (0.12 - np.hypot(eye_x, eye_y), front, np.array((40, 35, 35))),
        (-brow, front, looks.hair * 0.8),
        (-mouth, front, looks.skin * (0.55, 0.5, 0.8)),
        (hair, True, looks.hair),
    ):
        alpha = _unit(inside / np.float32(pixel) + np.float32(0.5)) * where
        color += alpha[..., None].astype(np.float32) * (paint.astype(np.float32) - color)
