"""Crops of people to compare or calibrate with: of given images, or rendered."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..predict.batching import start_work
from ..predict.inputs.boxes import read_boxes
from ..predict.inputs.images import read_frame
from ..predict.inputs.sources import Source, read_frames
from ..predict.models.crops import CropRule
from ..predict.poses import Frame
from ..synthetic.render_settings import RenderSettings, render_one


def crop_people(
    rule: CropRule,
    number: int,
    sources: list[Source] | None = None,
    boxes: Path | None = None,
    bits: int | None = None,
    **box_options: Any,
) -> np.ndarray:
    """Crop up to `number` people into (N, h, w, 3) uint8 BGR.

    They are in `sources`, taken in an order that mixes them, with `boxes` and the other arguments of `read_boxes`, by
    default one person per image, and `bits` as in `read_frame`; without sources they are rendered. ValueError if one
    is broken, or nobody is in them.
    """
    crops: list[np.ndarray] = []
    for frame in _read(sources, boxes, bits, box_options) if sources else _render():
        assert frame.image is not None
        people = start_work(frame, rule, 0).poses.boxes[: number - len(crops)]
        cropped = np.empty((len(people), *rule.input_size[::-1], 3), np.uint8)
        rule.crop(frame.image, *rule.regions(people), cropped)
        crops.extend(cropped)
        if len(crops) == number:
            break
    if not crops:
        raise InputError(f'{boxes}: no boxes of people in --images')
    return np.stack(crops)


def _read(sources: list[Source], boxes: Path | None, bits: int | None, box_options: dict[str, Any]) -> Iterator[Frame]:
    matched = read_boxes(boxes, sources, **box_options) if boxes else None
    if matched:
        sources = [source for source in sources if source.name not in matched.missing]
    frames = read_frames([sources[i] for i in np.random.default_rng(0).permutation(len(sources))])
    for frame in matched.fill(frames) if matched else frames:
        frame = read_frame(frame, 0, bits)
        if frame.error is not None:
            raise InputError(frame.error)
        yield frame


def _render() -> Iterator[Frame]:
    for drawn in (render_one(RenderSettings(train=0, val=1000), 'val', index) for index in count()):
        boxes = np.array([person['bbox'] for person in drawn.people], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        yield Frame('rendered', drawn.image, boxes=boxes)
