"""Draw antialiased, shaded limbs and heads on a canvas that records what is drawn at each pixel."""

from dataclasses import dataclass

import numpy as np

BACKGROUND = 0


@dataclass
class Canvas:
    """An image being drawn.

    Attributes:
        image: (H, W, 3) float32 BGR, 0 to 255.
        ids: (H, W) int32, id of the topmost shape at each pixel; `BACKGROUND` for the background.
        light: (3,) unit vector towards the light: x right, y down, z towards the camera.
    """

    image: np.ndarray
    ids: np.ndarray
    light: np.ndarray

    @classmethod
    def blank(cls, image: np.ndarray, light: np.ndarray) -> 'Canvas':
        """Create a canvas from a background (H, W, 3)."""
        unit = light / np.linalg.norm(light)
        return cls(np.ascontiguousarray(image, np.float32), np.zeros(image.shape[:2], np.int32), unit)

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice] | None:
        """Return the rows and columns of the canvas that a box in pixels covers; None if it covers none."""
        height, width = self.ids.shape
        x0, x1 = max(int(left) - 1, 0), min(int(right) + 2, width)
        y0, y1 = max(int(top) - 1, 0), min(int(bottom) + 2, height)
        if x0 >= x1 or y0 >= y1:
            return None
        return slice(y0, y1), slice(x0, x1)

    def blend(self, where: tuple[slice, slice], colour: np.ndarray, alpha: np.ndarray, ident: int | None) -> None:
        """Blend `colour` (h, w, 3) into a window with opacity `alpha` (h, w); set ids where `alpha` > 0.5."""
        target = self.image[where]
        target += alpha[..., None] * (colour - target)
        if ident is not None:
            self.ids[where][alpha > 0.5] = ident


@dataclass(frozen=True)
class Paint:
    """Colours along a limb.

    Attributes:
        stops: t at which each colour ends, increasing; the last colour extends to the end of the limb.
        colours: (len(stops) + 1, 3) float32 BGR.
    """

    stops: tuple[float, ...]
    colours: np.ndarray

    @classmethod
    def plain(cls, colour: np.ndarray) -> 'Paint':
        """Return a paint of a single colour."""
        return cls((), np.asarray(colour, np.float32)[None])


def draw_limb(
    canvas: Canvas,
    start: np.ndarray,
    end: np.ndarray,
    radii: np.ndarray,
    paint: Paint,
    ident: int | None,
    cap: float = 1.0,
) -> None:
    """Draw a tapered tube with rounded ends.

    Args:
        canvas: Canvas to draw on.
        start: (x, y) in pixels at t = 0.
        end: (x, y) in pixels at t = 1.
        radii: Half widths in pixels at evenly spaced t from 0 to 1.
        paint: Colours along t.
        ident: Id of the limb; None leaves the ids unchanged.
        cap: Ratio of length to radius of the rounded ends.
    """
    reach = float(radii.max())
    low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
    where = canvas.window(low[0], low[1], high[0], high[1])
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
    lit = tilt * np.float32(ex * canvas.light[1] - ey * canvas.light[0])
    lit += np.sqrt(1 - tilt * tilt) * np.float32(canvas.light[2])
    shade = np.float32(0.45) + np.float32(0.65) * np.maximum(lit, 0)
    colour = paint.colours[np.searchsorted(paint.stops, t)] if paint.stops else paint.colours[0]
    canvas.blend(where, np.minimum(colour * shade[..., None], 255), alpha, ident)


@dataclass(frozen=True)
class Face:
    """Colours of a head.

    Attributes:
        skin: (3,) BGR.
        hair: (3,) BGR.
        hairline: Cosine of the angle from the upper back of the head at which the hair begins; lower is more hair.
        iris: (3,) BGR.
        marks: Whether to draw eyes, brows, mouth, nose and ears.
    """

    skin: np.ndarray
    hair: np.ndarray
    hairline: float
    iris: np.ndarray
    marks: bool = True


_HAIR_AXIS = np.array((0.0, 0.62, -0.785), np.float32)
_EYE = np.array((0.37, 0.12, 0.92), np.float32)


def draw_head(
    canvas: Canvas, centre: np.ndarray, frame: np.ndarray, half_axes: np.ndarray, face: Face, ident: int
) -> None:
    """Draw a head: an ellipsoid in orthographic projection with face and hair on its surface.

    Args:
        canvas: Canvas to draw on.
        centre: (x, y) in pixels.
        frame: (3, 3) rotation from the head's frame to the camera's (x right, y up, z towards the camera).
        half_axes: (3,) along the head's x, y and z, in pixels.
        face: Colours.
        ident: Id of the head.
    """
    reach = float(half_axes.max())
    where = canvas.window(centre[0] - reach, centre[1] - reach, centre[0] + reach, centre[1] + reach)
    if where is None:
        return
    to_unit = (frame.T / half_axes[:, None]).astype(np.float32)
    x = np.arange(where[1].start, where[1].stop, dtype=np.float32) - np.float32(centre[0])
    y = np.float32(centre[1]) - np.arange(where[0].start, where[0].stop, dtype=np.float32)[:, None]
    across = x[..., None] * to_unit[:, 0] + y[..., None] * to_unit[:, 1]
    ray = to_unit[:, 2]
    square = float(ray @ ray)
    along = across @ ray
    inside = along * along - square * ((across * across).sum(-1) - 1)
    rho = np.sqrt(np.maximum(1 - inside / square, 0))
    alpha = _unit((1 - rho) * np.float32(reach) + np.float32(0.5))
    surface = across + ((np.sqrt(np.maximum(inside, 0)) - along) / square)[..., None] * ray
    colour = _face_colours(surface, face, 1.0 / reach)
    normal = (surface / half_axes.astype(np.float32)) @ frame.T.astype(np.float32)
    normal /= np.maximum(np.sqrt((normal * normal).sum(-1, keepdims=True)), 1e-6)
    light = canvas.light.astype(np.float32) * np.array((1, -1, 1), np.float32)
    shade = np.float32(0.5) + np.float32(0.58) * np.maximum(normal @ light, 0)
    canvas.blend(where, np.minimum(colour * shade[..., None], 255), alpha, ident)


def _unit(values: np.ndarray) -> np.ndarray:
    """Clip values to [0, 1]; np.clip takes twice as long on arrays of this size."""
    return np.minimum(np.maximum(values, np.float32(0)), np.float32(1))


def _face_colours(surface: np.ndarray, face: Face, pixel: float) -> np.ndarray:
    """Return the colours (h, w, 3) of surface points (h, w, 3) given in half axes; `pixel` is a pixel in half axes."""
    colour = np.empty(surface.shape, np.float32)
    colour[:] = face.skin
    if face.marks:
        x, y, z = np.abs(surface[..., 0]), surface[..., 1], surface[..., 2]
        front = z > 0
        eye = np.hypot(x - _EYE[0], y - _EYE[1])
        _fill(colour, (0.2 - np.hypot((x - _EYE[0]) * 0.85, (y - _EYE[1]) * 1.35)) / pixel, front, np.full(3, 245.0))
        _fill(colour, (0.12 - eye) / pixel, front, face.iris)
        brow = np.maximum(np.abs(x - 0.37) - 0.2, np.abs(y - 0.4 + 0.35 * (x - 0.37) ** 2) - 0.05)
        _fill(colour, -brow / pixel, front, face.hair * 0.8)
        mouth = np.maximum(x - 0.27, np.abs(y + 0.52 - 0.6 * x * x) - 0.065)
        _fill(colour, -mouth / pixel, front, face.skin * np.array((0.55, 0.5, 0.8), np.float32))
    _fill(colour, (surface @ _HAIR_AXIS - face.hairline) / pixel, None, face.hair)
    return colour


def _fill(colour: np.ndarray, inside: np.ndarray, mask: np.ndarray | None, paint: np.ndarray) -> None:
    """Blend a colour in place where `inside`, the signed distance in pixels to the edge, is positive."""
    alpha = _unit(inside + np.float32(0.5))
    if mask is not None:
        alpha *= mask
    colour += alpha[..., None].astype(np.float32) * (paint.astype(np.float32) - colour)
