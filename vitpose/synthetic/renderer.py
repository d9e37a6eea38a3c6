"""Render one image of several people or animals with its annotations."""

from dataclasses import dataclass

import cv2
import numpy as np

from .bodies.pose_families import sample_pose
from .bodies.skeleton import rotation
from .figure import Figure, draw_figure, place
from .labels import annotate
from .landmarks import KeypointSet
from .paint import Canvas, draw_limb, sample_color

OBJECT = 63  # id of objects: part 63 of figure 0, which does not exist
HIGHEST_GROUND_FRACTION = 0.6  # of the image height, from the top; figures stand at or below it


@dataclass(frozen=True)
class Difficulty:
    """What makes a scene easy or hard; pairs are minimum and maximum."""

    name: str  # 'easy' or 'hard'; also the key of `Repertoire.weights`
    people: tuple[int, int]  # number of people to place in an image
    stature: tuple[float, float]  # relative to the image height
    overlap: float  # maximum intersection of two boxes relative to the area of the smaller one
    outside: float  # maximum fraction of a figure's box that may lie outside the image, per axis
    objects: int  # maximum number of objects in an image
    clutter: float  # of the background, 0 to 1
    pitch: tuple[float, float]  # angle in degrees by which the camera looks down
    lean: float  # standard deviation of a figure's roll in degrees
    facing: tuple[float, float]  # fractions of figures in front and back view, see `_sample_yaw`
    contrast: bool  # whether clothes avoid the color of the background and leave the forearms bare
    degradation: float  # maximum strength of blur, noise and dimming, 0 to 1


DIFFICULTIES = {
    'easy': Difficulty('easy', (2, 4), (0.5, 0.9), 0.25, 0.06, 2, 0.2, (-2, 8), 2.5, (0.75, 0.15), True, 0.1),
    'hard': Difficulty('hard', (2, 6), (0.3, 1.25), 0.65, 0.4, 5, 1.0, (-10, 35), 14.0, (0.0, 0.0), False, 1.0),
}


@dataclass(frozen=True)
class RenderedImage:
    """One image and its annotations."""

    image: np.ndarray  # (H, W, 3) uint8 BGR
    ids: np.ndarray  # (H, W) int32, what is drawn at each pixel; see `figure.PARTS_PER_FIGURE`
    people: list[dict]  # one annotation per visible figure, see `labels.annotate`


def render(
    rng: np.random.Generator, table: KeypointSet, level: Difficulty, height: int = 240, width: int = 320
) -> RenderedImage:
    """Render one image of `height` and `width` pixels; the same state of `rng` gives the same image."""
    canvas = Canvas(draw_background(rng, height, width, level.clutter))
    mean = canvas.image.mean((0, 1)) if level.contrast else None
    figures = _arrange(rng, table, level, mean, height, width)
    items: list[tuple[float, Figure | None]] = [(figure.foot()[1], figure) for figure in figures]  # None: an object
    items += [(rng.uniform(0.5, 1.05) * height, None) for _ in range(rng.integers(0, level.objects + 1))]
    drawn: list[Figure] = []
    for ground_y, figure in sorted(items, key=lambda item: item[0]):  # back to front
        if figure is None:  # an object between a ball and a post
            foot = np.array((rng.uniform(0, width), ground_y))
            size = rng.uniform(0.12, 0.3) * height
            radius = np.full(2, max(size * rng.uniform(0.05, 0.35), 1.5))
            top = foot - (0, rng.uniform(0.2, 1.2) * size)
            draw_limb(canvas, foot, top, radius, _muted_color(rng), OBJECT, cap=0.3)
        else:
            drawn.append(figure)
            draw_figure(canvas, figure, len(drawn))
    annotations = (annotate(canvas, figure, number, table) for number, figure in enumerate(drawn, 1))
    people = [person for person in annotations if person is not None]
    return RenderedImage(_degrade(rng, canvas.image, level.degradation), canvas.ids, people)


def draw_background(rng: np.random.Generator, height: int, width: int, clutter: float) -> np.ndarray:
    """Draw a wall above a floor, with some `clutter` (0 to 1) and noise: (H, W, 3) float32 BGR, 0 to 255."""
    edge = int(height * rng.uniform(0.3, 0.8))
    shades = [np.linspace(_muted_color(rng), _muted_color(rng), rows) for rows in (edge, height - edge)]
    image = cv2.convertScaleAbs(np.repeat(np.concatenate(shades)[:, None], width, 1))  # cv2 smooths edges in 8 bits
    for _ in range(int(rng.integers(0, 4 + round(12 * clutter)))):
        center = rng.uniform((0, 0), (width, height)).astype(int).tolist()
        half_axes = (rng.uniform(0.01, 0.2, 2) * width).astype(int).tolist()
        cv2.ellipse(image, center, half_axes, rng.uniform(0, 180), 0, 360, _muted_color(rng).tolist(), -1, cv2.LINE_AA)
    noise = np.zeros((height, width), np.float32)
    for cells, weight in ((4, 0.6), (14, 0.3), (56, 0.25)):  # smooth noise of three scales
        grid = rng.standard_normal((cells * 3 // 4 + 1, cells + 1)).astype(np.float32)
        noise += weight * cv2.resize(grid, (width, height))
    image = image + noise[..., None] * np.float32(rng.uniform(4, 14 + 30 * clutter))
    if rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.2))
    return np.clip(image, 0, 255)


def _muted_color(rng: np.random.Generator) -> np.ndarray:
    return sample_color(rng, saturation=rng.uniform(0.1, 0.75))


def _arrange(
    rng: np.random.Generator, table: KeypointSet, level: Difficulty, mean: np.ndarray | None, height: int, width: int
) -> list[Figure]:
    """Sample figures whose boxes overlap no more than the level allows; drop those that do not fit."""
    boxes: list[np.ndarray] = []
    figures: list[Figure] = []
    pitch = rng.uniform(*level.pitch)
    for _ in range(rng.integers(level.people[0], level.people[1] + 1)):
        figure = _sample_figure(rng, table, level, mean, height, pitch)
        extent = figure.extent()
        size = extent[2:] - extent[:2]
        low = -level.outside * size
        low[1] = max(low[1], HIGHEST_GROUND_FRACTION * height - size[1])
        high = np.maximum((width, height) - (1 - level.outside) * size, low + 1)
        for _ in range(12):
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
    species = table.species
    angles = sample_pose(rng, level.name, species.body, species.repertoire)
    roll = rng.normal(0, level.lean)
    if level.name == 'hard' and rng.random() < 0.1:
        roll += rng.choice((-90, 90))
    view = rotation(pitch, 0, 0) @ rotation(0, roll, 0) @ rotation(0, 0, _sample_yaw(rng, level.facing, species.yaws))
    scale = height * float(np.exp(rng.uniform(*np.log(level.stature))))
    return place(species.body, angles, species.body.sample_build(rng), view, scale, species.dress(rng, mean))


def _sample_yaw(rng: np.random.Generator, facing: tuple[float, float], yaws: tuple[float, float]) -> float:
    """Sample a yaw in degrees: a front or back view with a standard deviation of 20 degrees, or else any yaw."""
    front, back = facing
    view = rng.random()
    if view >= front + back:
        return rng.uniform(-180, 180)
    yaw = rng.normal(yaws[0] if view < front else yaws[1], 20)
    return -yaw if yaws[0] and rng.random() < 0.5 else yaw


def _overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection of two boxes (left, top, right, bottom) relative to the area of the smaller one."""
    overlap = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    return float(np.prod(np.maximum(overlap, 0)) / min(np.prod(box[2:] - box[:2]), np.prod(other[2:] - other[:2])))


def _degrade(rng: np.random.Generator, image: np.ndarray, strength: float) -> np.ndarray:
    """Simulate camera faults (dimming, blur, noise) and convert to uint8."""
    image = image * np.float32(1 - strength * rng.uniform(0, 0.45))
    if rng.random() < strength * 0.5:
        image = cv2.GaussianBlur(image, (0, 0), 0.4 + 0.9 * strength * rng.random())
    if rng.random() < 0.2 + 0.5 * strength:
        noise = np.float32(rng.uniform(2, 4 + 8 * strength))
        image = image + (rng.standard_normal(image.shape[:2], dtype=np.float32) * noise)[..., None]
    return cv2.convertScaleAbs(np.maximum(image, 0))
