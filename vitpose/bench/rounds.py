"""Measured stages, round by round, alternating over the contestants."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from .contestant import REFERENCE, Boxes, Contestant, Images

STAGES = ('pre-processing', 'network', 'decoding', 'end to end')


@dataclass
class Result:
    """What was measured for one contestant."""

    people: int  # in each of the times
    largest_px: float  # distance of a keypoint, staged or end to end, from the reference's, in image pixels
    median_px: float  # of these distances
    seconds: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})  # of every round

    def rate(self, stage: str) -> tuple[float, float, float]:
        """Return lower quartile, median and upper quartile of the people per second."""
        low, middle, high = np.quantile(self.people / np.array(self.seconds[stage]), (0.25, 0.5, 0.75)).tolist()
        return low, middle, high


def measure(
    contestants: Mapping[str, Contestant],
    images: Images,
    boxes: Boxes,
    rounds: int,
    device: torch.device,
    progress: Callable[[str], None] = lambda name: None,
) -> dict[str, Result]:
    """Measure all contestants, warm: each predicts once before, and its keypoints are compared.

    The order is reversed in every other round, so that no contestant always follows the same one. A stage ends when its
    work on the device is done. `progress` is called with each name before it is run, `rounds` + 1 times. ValueError if
    a contestant's keypoints have another shape than the reference's, RuntimeError with its name if it fails.
    """
    keypoints = {}
    for name, contestant in contestants.items():
        progress(name)
        try:
            keypoints[name], _ = _run(contestant, images, boxes, device)
        except Exception as problem:  # of other packages, of any kind
            raise RuntimeError(f'{name} failed: {type(problem).__name__}: {problem}') from problem
    results, reference = {}, keypoints[REFERENCE][1]
    for name, predicted in keypoints.items():
        for points in predicted:
            if points.shape != reference.shape:
                raise InputError(f'{name}: keypoints of shape {points.shape}, the reference has {reference.shape}')
        distances = np.linalg.norm(np.stack(predicted).astype(np.float64) - reference, axis=-1)
        results[name] = Result(len(reference), float(distances.max()), float(np.median(distances)))
    for i in range(rounds):
        for name in list(contestants)[:: -1 if i % 2 else 1]:
            progress(name)
            for stage, seconds in _run(contestants[name], images, boxes, device)[1].items():
                results[name].seconds[stage].append(seconds)
    return results


def _run(contestant: Contestant, images: Images, boxes: Boxes, device: torch.device) -> tuple[tuple, dict[str, float]]:
    """Run the three stages and the prediction end to end; return the keypoints of both, and each stage's seconds."""
    seconds: dict[str, float] = {}

    def timed(stage: str, function: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        result = function(*arguments)
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        seconds[stage] = time.perf_counter() - start
        return result

    inputs = timed(STAGES[0], contestant.preprocess, images, boxes)
    outputs = timed(STAGES[1], contestant.network, inputs)
    staged = timed(STAGES[2], contestant.decode, inputs, outputs)
    del inputs, outputs
    return (staged, timed(STAGES[3], contestant.predict, images, boxes)), seconds
