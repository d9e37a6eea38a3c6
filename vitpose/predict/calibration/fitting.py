"""Fit calibrated scores to what a frozen model says about labeled boxes, and measure how good scores are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vitpose_mm.networks.heatmaps.confidence import MAX_RIGHT_DISTANCE, Confidence, PeakMap, Scores

from ...errors import InputError
from ..models.crops import CropRule
from .labeled_boxes import LabeledBox

MIN_PEOPLE = 50
HELD_OUT = 5  # every fifth image chooses the epoch
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 10, 64, 4e-3, 0.1
KNOTS = 64  # of a `PeakMap`, at most
BINS = 15  # of the expected calibration error
Bins = list[tuple[float, float, int]]  # mean score, share that is right, count


class Judged(NamedTuple):
    """What a model says about N boxes, and how right it is."""

    keypoints: Tensor  # (N, K, ...) of `confidence_inputs`, in fp16
    people: Tensor  # (N, ...) of `confidence_inputs`
    peaks: Tensor  # (N, K) maxima
    labeled: Tensor  # (N, K) bool
    right: Tensor  # (N, K) bool; False for background
    similar: Tensor  # (N, K), similarity with the label, as in the OKS
    present: Tensor  # (N, K) bool, labeled and inside the crop

    def pick(self, rows: Sequence[int] | Tensor) -> 'Judged':
        """Pick the boxes of these rows."""
        return Judged(*(value[rows] for value in self))


def compare_labels(points: np.ndarray, boxes: Sequence[LabeledBox], sigmas: np.ndarray, rule: CropRule) -> list[Tensor]:
    """Compare keypoints (N, K, 2) in image pixels with labels -> the last four fields of `Judged`."""
    labels, scales = np.stack([box.keypoints for box in boxes]), np.array([box.scale for box in boxes])
    is_person = scales[:, None] > 0
    far = np.linalg.norm(points - labels[..., :2], axis=-1) / np.maximum(scales[:, None], 1e-6)
    similar = np.exp(-(far**2) / (2 * (2 * sigmas) ** 2)) * is_person
    centers, sides = rule.regions(np.array([box.box for box in boxes]))
    is_inside = (np.abs(labels[..., :2] - centers[:, None]) <= sides[:, None] / 2).all(-1)
    is_labeled = labels[..., 2] > 0
    found = is_labeled | ~is_person, (far < MAX_RIGHT_DISTANCE) & is_person, similar, is_labeled & is_inside
    return [torch.from_numpy(each) for each in found]


def fit_peak_map(judged: Judged) -> PeakMap:
    """Fit isotonic maps from the heatmaps' maxima to whether keypoints are right, their similarity and presence."""
    labeled = judged.labeled.bool()
    at = np.unique(np.quantile(judged.peaks[labeled].numpy(), np.linspace(0, 1, KNOTS)).astype(np.float32))
    if len(at) < 2:
        raise InputError(f'all heatmaps have the maximum {at[0]:.3g}: nothing to calibrate')
    rows = [at]
    for values, where in ((judged.right, labeled), (judged.similar, labeled), (judged.present, labeled | True)):
        peaks = judged.peaks[where].numpy()
        order = peaks.argsort()
        rows.append(np.interp(at, peaks[order], fit_isotonic(values[where].double().numpy()[order])))
    return PeakMap(torch.from_numpy(np.stack(rows)))


def fit_isotonic(values: np.ndarray) -> np.ndarray:
    """Compute the ascending sequence (n,) nearest to `values` (n,) in mean square, by pooling adjacent violators."""
    means, counts = list[float](), list[int]()
    for value in values.tolist():
        count = 1
        while means and means[-1] >= value:
            other = counts.pop()
            value = (means.pop() * other + value * count) / (count + other)
            count += other
        means.append(value)
        counts.append(count)
    return np.repeat(means, counts)


def choose_held_out(images: Sequence[str]) -> Tensor:
    """Choose the boxes to hold out, those of every fifth image: a mask (N,)."""
    numbers = {name: i for i, name in enumerate(dict.fromkeys(images))}
    return torch.tensor([numbers[name] % HELD_OUT == HELD_OUT - 1 for name in images])


def fit_confidence(judged: Judged, is_held_out: Tensor, seed: int = 0) -> Confidence:
    """Train a `Confidence`; the epoch is the one with the lowest loss on the boxes that are held out."""
    train, held_out = judged.pick(~is_held_out), judged.pick(is_held_out)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = Confidence(judged.people.shape[1], judged.peaks.shape[1])
        optimizer = torch.optim.AdamW(module.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        steps = EPOCHS * -(-len(train.peaks) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
        best, kept = float('inf'), module.state_dict()
        for _ in range(EPOCHS):
            module.train()
            for rows in torch.randperm(len(train.peaks)).tensor_split(-(-len(train.peaks) // BATCH)):
                optimizer.zero_grad()
                _loss(module, train.pick(rows)).backward()
                optimizer.step()
                schedule.step()
            with torch.no_grad():
                loss = float(_loss(module.eval(), held_out if len(held_out.peaks) else train))
            if loss < best:
                best, kept = loss, {key: value.clone() for key, value in module.state_dict().items()}
    module.load_state_dict(kept)
    return module.eval()


def _loss(module: Confidence, judged: Judged) -> Tensor:
    """Sum binary cross-entropies: over labeled keypoints, with similarities as soft labels; of presence over all."""
    *scores, presence = module.judge(judged.keypoints.float(), judged.people.float())
    pairs = zip(scores, (judged.right, judged.similar), strict=True)
    losses = [F.binary_cross_entropy(a[judged.labeled], b[judged.labeled].float()) for a, b in pairs]
    return torch.stack([*losses, F.binary_cross_entropy(presence, judged.present.float())]).sum()


@torch.no_grad()
def score(module: Confidence | PeakMap, judged: Judged) -> Scores:
    """Return the scores of a fitted module."""
    if isinstance(module, PeakMap):
        return module.map(judged.peaks)
    return module.judge(judged.keypoints.float(), judged.people.float())


def compare(module: Confidence | PeakMap, judged: Judged) -> list[tuple[float, Bins]]:
    """Compute the `calibration_error` of peaks, limited to [0, 1], and of probabilities."""
    right = judged.right[judged.labeled].numpy()
    both = judged.peaks.clamp(0, 1), score(module, judged).probabilities
    return [calibration_error(values[judged.labeled].double().numpy(), right) for values in both]


def calibration_error(probabilities: np.ndarray, right: np.ndarray) -> tuple[float, Bins]:
    """Compute the expected calibration error of probabilities (n,), and per non-empty bin: mean, share right, count."""
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    kept = [bins == i for i in range(BINS) if (bins == i).any()]
    rows = [(float(probabilities[rows].mean()), float(right[rows].mean()), int(rows.sum())) for rows in kept]
    return sum(abs(mean - share) * count for mean, share, count in rows) / max(len(right), 1), rows
