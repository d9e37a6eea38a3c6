import numpy as np

from vitpose.synthetic.bodies.skeleton import rotation
from vitpose.synthetic.figure import Figure, draw_figure, place
from vitpose.synthetic.keypoints import KINDS
from vitpose.synthetic.labels import read_keypoints
from vitpose.synthetic.paint import Canvas

Points = dict[str, np.ndarray]


def stand(kind: str, yaw: float, angles: dict | None = None, scale: float = 400, at: tuple = (300, 260)) -> Figure:
    """Return a figure of a kind, turned by `yaw` degrees, with its root joint at the pixel `at`."""
    species = KINDS[kind].species
    looks = species.dress(np.random.default_rng(1), None)
    return place(species.body, angles or {}, {}, rotation(0, 0, yaw), scale, looks).moved(*at)


def draw(*figures: Figure, size: tuple[int, int] = (560, 600)) -> Canvas:
    canvas = Canvas(np.full((*size, 3), 128))
    for number, figure in enumerate(figures, 1):
        draw_figure(canvas, figure, number)
    return canvas


def keypoints_of(kind: str, figure: Figure, canvas: Canvas | None = None, number: int = 1) -> Points:
    """Return the keypoints (x, y, v) of a figure by name; by default it is drawn alone."""
    keypoints = read_keypoints(canvas or draw(figure), figure, number, KINDS[kind])
    return dict(zip(KINDS[kind].names, keypoints, strict=True))
