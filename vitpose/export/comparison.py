"""Differences between an exported file and torch in fp32, and their bounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import InputError
from ..predict.models.exported import ExportedModel
from ..predict.models.graph_model import GraphModel

BATCH = 16
# fraction of the median score that a keypoint must have to count: where nothing is seen, heatmaps have no peak
MIN_SCORE_SHARE = 0.5
# by precision, the largest accepted 99th percentile of keypoints in pixels of the crop, and of heatmaps as a fraction
# of their largest value
BOUNDS = {'fp32': (0.05, 0.001), 'fp16': (0.1, 0.01), 'bf16': (0.5, 0.05), 'int8': (2.0, 0.1)}


@dataclass(frozen=True)
class Differences:
    """Largest difference and 99th percentile."""

    crops: int  # number of crops compared
    keypoints: tuple[float, float]  # in pixels of the crop, of keypoints with at least half of the median score
    all_keypoints: tuple[float, float]
    heatmaps: tuple[float, float]  # as a fraction of the largest value

    def lines(self) -> list[str]:
        """Format the differences as text, one line each."""
        keypoints, heatmaps = ('keypoints, px', self.keypoints), ('heatmaps, of the peak', self.heatmaps)
        rows = (keypoints, ('including low scores', self.all_keypoints), heatmaps)
        return [f'{name:22} largest {most:.2g}, 99th percentile {usual:.2g}' for name, (most, usual) in rows]

    def check(self, precision: str) -> None:
        """Raise a ValueError if a 99th percentile is above the bound of a precision."""
        pairs = zip(('keypoints', 'heatmaps'), (self.keypoints, self.heatmaps), BOUNDS[precision], strict=True)
        for name, (_, difference), bound in pairs:
            if not difference <= bound:
                accepted = f'99th percentile {difference:.3g}, and {bound:g} is accepted in {precision}'
                raise InputError(f'{name} differ too much from torch in fp32: {accepted}. No file is left')


def compare(file: ExportedModel, heatmaps: np.ndarray, model: GraphModel, crops: np.ndarray) -> Differences:
    """Compare a file with torch in fp32; `heatmaps` (N, C, Hm, Wm) are those of the file for crops (N, h, w, 3)."""
    parts = in_batches(crops)
    reference = [model.heatmaps(part) for part in parts]
    expected, scores = map(np.concatenate, zip(*map(model.decode, reference), strict=True))
    if file.info.outputs == 'keypoints':
        keypoints = np.concatenate([file.predict(part)[0] for part in parts])
    else:
        keypoints = model.decode(torch.from_numpy(heatmaps))[0]
    far = np.linalg.norm(keypoints.astype(np.float64) - expected, axis=-1)
    plain = torch.cat(reference).numpy()
    apart = np.abs(heatmaps - plain) / np.abs(plain).max()
    sure = far[scores >= MIN_SCORE_SHARE * np.median(scores)]
    return Differences(len(crops), *((float(d.max()), float(np.quantile(d, 0.99))) for d in (sure, far, apart)))


def agreement(model: GraphModel, crops: np.ndarray) -> Callable[[np.ndarray, Sequence[int]], np.ndarray]:
    """Return a function from heatmaps (n, C, Hm, Wm) of other arithmetic, and their crops' indices, to agreement (n,).

    This is the mean over a crop's keypoints of exp(-d^2 / 2 s^2), like COCO's similarity of keypoints: d is the
    distance from the keypoint in fp32, and s is 2% of the crop's diagonal.
    """
    spread = 0.02 * float(np.hypot(*model.crop_rule.input_size))
    expected = np.concatenate([model.predict(part)[0] for part in in_batches(crops)])

    def of(heatmaps: np.ndarray, which: Sequence[int]) -> np.ndarray:
        far = np.linalg.norm(model.decode(torch.from_numpy(heatmaps))[0] - expected[which], axis=-1)
        return np.exp(-(far**2) / (2 * spread**2)).mean(axis=-1)

    return of


def in_batches(crops: np.ndarray) -> list[np.ndarray]:
    """Split crops (N, h, w, 3) into parts of `BATCH`."""
    return [crops[i : i + BATCH] for i in range(0, len(crops), BATCH)]
