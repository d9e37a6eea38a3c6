"""Crops of people to compare or calibrate with: of given images, or rendered."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from ..predict.inputs.box_checks import check_boxes
from ..predict.inputs.boxes import read_boxes
from ..predict.inputs.images import read_frame
from ..predict.inputs.sources import find_sources, read_frames
from ..predict.models.crops import CropRule
from ..predict.poses import Frame
from ..synthetic.render_settings import RenderSettings, render_one


def crop_people(
    rule: CropRule,
    number: int,
    inputs: Sequence[str] = (),
    boxes: Path | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """Crops (N, h, w, 3) uint8 BGR of up to `number` people.

    Args:
        rule: how to crop.
        number: people to stop after.
        inputs: images, videos, folders or globs, taken in an order that mixes them; empty for rendered people.
        boxes: file with the boxes of their people, as for `vitpose predict`; None: each image is one person.
        progress: called with the number of crops so far.

    Raises:
        OSError: an input does not exist.
        ValueError: an input is neither image nor video, an image is broken, or nobody is in them.
    """
    crops: list[np.ndarray] = []
    for frame in _given(inputs, boxes) if inputs else _rendered():
        assert frame.image is not None
        height, width = frame.image.shape[:2]
        candidates = np.array([[0, 0, width, height]]) if frame.boxes is None else frame.boxes
        checked = check_boxes(candidates, None, (width, height))[0][: number - len(crops)]
        cropped = np.empty((len(checked), *rule.input_size[::-1], 3), np.uint8)
        rule.crop(frame.image, *rule.regions(checked), cropped)
        crops.extend(cropped)
        progress(len(crops))
        if len(crops) == number:
            break
    if not crops:
        raise ValueError(f'--images {" ".join(inputs)}: no people in them')
    return np.stack(crops)


def _given(inputs: Sequence[str], boxes: Path | None) -> Iterator[Frame]:
    sources = find_sources(inputs)
    matched = read_boxes(boxes, sources) if boxes else None
    if matched:
        sources = [source for source in sources if source.name not in matched.missing]
    order = np.random.default_rng(0).permutation(len(sources))
    frames = read_frames([sources[i] for i in order])
    for i, frame in enumerate(matched.fill(frames) if matched else frames):
        read = read_frame(frame, i)
        if read.error is not None:
            raise ValueError(read.error)
        yield read


def _rendered() -> Iterator[Frame]:
    settings = RenderSettings(train=0, val=1000, difficulty='easy')
    for index in count():
        drawn = render_one(settings, 'val', index)
        boxes = np.array([person['bbox'] for person in drawn.people], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        yield Frame(f'rendered {index}', drawn.image, boxes=boxes)
