"""What an exported file says about itself: everything that prediction needs besides the network."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from vitpose_base.pixels import DEPTHS

from ...errors import InputError, printable
from ..poses import EXTRAS, keypoint_names
from ..scoring import MODES
from .crops import CropRule

FORMAT = 1  # raised when older versions of this package can no longer run a file
CODEC = ('input_size', 'heatmap_size', 'sigma', 'blur_kernel_size', 'unbiased', 'border')  # its stored attributes
PREFIX = 'vitpose_'  # of the keys in the file
MAX_TEXT = 200  # characters of a string
MAX_ITEMS = 10_000  # of a list
MAX_SIDE_PX = 4096  # of a crop
# how a model's objects are found in an image without boxes: people, by a detector or in two passes; one object, in two
# passes; only by a detector; each image is one object
Objects = Literal['person', 'two_pass', 'detector', 'whole_image']
OBJECTS = get_args(Objects)
IN_METAINFO = 'category', 'bits', 'objects', 'license', 'box_share'  # fields that the metainfo has as they are


@dataclass(frozen=True)
class FileInfo:
    """The metadata of an exported file, stored as JSON, one string per field; keypoints in the order of the outputs.

    ValueError if a field has another type, is too long, has a character that cannot be printed, or a value that would
    fail only later.
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
    mean: list[float] | None  # subtracted per channel, in 0 to 255; None without normalization
    std: list[float] | None  # each channel is divided by it; None without normalization
    rgb: bool  # the network takes RGB rather than BGR
    codec: dict[str, Any]  # type and arguments of the heatmaps' codec
    inputs: Literal['crops', 'images']  # 'crops': uint8 (B, h, w, 3) BGR; or 'images': fp32 (B, 3, h, w), normalized
    # 'keypoints': (B, K, 2) in MMPose's input pixels, with scores (B, K); or 'heatmaps': (B, K, Hm, Wm)
    outputs: Literal['keypoints', 'heatmaps']
    flip_test: bool  # the heatmaps are averaged with those of the mirrored crop
    precision: str  # 'fp32', 'fp16', 'bf16' or 'int8'
    checkpoint: str  # its name
    sha256: str  # of the checkpoint's bytes, with those of all shards
    sigmas: list[float] | None = None  # of the OKS, per keypoint; None in files of version 0.1.0
    category: str | None = None  # what the boxes contain, such as 'person'
    metric: dict[str, Any] = field(default_factory=dict)  # options of `Scoring` that the config sets
    license: str | None = None  # of the weights
    bits: int | None = None  # significant bits per channel of 16-bit images; None: by the largest value of each
    objects: Objects | None = None  # None: as 'whole_image'
    box_share: list[float] | None = None  # share of an image that a training box takes: 1st and 99th percentile
    # what a score is: the heatmap's maximum, or after `vitpose calibrate` the probability that the keypoint is right
    score_kind: Literal['peak', 'probability'] = 'peak'
    extras: list[str] = field(default_factory=list)  # the outputs after keypoints and scores, some of `EXTRAS`

    def __post_init__(self) -> None:
        """Raise the ValueError."""
        for attribute in fields(self):
            self._check(attribute.name, _is_of(getattr(self, attribute.name), attribute.type))
        count, links, sides = len(self.keypoint_names), len(self.skeleton), self.input_size
        self._check('keypoint_names', count > 0)
        self._check('skeleton', _is_table(self.skeleton, 2, count))
        self._check('flip_indices', _is_table([self.flip_indices], count, count))
        self._check('keypoint_colors', len(self.keypoint_colors) == count and _is_table(self.keypoint_colors, 3, 256))
        self._check('skeleton_colors', len(self.skeleton_colors) == links and _is_table(self.skeleton_colors, 3, 256))
        self._check('input_size', len(sides) == 2 and 0 < min(sides) and max(sides) <= MAX_SIDE_PX)
        self._check('padding', self.padding > 0)
        self._check('std', all(value > 0 for value in self.std or ()))
        self._check('sigmas', self.sigmas is None or (len(self.sigmas) == count and min(self.sigmas) > 0))
        self._check('metric', all(_is_scoring(*item) for item in self.metric.items()))
        self._check('bits', self.bits in (None, *DEPTHS))
        self._check('box_share', is_share(self.box_share))
        self._check('extras', set(self.extras) <= set(EXTRAS))

    def _check(self, key: str, is_good: bool) -> None:
        if not is_good:
            raise ValueError(f'{key}={getattr(self, key)!r}')

    def texts(self) -> dict[str, str]:
        """Return the strings to store, by key."""
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
            **{key: getattr(self, key) for key in (*IN_METAINFO, 'flip_indices', 'sigmas', 'metric', 'score_kind')},
            crop_rule=self.crop_rule,
        )


def is_share(value: Any) -> bool:
    """Answer whether this is None or two numbers in order, above 0 and at most 1."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return value is None
    return all(isinstance(share, int | float) for share in value) and 0 < value[0] <= value[1] <= 1


def metainfo_fields(metainfo: dict[str, Any]) -> dict[str, Any]:
    """Collect the fields of `FileInfo` that a model's metainfo contains."""
    sigmas = metainfo['sigmas']
    return dict(
        dataset=metainfo['dataset_name'],
        keypoint_names=keypoint_names(metainfo),
        skeleton=[list(link) for link in metainfo['skeleton_links']],
        flip_indices=metainfo['flip_indices'],
        keypoint_colors=np.asarray(metainfo['keypoint_colors']).astype(int).tolist(),
        skeleton_colors=np.asarray(metainfo['skeleton_link_colors']).astype(int).tolist(),
        sigmas=None if sigmas is None or not len(sigmas) else np.asarray(sigmas).astype(float).tolist(),
        **{key: metainfo.get(key) for key in IN_METAINFO},
        metric=metainfo.get('metric', {}),
    )


def codec_fields(codec: Any) -> dict[str, Any]:
    """Make the field `codec` of `FileInfo`."""
    name = getattr(codec, 'config_type', type(codec).__name__)
    return dict(type=name, **{key: getattr(codec, key) for key in CODEC if hasattr(codec, key)})


def read_info(stored: Mapping[str, str], name: str) -> FileInfo:
    """Read the strings that a file stores, by key. ValueError if the file `name` is foreign, newer or damaged."""
    texts = {key.removeprefix(PREFIX): value for key, value in stored.items() if key.startswith(PREFIX)}
    if 'format' not in texts:
        raise InputError(f'{name}: not written by `vitpose export`: it does not say how to crop and what it predicts')
    try:
        values = {key: json.loads(value) for key, value in texts.items()}
        if type(values['format']) is not int:
            raise ValueError(f'format={values["format"]!r}')
        if values['format'] <= FORMAT:
            return FileInfo(**{key.name: values[key.name] for key in fields(FileInfo) if key.name in values})
    except (TypeError, ValueError, RecursionError) as problem:
        reason = str(problem) if type(problem) is ValueError else f'{type(problem).__name__}: {problem}'
        raise InputError(f'{name}: damaged metadata: {reason[:MAX_TEXT]}; export it again') from problem
    version, number = (printable(str(values.get(key)))[:MAX_TEXT] for key in ('version', 'format'))
    remedy = f'this version reads up to format {FORMAT}: pip install -U vitpose_mm'
    raise InputError(f'{name}: format {number}, written by version {version}; {remedy}')


def _is_of(value: Any, kind: Any) -> bool:
    """Answer whether a JSON value has an annotated type, with short lists and strings, and finite numbers."""
    kinds = get_args(kind)
    if get_origin(kind) is Literal:
        return value in kinds
    if get_origin(kind) in (Union, UnionType):
        return any(_is_of(value, alternative) for alternative in kinds)
    if get_origin(kind) is list:
        return isinstance(value, list) and len(value) <= MAX_ITEMS and all(_is_of(item, kinds[0]) for item in value)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(_is_of(str(part), str) for item in value.items() for part in item)
    if kind is str:
        return isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable()
    return type(value) in (int, float) and -1e6 < value < 1e6 if kind is float else type(value) is kind


def _is_table(rows: list[list[int]], columns: int, end: int) -> bool:
    """Answer whether each row has `columns` values, all from 0 to below `end`."""
    return all(len(row) == columns and all(0 <= value < end for value in row) for row in rows)


def _is_scoring(key: str, value: Any) -> bool:
    """Answer whether this is an option of `Scoring` that can be used."""
    if key in MODES:
        return value in MODES[key]
    return key in ('keypoint_score_thr', 'nms_thr') and _is_of(value, float) and value >= 0
