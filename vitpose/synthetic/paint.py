"""Two antialiased, shaded shapes on a canvas that remembers who drew each pixel: a limb and a head."""

from dataclasses import dataclass

import numpy as np

NOBODY = 0


@dataclass
class Canvas:
    """An image in the making.

    Attributes:
        image: (H, W, 3) float32 BGR, 0 to 255.
        ids: (H, W) int32, the id of what was drawn last at each pixel; `NOBODY` for the background.
        light: (3,) unit vector towards the light: x right, y down, z to the camera.
    """

    image: np.ndarray
    ids: np.ndarray
    light: np.ndarray

    @classmethod
    def blank(cls, image: np.ndarray, light: np.ndarray) -> 'Canvas':
        """A canvas over a background (H, W, 3)."""
        unit = light / np.linalg.norm(light)
        return cls(np.ascontiguousarray(image, np.float32), np.zeros(image.shape[:2], np.int32), unit)

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice] | None:
        """Rows and columns of a box (pixels, any floats) that lie on the canvas; None if none do."""
        height, width = self.ids.shape
        x0, x1 = max(int(left) - 1, 0), min(int(right) + 2, width)
        y0, y1 = max(int(top) - 1, 0), min(int(bottom) + 2, height)
        if x0 >= x1 or y0 >= y1:
            return None
        return slice(y0, y1), slice(x0, x1)

    def blend(self, where: tuple[slice, slice], colour: np.ndarray, alpha: np.ndarray, ident: int | None) -> None:
        """Lays `colour` (h, w, 3) over a window with coverage `alpha` (h, w); half-covered pixels change owner."""
        target = self.image[where]
        target += alpha[..., None] * (colour - target)
        if ident is not None:
            self.ids[where][alpha > 0.5] = ident


@dataclass(frozen=True)
class Paint:
    """Colours along a limb.

    Attributes:
        stops: Ends of the colours along t, increasing; the last colour goes on to the end.
        colours: (len(stops) + 1, 3) float32 BGR.
    """

    stops: tuple[float, ...]
    colours: np.ndarray

    @classmethod
    def plain(cls, colour: np.ndarray) -> 'Paint':
        """One colour all along."""
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
    """Draws a tapered tube with rounded ends.

    Args:
        canvas: What to draw on.
        start: (x, y) in pixels at t = 0.
        end: (x, y) in pixels at t = 1.
        radii: Half widths in pixels, evenly spaced in t.
        paint: Colours along t.
        ident: Who owns the pixels; None leaves the owner as it is.
        cap: Length of the rounded ends over their radius.
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
    """What is painted on a head.

    Attributes:
        skin: (3,) BGR.
        hair: (3,) BGR.
        hairline: Cosine at which the hair begins, measured from the back and top of the head: lower is more hair.
        iris: (3,) BGR.
        marks: Whether eyes, brows and mouth are painted: only on heads that have them.
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
    """Draws an ellipsoid seen from straight ahead, its face and hair where they are on the surface.

    Args:
        canvas: What to draw on.
        centre: (x, y) in pixels.
        frame: (3, 3) rotation from the head's frame to the camera's (x right, y up, z to the camera).
        half_axes: (3,) pixels along the head's x, y, z.
        face: Colours.
        ident: Who owns the pixels.
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
    """Values cut to 0 to 1: np.clip takes twice the time on arrays of a limb's size."""
    return np.minimum(np.maximum(values, np.float32(0)), np.float32(1))


def _face_colours(surface: np.ndarray, face: Face, pixel: float) -> np.ndarray:
    """Colours (h, w, 3) of surface points (h, w, 3) in the head's half axes; `pixel` is one pixel in those units."""
    colour = np.empty(surface.shape, np.float32)
    colour[:] = face.skin
    if face.marks:
        x, y, z = np.abs(surface[..., 0]), surface[..., 1], surface[..., 2]
        front = z > 0
        eye = np.hypot(x - _EYE[0], y - _EYE[1])
        _lay(colour, (0.2 - np.hypot((x - _EYE[0]) * 0.85, (y - _EYE[1]) * 1.35)) / pixel, front, np.full(3, 245.0))
        _lay(colour, (0.12 - eye) / pixel, front, face.iris)
        brow = np.maximum(np.abs(x - 0.37) - 0.2, np.abs(y - 0.4 + 0.35 * (x - 0.37) ** 2) - 0.05)
        _lay(colour, -brow / pixel, front, face.hair * 0.8)
        mouth = np.maximum(x - 0.27, np.abs(y + 0.52 - 0.6 * x * x) - 0.065)
        _lay(colour, -mouth / pixel, front, face.skin * np.array((0.55, 0.5, 0.8), np.float32))
    _lay(colour, (surface @ _HAIR_AXIS - face.hairline) / pixel, None, face.hair)
    return colour


def _lay(colour: np.ndarray, inside: np.ndarray, only: np.ndarray | None, paint: np.ndarray) -> None:
    """Lays a colour where the distance `inside` (pixels, positive within) says so, with a soft edge."""
    alpha = _unit(inside + np.float32(0.5))
    if only is not None:
        alpha *= only
    colour += alpha[..., None].astype(np.float32) * (paint.astype(np.float32) - colour)
