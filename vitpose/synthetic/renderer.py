"""One image of several people, with the annotations that are true to it."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from .figure import PARTS_PER_FIGURE, Placed, draw_figure, place
from .labels import read_keypoints
from .landmarks import KeypointSet
from .paint import Canvas
from .poses import sample_pose
from .scenery import draw_background, draw_object, draw_shadow
from .skeleton import rotation

GROUND = 0.6  # nobody's lowest point is higher up than this part of the image's height


@dataclass(frozen=True)
class Difficulty:
    """What makes a scene easy or hard.

    Attributes:
        name: 'easy' or 'hard'; also the name of the mix of poses.
        people: Fewest and most people tried for in an image.
        stature: Smallest and largest stature over the image's height.
        overlap: Largest part of the smaller of two people's boxes that the other may cover.
        outside: How far people may stick out of the image, in their own box's size.
        objects: Most objects in an image.
        busy: 0 for a calm background to 1.
        pitch: Lowest and highest angle in degrees at which the camera looks down.
        lean: Standard deviation in degrees of a body's roll.
        facing: Part of the people who face the camera within about 20 degrees, and part who turn their back to it
            likewise; the others look anywhere.
        clear: Whether clothes keep clear of the background's colour, and sleeves leave the forearms bare.
        spoil: Largest strength of blur, grain and dimming, 0 to 1.
    """

    name: str
    people: tuple[int, int]
    stature: tuple[float, float]
    overlap: float
    outside: float
    objects: int
    busy: float
    pitch: tuple[float, float]
    lean: float
    facing: tuple[float, float]
    clear: bool
    spoil: float


DIFFICULTIES = {
    'easy': Difficulty('easy', (2, 4), (0.5, 0.9), 0.25, 0.06, 2, 0.2, (-2, 8), 2.5, (0.75, 0.15), True, 0.1),
    'hard': Difficulty('hard', (2, 6), (0.3, 1.25), 0.65, 0.4, 5, 1.0, (-10, 35), 14.0, (0.0, 0.0), False, 1.0),
}


def difficulty(name: str) -> Difficulty:
    """The settings of a difficulty.

    Raises:
        KeyError: If the name is not known.
    """
    if name not in DIFFICULTIES:
        raise KeyError(f'unknown difficulty {name!r}: it is one of {", ".join(DIFFICULTIES)}')
    return DIFFICULTIES[name]


@dataclass(frozen=True)
class Rendered:
    """One image.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        ids: (H, W) int32, who owns each pixel; see `figure.PARTS_PER_FIGURE`.
        people: One annotation a person that can be seen: `keypoints` (K, 3) with COCO's v, `bbox` (x, y, w, h)
            and `area` of the pixels that were drawn, `polygons` around them; `category` (see `species.Breed`)
            and `head_box` (x1, y1, x2, y2), which is the head's even where it is hidden.
    """

    image: np.ndarray
    ids: np.ndarray
    people: list[dict] = field(default_factory=list)


def render(
    rng: np.random.Generator, table: KeypointSet, level: Difficulty, height: int = 240, width: int = 320
) -> Rendered:
    """Renders one image.

    Args:
        rng: Source of randomness: the same state gives the same image.
        table: Which body, and which of its points are annotated.
        level: How hard.
        height: Rows.
        width: Columns.
    """
    background = draw_background(rng, height, width, level.busy)
    canvas = Canvas.blank(background, np.array((rng.uniform(-0.8, 0.8), rng.uniform(-0.9, -0.2), 0.8)))
    mean = np.array(cv2.mean(background))[:3] if level.clear else None
    figures = _arrange(rng, table, level, mean, height, width)
    actors: list[tuple[float, Placed | None]] = [(_foot(figure)[1], figure) for figure in figures]
    for _ in range(int(rng.integers(0, level.objects + 1))):
        actors.append((float(rng.uniform(0.5, 1.05) * height), None))
    actors.sort(key=lambda actor: actor[0])
    numbers: list[tuple[int, Placed]] = []
    for depth, actor in actors:
        if actor is None:
            size = float(rng.uniform(0.12, 0.3) * height)
            draw_object(canvas, rng, np.array((rng.uniform(0, width), depth)), size)
        else:
            numbers.append((len(numbers) + 1, actor))
            draw_shadow(canvas, _foot(actor), table.species.body.footprint * actor.scale)
            draw_figure(canvas, actor, len(numbers))
    image = _spoil(rng, canvas.image, level.spoil)
    people = []
    for number, figure in numbers:
        person = annotate(canvas, figure, number, table)
        if person is not None:
            people.append(person)
    return Rendered(image, canvas.ids, people)


def _arrange(
    rng: np.random.Generator, table: KeypointSet, level: Difficulty, mean: np.ndarray | None, height: int, width: int
) -> list[Placed]:
    """People whose boxes overlap no more than the level allows; who finds no room stays away."""
    boxes: list[np.ndarray] = []
    figures: list[Placed] = []
    pitch = float(rng.uniform(*level.pitch))
    for _ in range(int(rng.integers(level.people[0], level.people[1] + 1))):
        figure = _stand(rng, table, level, mean, height, pitch)
        extent = figure.extent()
        size = extent[2:] - extent[:2]
        for _ in range(12):
            low = -level.outside * size
            low[1] = max(low[1], GROUND * height - size[1])
            high = np.maximum((width, height) - (1 - level.outside) * size, low + 1)
            shift = rng.uniform(low, high) - extent[:2]
            box = extent + np.tile(shift, 2)
            if all(_covered(box, other) <= level.overlap for other in boxes):
                figures.append(figure.moved(*shift))
                boxes.append(box)
                break
    return figures


def _stand(
    rng: np.random.Generator, table: KeypointSet, level: Difficulty, mean: np.ndarray | None, height: int, pitch: float
) -> Placed:
    """One person in a pose, seen from anywhere around."""
    species = table.species
    body = species.body
    angles = sample_pose(rng, level.name, body, species.repertoire)
    yaw = _turn(rng, level.facing, species.yaws)
    roll = float(rng.normal(0, level.lean))
    if level.name == 'hard' and rng.random() < 0.1:
        roll += float(rng.choice((-90, 90)))
    view = rotation(pitch, 0, 0) @ rotation(0, roll, 0) @ rotation(0, 0, yaw)
    scale = height * float(np.exp(rng.uniform(*np.log(level.stature))))
    breed = species.sample_breed(rng)
    build = body.sample_build(rng, breed.factors)
    return place(body, angles, build, view, scale, species.dress(rng, mean), breed.category)


def _turn(rng: np.random.Generator, facing: tuple[float, float], yaws: tuple[float, float]) -> float:
    """Degrees that somebody is turned away from the camera; to either side, unless they face it straight."""
    front, back = facing
    kind = rng.random()
    if kind >= front + back:
        return float(rng.uniform(-180, 180))
    yaw = float(rng.normal(yaws[0] if kind < front else yaws[1], 20))
    return -yaw if yaws[0] and rng.random() < 0.5 else yaw


def _covered(box: np.ndarray, other: np.ndarray) -> float:
    """The part of the smaller of two boxes (left, top, right, bottom) that lies in the larger."""
    overlap = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    sizes = [float(np.prod(b[2:] - b[:2])) for b in (box, other)]
    return float(np.prod(np.maximum(overlap, 0))) / min(sizes)


def _foot(figure: Placed) -> np.ndarray:
    """The (x, y) where a figure meets the ground."""
    lowest = max(figure.points.values(), key=lambda point: point[1])
    pelvis = next(iter(figure.points.values()))
    return np.array((pelvis[0], lowest[1]))


def _spoil(rng: np.random.Generator, image: np.ndarray, strength: float) -> np.ndarray:
    """A camera's faults: dimming, a tint, blur and grain; gives uint8."""
    gain = 1 - strength * rng.uniform(0, 0.45) + rng.normal(0, 0.05 * strength, 3)
    image = image * gain.astype(np.float32)
    if rng.random() < strength * 0.5:
        image = cv2.GaussianBlur(image, (0, 0), 0.4 + 0.9 * strength * float(rng.random()))
    if rng.random() < 0.2 + 0.5 * strength:
        grain = np.float32(rng.uniform(2, 4 + 8 * strength))
        image = image + (rng.standard_normal(image.shape[:2], dtype=np.float32) * grain)[..., None]
    return cv2.convertScaleAbs(np.maximum(image, 0))


def annotate(canvas: Canvas, figure: Placed, number: int, table: KeypointSet) -> dict | None:
    """One person's annotation, from the pixels that were left of them; None when nothing is.

    Args:
        canvas: The finished canvas.
        figure: Who.
        number: The number it was drawn with.
        table: Which keypoints.

    Returns:
        See `Rendered.people`. A person of whom fewer than 12 pixels are left has no keypoints (all v = 0).
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
