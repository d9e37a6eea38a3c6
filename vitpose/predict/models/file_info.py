"""What an exported file says about itself: everything that prediction needs besides the network."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from ...errors import InputError, printable
from ..scoring import MODES
from .crops import CropRule

FORMAT = 1  # raised when older versions of this package can no longer run a file
PREFIX = 'vitpose_'  # of the keys in the file
MAX_TEXT = 200  # characters of a name
MAX_KEYPOINTS = 1000
MAX_SIDE = 4096  # pixels of a crop
LATER = ('sigmas', 'category', 'metric')  # that files of version 0.1.0 lack


@dataclass(frozen=True)
class FileInfo:
    """The metadata of an exported file, stored as JSON, one string per field; keypoints in the order of the outputs.

    ValueError if a field has another type, is too long, or has a character that cannot be printed.
    """

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
    sha256: str  # of the checkpoint's bytes, with those of all shards
    sigmas: list[float] | None = None  # of the OKS, per keypoint; None in files of version 0.1.0
    category: str | None = None  # what the boxes contain, such as 'person'
    metric: dict[str, Any] = field(default_factory=dict)  # options of `Scoring` that the config sets

    def __post_init__(self) -> None:
        """Refuse values that would fail only later, or that a page or a terminal cannot show."""
        names, codec = self.keypoint_names, self.codec
        count = len(names) if isinstance(names, list) else 0
        links = len(self.skeleton) if isinstance(self.skeleton, list) else 0
        checks = {
            **{
                key: _is_text(getattr(self, key)) for key in ('version', 'dataset', 'checkpoint', 'sha256', 'precision')
            },
            **{key: type(getattr(self, key)) is bool for key in ('use_udp', 'rgb', 'flip_test')},
            'keypoint_names': 0 < count <= MAX_KEYPOINTS and all(map(_is_text, names)),
            'input_size': _is_table([self.input_size], 2, MAX_SIDE + 1) and min(self.input_size) > 0,
            'padding': _is_number(self.padding, 0),
            'skeleton': _is_table(self.skeleton, 2, count),
            'flip_indices': _is_table([self.flip_indices], count, count),
            'keypoint_colors': _is_table(self.keypoint_colors, 3, 256, count),
            'skeleton_colors': _is_table(self.skeleton_colors, 3, 256, links),
            'mean': self.mean is None or (isinstance(self.mean, list) and all(map(_is_number, self.mean))),
            'std': self.std is None or _are_positive(self.std),
            'codec': isinstance(codec, dict) and all(_is_text(str(part)) for item in codec.items() for part in item),
            'sigmas': self.sigmas is None
            or (
                isinstance(self.sigmas, list)
                and len(self.sigmas) == count
                and all(_is_number(v, 0) for v in self.sigmas)
            ),
            'category': self.category is None or _is_text(self.category),
            'metric': isinstance(self.metric, dict) and _is_scoring(self.metric),
            'inputs': self.inputs in ('crops', 'images'),
            'outputs': self.outputs in ('keypoints', 'heatmaps'),
        }
        for key, is_good in checks.items():
            if not is_good:
                raise ValueError(f'{key}={getattr(self, key)!r}')

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
        if type(values['format']) is not int:
            raise ValueError(f'format={values["format"]!r}')
        if values['format'] <= FORMAT:
            names = [field.name for field in fields(FileInfo)]
            return FileInfo(**{name: values[name] for name in names if name in values or name not in LATER})
    except (KeyError, TypeError, ValueError, RecursionError) as problem:
        reason = str(problem) if type(problem) is ValueError else f'{type(problem).__name__}: {problem}'
        raise InputError(f'{name}: damaged metadata: {reason[:MAX_TEXT]}; export it again') from problem
    version, number = (printable(str(values.get(key)))[:MAX_TEXT] for key in ('version', 'format'))
    raise InputError(
        f'{name}: format {number}, written by version {version}; this version reads up to format {FORMAT}: '
        'pip install -U vitpose_mm'
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable()


def _is_number(value: Any, least: float = -1e6) -> bool:
    """Whether a value is a number above `least`; NaN and infinity are not."""
    return type(value) in (int, float) and least < value < 1e6


def _are_positive(values: Any) -> bool:
    return isinstance(values, list) and all(_is_number(value, 0) for value in values)


def _is_table(value: Any, columns: int, end: int, rows: int | None = None) -> bool:
    """Whether a value is a list of lists of integers below `end`."""
    if not isinstance(value, list) or len(value) > 10 * MAX_KEYPOINTS or rows not in (None, len(value)):
        return False
    return all(
        isinstance(row, list) and len(row) == columns and all(type(v) is int and 0 <= v < end for v in row)
        for row in value
    )


def _is_scoring(values: dict) -> bool:
    """Whether all values are options of `Scoring`, and can be used."""
    return all(
        value in MODES[key] if key in MODES else key in ('keypoint_score_thr', 'nms_thr') and _is_number(value, -1e-9)
        for key, value in values.items()
    )
