"""What an exported file says about itself: everything that prediction needs besides the network."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from ...errors import InputError
from ..scoring import Scoring
from .crops import CropRule

FORMAT = 1  # raised when older versions of this package can no longer run a file
PREFIX = 'vitpose_'  # of the keys in the file
LATER = ('sigmas', 'category', 'metric')  # that files of version 0.1.0 lack


@dataclass(frozen=True)
class FileInfo:
    """The metadata of an exported file, stored as JSON, one string per field; keypoints in the order of the outputs."""

    format: int  # version of this description, `FORMAT`
    version: str  # of the package that wrote the file
    dataset: str
    keypoint_names: list[str]
    skeleton: list[list[int]]  # pairs of indices of linked keypoints
    flip_indices: list[int]  # index of each keypoint's mirror image, (K,)
    keypoint_colors: list[list[int]]  # RGB per keypoint
    skeleton_colors: list[list[int]]  # RGB per link
    input_size: list[int]  # (w, h) of a crop in pixels
    padding: float  # factor by which boxes are enlarged
    use_udp: bool  # see `CropRule`
    mean: list[float] | None  # per channel that is subtracted, in 0 to 255; None without normalization
    std: list[float] | None  # per channel that is divided by; None without normalization
    rgb: bool  # the network takes RGB rather than BGR
    codec: dict[str, Any]  # type and arguments of the heatmaps' codec
    inputs: str  # 'crops': uint8 (B, h, w, 3) BGR; or 'images': fp32 (B, 3, h, w), normalized
    outputs: str  # 'keypoints': (B, K, 2) in MMPose's input pixels, with scores (B, K); or 'heatmaps': (B, K, Hm, Wm)
    flip_test: bool  # the heatmaps are averaged with those of the mirrored crop
    precision: str  # 'fp32', 'fp16', 'bf16' or 'int8'
    checkpoint: str  # its name
    sha256: str  # of the checkpoint's bytes
    sigmas: list[float] | None = None  # of the OKS, per keypoint; None in files of version 0.1.0
    category: str | None = None  # what the boxes contain, such as 'person'
    metric: dict[str, Any] = field(default_factory=dict)  # options of `Scoring` that the config sets

    def texts(self) -> dict[str, str]:
        """The strings to store, by key."""
        return {PREFIX + key: json.dumps(value) for key, value in asdict(self).items()}

    @property
    def crop_rule(self) -> CropRule:
        """How boxes are cropped."""
        return CropRule((self.input_size[0], self.input_size[1]), self.padding, self.use_udp)

    @property
    def metainfo(self) -> dict[str, Any]:
        """The keys of MMPose's parsed metainfo that prediction uses."""
        return dict(
            dataset_name=self.dataset,
            num_keypoints=len(self.keypoint_names),
            keypoint_id2name=dict(enumerate(self.keypoint_names)),
            keypoint_colors=np.array(self.keypoint_colors, np.uint8).reshape(-1, 3),
            skeleton_links=[tuple(link) for link in self.skeleton],
            skeleton_link_colors=np.array(self.skeleton_colors, np.uint8).reshape(-1, 3),
            flip_indices=self.flip_indices,
            sigmas=self.sigmas,
            category=self.category,
            metric=self.metric,
            crop_rule=self.crop_rule,
        )


def read_info(stored: Mapping[str, str], name: str) -> FileInfo:
    """Read the strings that a file stores, by key; ValueError if the file `name` is foreign, newer or damaged."""
    texts = {key.removeprefix(PREFIX): value for key, value in stored.items() if key.startswith(PREFIX)}
    if 'format' not in texts:
        raise InputError(f'{name}: not written by `vitpose export`: it does not say how to crop and what it predicts')
    try:
        values = {key: json.loads(value) for key, value in texts.items()}
        if int(values['format']) <= FORMAT:
            info = FileInfo(
                **{f.name: values[f.name] for f in fields(FileInfo) if f.name in values or f.name not in LATER}
            )
            _check(info)
            return info
    except (KeyError, TypeError, ValueError, RecursionError) as problem:
        reason = problem if type(problem) is ValueError else f'{type(problem).__name__}: {problem}'
        raise InputError(f'{name}: damaged metadata: {reason}; export it again') from problem
    raise InputError(
        f'{name}: format {values["format"]}, written by version {values.get("version")}; this version reads up to '
        f'format {FORMAT}: pip install -U vitpose_mm'
    )


def _check(info: FileInfo) -> None:
    """Raise a ValueError for values that would fail only later, when something is predicted."""

    def is_table(value: Any, columns: int, end: int) -> bool:
        """Whether a value is a list of lists of integers below `end`."""
        return isinstance(value, list) and all(
            isinstance(row, list) and len(row) == columns and all(type(v) is int and 0 <= v < end for v in row)
            for row in value
        )

    def is_numbers(values: Any) -> bool:
        return isinstance(values, list) and all(type(v) in (int, float) and 0 < v < math.inf for v in values)

    def is_scoring(values: dict) -> bool:
        known = {f.name: f.default for f in fields(Scoring)}
        thresholds = [value for key, value in values.items() if key.endswith('_thr')]
        return all(type(value) is type(known.get(key)) for key, value in values.items()) and is_numbers(thresholds)

    names, size = info.keypoint_names, info.input_size
    checks = {
        'keypoint_names': isinstance(names, list) and bool(names) and all(isinstance(n, str) for n in names),
        'input_size': is_table([size], 2, 1 << 31) and min(size) > 0,
        'padding': type(info.padding) in (int, float) and info.padding > 0,
        'skeleton': is_table(info.skeleton, 2, len(names)),
        'keypoint_colors': is_table(info.keypoint_colors, 3, 256) and len(info.keypoint_colors) == len(names),
        'skeleton_colors': is_table(info.skeleton_colors, 3, 256) and len(info.skeleton_colors) == len(info.skeleton),
        'sigmas': info.sigmas is None or (is_numbers(info.sigmas) and len(info.sigmas) == len(names)),
        'category': info.category is None or isinstance(info.category, str),
        'metric': isinstance(info.metric, dict) and is_scoring(info.metric),
        'inputs': info.inputs in ('crops', 'images'),
        'outputs': info.outputs in ('keypoints', 'heatmaps'),
    }
    for key, is_good in checks.items():
        if not is_good:
            raise ValueError(f'{key}={getattr(info, key)!r}')
