"""Render one image of several people or animals with its annotations."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from .figure import PARTS_PER_FIGURE, Figure, draw_figure, place
from .labels import read_keypoints
from .landmarks import KeypointSet
from .paint import Canvas
from .poses import sample_pose
from .scenery import draw_background, draw_object, draw_shadow
from .skeleton import rotation

GROUND = 0.6  # figures stand at or below this fraction of the image height, counted from the top


@dataclass(frozen=True)
class Difficulty:
    """What makes a scene easy or hard.

    Attributes:
        name: 'easy' or 'hard'; also the key of `Repertoire.weights`.
        people: Minimum and maximum number of people to place in an image.
        stature: Minimum and maximum stature relative to the image height.
        overlap: Maximum intersection of two boxes relative to the area of the smaller one.
        outside: Maximum fraction of a figure's box that may lie outside the image, per axis.
        objects: Maximum number of objects in an image.
        clutter: Amount of background clutter, 0 to 1.
        pitch: Minimum and maximum angle in degrees by which the camera looks down.
        lean: Standard deviation of a figure's roll in degrees.
        facing: Fraction of figures in front view and fraction in back view, each with a standard deviation of 20
            degrees; the others have any yaw.
        contrast: Whether clothes avoid the colour of the background and leave the forearms bare.
        degradation: Maximum strength of blur, noise and dimming, 0 to 1.
    """

    name: str
    people: tuple[int, int]
    stature: tuple[float, float]
    overlap: float
    outside: float
    objects: int
    clutter: float
    pitch: tuple[float, float]
    lean: float
    facing: tuple[float, float]
    contrast: bool
    degradation: float


DIFFICULTIES = {
    'easy': Difficulty('easy', (2, 4), (0.5, 0.9), 0.25, 0.06, 2, 0.2, (-2, 8), 2.5, (0.75, 0.15), True, 0.1),
    'hard': Difficulty('hard', (2, 6), (0.3, 1.25), 0.65, 0.4, 5, 1.0, (-10, 35), 14.0, (0.0, 0.0), False, 1.0),
}


def difficulty(name: str) -> Difficulty:
    """Return the settings of a difficulty.

    Raises:
        KeyError: If the name is unknown.
    """
    if name not in DIFFICULTIES:
        raise KeyError(f'unknown difficulty {name!r}: expected one of {", ".join(DIFFICULTIES)}')
    return DIFFICULTIES[name]


@dataclass(frozen=True)
class RenderedImage:
    """One image and its annotations.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        ids: (H, W) int32, what is drawn at each pixel; see `figure.PARTS_PER_FIGURE`.
        people: One annotation per visible figure: `keypoints` (K, 3) with COCO's v; `bbox` (x, y, w, h), `area` and
            `polygons` of its visible pixels; `category` (see `species.Breed`); and `head_box` (x1, y1, x2, y2), which
            also covers occluded parts of the head.
    """

    image: np.ndarray
    ids: np.ndarray
    people: list[dict] = field(default_factory=list)


def render(
    rng: np.random.Generator, table: KeypointSet, level: Difficulty, height: int = 240, width: int = 320
) -> RenderedImage:
    """Render one image.

    Args:
        rng: Random generator; the same state gives the same image.
        table: Species to draw and keypoints to annotate.
        level: Difficulty.
        height: Image height in pixels.
        width: Image width in pixels.
    """
    background = draw_background(rng, height, width, level.clutter)
    canvas = Canvas.blank(background, np.array((rng.uniform(-0.8, 0.8), rng.uniform(-0.9, -0.2), 0.8)))
    mean = np.array(cv2.mean(background))[:3] if level.contrast else None
    figures = _arrange(rng, table, level, mean, height, width)
    items: list[tuple[float, Figure | None]] = [(foot(figure)[1], figure) for figure in figures]  # None: an object
    for _ in range(int(rng.integers(0, level.objects + 1))):
        items.append((float(rng.uniform(0.5, 1.05) * height), None))
    drawn: list[Figure] = []
    for ground_y, item in sorted(items, key=lambda item: item[0]):  # back to front
        if item is None:
            size = float(rng.uniform(0.12, 0.3) * height)
            draw_object(canvas, rng, np.array((rng.uniform(0, width), ground_y)), size)
        else:
            drawn.append(item)
            draw_shadow(canvas, foot(item), item.body.footprint * item.scale)
            draw_figure(canvas, item, len(drawn))
    image = _degrade(rng, canvas.image, level.degradation)
    annotations = (annotate(canvas, figure, number, table) for number, figure in enumerate(drawn, 1))
    return RenderedImage(image, canvas.ids, [person for person in annotations if person is not None])


def _arrange(
    rng: np.random.Generator, table: KeypointSet, level: Difficulty, mean: np.ndarray | None, height: int, width: int
) -> list[Figure]:
    """Sample figures whose boxes overlap no more than the level allows; drop those that find no room."""
    boxes: list[np.ndarray] = []
    figures: list[Figure] = []
    pitch = float(rng.uniform(*level.pitch))
    for _ in range(int(rng.integers(level.people[0], level.people[1] + 1))):
        figure = _sample_figure(rng, table, level, mean, height, pitch)
        extent = figure.extent()
        size = extent[2:] - extent[:2]
        for _ in range(12):
            low = -level.outside * size
            low[1] = max(low[1], GROUND * height - size[1])
            high = np.maximum((width, height) - (1 - level.outside) * size, low + 1)
            shift = rng.uniform(low, high) - extent[:2]
            box = extent + np.tile(shift, 2)
            if all(_overlap(box, other) <= level.overlap for other in boxes):
                figures.append(figure.moved(*shift))
                boxes.append(box)
                break
    return figures


def _sample_figure(
    rng: np.random.Generator, table: KeypointSet, level: Difficulty, mean: np.ndarray | None, height: int, pitch: float
) -> Figure:
    """Sample one posed figure with its view, size and colours."""
    species = table.species
    body = species.body
    angles = sample_pose(rng, level.name, body, species.repertoire)
    yaw = _sample_yaw(rng, level.facing, species.yaws)
    roll = float(rng.normal(0, level.lean))
    if level.name == 'hard' and rng.random() < 0.1:
        roll += float(rng.choice((-90, 90)))
    view = rotation(pitch, 0, 0) @ rotation(0, roll, 0) @ rotation(0, 0, yaw)
    scale = height * float(np.exp(rng.uniform(*np.log(level.stature))))
    breed = species.sample_breed(rng)
    build = body.sample_build(rng, breed.factors)
    return place(body, angles, build, view, scale, species.dress(rng, mean), breed.category)


def _sample_yaw(rng: np.random.Generator, facing: tuple[float, float], yaws: tuple[float, float]) -> float:
    """Sample a yaw in degrees; see `Difficulty.facing` and `Species.yaws`."""
    front, back = facing
    view = rng.random()
    if view >= front + back:
        return float(rng.uniform(-180, 180))
    yaw = float(rng.normal(yaws[0] if view < front else yaws[1], 20))
    return -yaw if yaws[0] and rng.random() < 0.5 else yaw


def _overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection of two boxes (left, top, right, bottom) relative to the area of the smaller one."""
    overlap = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    sizes = [float(np.prod(b[2:] - b[:2])) for b in (box, other)]
    return float(np.prod(np.maximum(overlap, 0))) / min(sizes)


def foot(figure: Figure) -> np.ndarray:
    """Return the point (x, y) where a figure stands: below its root joint, at the height of its lowest joint."""
    lowest = max(figure.points.values(), key=lambda point: point[1])
    root = next(iter(figure.points.values()))
    return np.array((root[0], lowest[1]))


def _degrade(rng: np.random.Generator, image: np.ndarray, strength: float) -> np.ndarray:
    """Simulate camera faults (dimming, colour cast, blur, noise) and convert to uint8."""
    gain = 1 - strength * rng.uniform(0, 0.45) + rng.normal(0, 0.05 * strength, 3)
    image = image * gain.astype(np.float32)
    if rng.random() < strength * 0.5:
        image = cv2.GaussianBlur(image, (0, 0), 0.4 + 0.9 * strength * float(rng.random()))
    if rng.random() < 0.2 + 0.5 * strength:
        noise = np.float32(rng.uniform(2, 4 + 8 * strength))
        image = image + (rng.standard_normal(image.shape[:2], dtype=np.float32) * noise)[..., None]
    return cv2.convertScaleAbs(np.maximum(image, 0))


def annotate(canvas: Canvas, figure: Figure, number: int, table: KeypointSet) -> dict | None:
    """Annotate one figure from its visible pixels; return None if it has none.

    Args:
        canvas: The finished canvas.
        figure: The figure.
        number: The number it was drawn with.
        table: Keypoints to annotate.

    Returns:
        See `RenderedImage.people`. A figure with fewer than 12 visible pixels has no keypoints (all v = 0).
    """
    low = number * PARTS_PER_FIGURE
    mask = ((canvas.ids >= low) & (canvas.ids < low + PARTS_PER_FIGURE)).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    if not width or not height:
        return None
    area = int(mask.sum())
    keypoints = read_keypoints(canvas, figure, number, table)
    if area < 12:
        keypoints[:] = 0
    crop = mask[y : y + height, x : x + width]
    contours, _ = cv2.findContours(crop, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    outlines = [cv2.approxPolyDP(contour, 0.8, True) for contour in contours]
    polygons = [outline.reshape(-1).tolist() for outline in outlines if len(outline) >= 3]
    if not polygons:
        polygons = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    return {
        'keypoints': keypoints,
        'bbox': (x, y, width, height),
        'area': area,
        'polygons': polygons,
        'category': figure.category,
        'head_box': figure.head_box(),
    }
