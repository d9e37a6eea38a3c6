"""Calibrated scores: probabilities from heatmaps and features, for a frozen network; pure torch, traceable."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...checkpoints.key_maps import pop_prefix
from .codecs import HeatmapCodec
from .peaks import Peaks
from .spread import peak_covariances, rival_peaks

Part = nn.Module | None
PREFIX = 'confidence.'  # of its weights among those of a head
FINGERPRINT = 'fingerprint'
MAX_RIGHT_DISTANCE = 0.1  # of the person's scale: a keypoint that is nearer to its label is right


class Scores(NamedTuple):
    """What the scores of a calibrated model are."""

    probabilities: Tensor  # (B, K), that a keypoint is nearer than 0.1 of the person's scale
    similarities: Tensor  # (B, K), the expected similarity of a keypoint with the label, as in the OKS
    presence: Tensor  # (B, K), the probability that a keypoint is labeled, and inside the crop

    @property
    def expected_oks(self) -> Tensor:
        """The expected OKS of each person (B,): their mean similarity, weighted by the probabilities."""
        weights = self.probabilities + 1e-6
        return (self.similarities * weights).sum(-1) / weights.sum(-1)


class PeakMap(nn.Module):
    """Monotone piecewise linear maps of the heatmap's maximum, as isotonic regression fits them.

    `table` is (4, M): M ascending maxima, and the three values of `Scores` at each. Any other table is a ValueError.
    """

    table: Tensor

    def __init__(self, table: Tensor):
        super().__init__()
        if table.ndim != 2 or len(table) != 4 or table.shape[1] < 2 or not (table[0].diff() > 0).all():
            raise ValueError(f'table {tuple(table.shape)}: expected (4, M) with M >= 2 ascending maxima')
        self.register_buffer('table', table.float())

    def forward(self, codec: HeatmapCodec, heatmaps: Tensor, features: Tensor, peaks: tuple[Tensor, Tensor]) -> Scores:
        """Map the scores of `peaks`; arguments as in `Confidence`."""
        return self.map(peaks[1])

    def map(self, maxima: Tensor) -> Scores:
        """Map the maxima (B, K) of heatmaps."""
        at, *values = self.table
        part = ((maxima.float()[..., None] - at[:-1]) / at.diff()).clamp(0, 1)
        return Scores(*(value[0] + part @ value.diff() for value in values))


class Confidence(nn.Module):
    """A small network that predicts how good keypoints are, from a frozen pose network.

    Per keypoint: the features at its peak, where it is, maximum, spread and rivals of its heatmap, the values of all
    heatmaps there, and which keypoint it is. Per person: the mean features.

    Args:
        in_channels: channels C of the feature map.
        num_keypoints: K.
        width: of the hidden layers.
        dropout: of the hidden layers in training.
    """

    def __init__(self, in_channels: int, num_keypoints: int, width: int = 32, dropout: float = 0.3):
        super().__init__()
        count = in_channels + STATISTICS + num_keypoints
        self.keypoint = nn.Sequential(nn.BatchNorm1d(count, affine=False), nn.Linear(count, width))
        few = nn.Linear(in_channels, width // 4), nn.Linear(width // 4, width)
        self.person = nn.Sequential(nn.BatchNorm1d(in_channels, affine=False), *few)
        self.index = nn.Parameter(torch.zeros(num_keypoints, width))
        hidden = nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width), nn.GELU()
        self.mlp = nn.Sequential(*hidden, nn.Linear(width, 3))

    def forward(self, codec: HeatmapCodec, heatmaps: Tensor, features: Tensor, peaks: tuple[Tensor, Tensor]) -> Scores:
        """Judge the `peaks`, keypoints (B, K, 2) in input pixels and scores (B, K), that `codec` located in heatmaps.

        Heatmaps are (B, K, Hm, Wm), and features (B, C, Hp, Wp).
        """
        return self.judge(*confidence_inputs(codec, heatmaps, features, peaks))

    def judge(self, keypoints: Tensor, people: Tensor) -> Scores:
        """Judge keypoints by `confidence_inputs`."""
        hidden = self.keypoint(keypoints.flatten(0, 1)).unflatten(0, (-1, keypoints.shape[1]))
        hidden = hidden + self.person(people)[:, None] + self.index
        return Scores(*self.mlp(hidden).sigmoid().unbind(-1))


STATISTICS = 7  # maximum, mass outside, rival, spread in x and y, place x and y


def confidence_inputs(
    codec: HeatmapCodec, heatmaps: Tensor, features: Tensor, peaks: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Collect what is known per keypoint (B, K, C + STATISTICS + K) and person (B, C); arguments of `Confidence`."""
    keypoints, scores, maps, features = (each.float() for each in (*peaks, heatmaps, features))
    cells, place = codec.cells(keypoints), keypoints / keypoints.new_tensor(codec.input_size)
    variances = peak_covariances(maps, cells, codec.reach).diagonal(dim1=-2, dim2=-1)
    rivals = torch.stack((scores, *rival_peaks(maps, cells, codec.reach)), -1)
    statistics = torch.cat((rivals, variances.sqrt(), place, sample_maps(maps, place)), -1)
    return torch.cat((sample_maps(features, place), statistics), -1), features.mean((-2, -1))


def sample_maps(maps: Tensor, places: Tensor) -> Tensor:
    """Sample maps (B, C, H, W) bilinearly at places (B, K, 2), x y in [0, 1] of the input -> (B, K, C)."""
    weights = []
    for i, size in enumerate((maps.shape[3], maps.shape[2])):
        centers = (places[..., i, None] * size - 0.5).clamp(0, size - 1)
        weights.append((1 - (centers - torch.arange(size, device=places.device)).abs()).clamp(min=0))
    x, y = weights
    return (y[..., :, None] * x[..., None, :]).flatten(2) @ maps.flatten(2).transpose(1, 2)


def fingerprint(weights: Mapping[str, Tensor]) -> Tensor:
    """Hash the weights of a model except its calibration -> (32,) uint8, the SHA-256 of names and values."""
    digest = hashlib.sha256()
    for name in sorted(key for key in weights if f'.{PREFIX}' not in key):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)


def read_confidence(weights: Mapping[str, Tensor], dataset: str | None = None) -> PeakMap | Confidence | None:
    """Build the calibration that a checkpoint holds; None if there is none.

    `dataset` chooses the head if there are several. ValueError if it was made for other weights, or is damaged.
    """
    if not (part_weights := head_weights(weights, PREFIX, dataset)):
        return None
    known = part_weights.pop(FINGERPRINT, None)
    if known is not None and not torch.equal(known.cpu(), fingerprint(weights)):
        raise ValueError('its scores were calibrated for other weights: run `vitpose calibrate` again')
    if 'table' in part_weights:
        return PeakMap(part_weights['table'])
    try:
        count, width = part_weights['index'].shape
        module = Confidence(part_weights['keypoint.1.weight'].shape[1] - STATISTICS - count, count, width)
        module.load_state_dict(part_weights)
    except (KeyError, ValueError, RuntimeError) as problem:
        raise ValueError(f'its calibration is damaged: {str(problem).splitlines()[0]}') from problem
    return module.eval()


def head_weights(weights: Mapping[str, Tensor], part: str, dataset: str | None) -> dict[str, Tensor]:
    """Return the weights below `part` of the head of a dataset, or else of a single head."""
    for prefix in (f'head.heads.{dataset}.{part}', f'head.{part}'):
        if part_weights := pop_prefix(dict(weights), prefix):
            return part_weights
    return {}


def judge_keypoints(
    codec: HeatmapCodec, heatmaps: Tensor, features: Tensor, peaks: Peaks, confidence: Part, presence: Part
) -> dict[str, Tensor]:
    """Compute what a `Confidence` or `PeakMap`, and a `Presence`, say about keypoints; the other arguments as there.

    Returns `scores` (B, K), and, in this order, `expected_oks` (B,), `presence` (B, K) and `visibility` (B, K) where
    known. A trained presence takes precedence over a calibrated one, which counts unlabeled keypoints as absent.
    """
    judged = {'scores': peaks[1]}
    if confidence is not None:
        scores: Scores = confidence(codec, heatmaps, features, peaks)
        judged = dict(scores=scores.probabilities, expected_oks=scores.expected_oks, presence=scores.presence)
    if presence is not None:
        judged['presence'], judged['visibility'] = presence(heatmaps, features)
    return judged
