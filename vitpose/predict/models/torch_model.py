"""The pose model of a config and a checkpoint: crops in, heatmaps and keypoints out."""

from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.model import ImgDataPreprocessor
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmpose.evaluation.metrics import CocoMetric
from mmpose.models.heads import HeatmapHead
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.registry import METRICS, MODELS
from torch import Tensor

import vitpose_mm  # noqa: F401
from vitpose_mm.checkpoints.run_checkpoints import missing_checkpoint_message
from vitpose_mm.checkpoints.safe_load import load_weights
from vitpose_mm.checkpoints.validation import load_strictly
from vitpose_mm.codecs.heatmaps import batch_codec
from vitpose_mm.datasets.metainfo import dataset_class, parse_metainfo, raw_metainfo
from vitpose_mm.estimators.plain_model import split_config, split_model
from vitpose_mm.heads import MultiDatasetHead
from vitpose_mm.heads.decoders import DecoderHead
from vitpose_mm.networks.heatmaps.codecs import HeatmapCodec
from vitpose_mm.networks.pose_network import HeatmapNetwork

from ...errors import InputError, MissingFileError, one_line
from ...shipped import find_config
from ..scoring import Scoring
from .crops import CropRule, read_crop_rule
from .description import choose_dataset
from .file_info import OBJECTS, is_share
from .graph_model import GraphModel


class PoseModel(GraphModel):
    """A top-down heatmap model on a device, for one dataset.

    The arguments are those of `load_model`; compiled for a CPU, it has one graph for batches of any size and one for a
    single person, each made in its first batch. Without `calibrated`, a calibration of the checkpoint is not used.

    OSError if a file does not exist; ValueError for an unknown device, precision or dataset, a model without heatmap
    head, a pipeline that cannot be repeated, or a checkpoint that does not fit.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        device: str = 'auto',
        precision: str = 'fp32',
        flip_test: bool = False,
        dataset: str | None = None,
        compile: bool = False,
        cfg_options: dict[str, Any] | None = None,
        calibrated: bool = True,
    ):
        super().__init__(device, precision, flip_test, compile)
        cfg, name = read_config(config, cfg_options)
        datasets = head_names(cfg)
        single = split_config(cfg, choose_dataset(dataset, datasets)) if datasets else cfg
        self.crop_rule, self.metainfo = read_test_set(single, name)
        if not datasets:
            choose_dataset(dataset, [self.metainfo['dataset_name']])
        if not Path(checkpoint).exists():
            raise MissingFileError(missing_checkpoint_message(Path(checkpoint), name, 'checkpoint={}'))
        try:
            weights = load_weights(Path(checkpoint))
        except ValueError as problem:
            raise InputError(str(problem)) from problem
        try:
            if datasets:
                model = split_model(cfg, weights, self.metainfo['dataset_name'])
            else:
                load_strictly(model := MODELS.build(cfg.model), weights)
        except ValueError as problem:
            raise InputError(f'{checkpoint} does not fit {name}: {problem}') from problem
        self._check(model, name)
        head: Any = model.head
        self.model, self.decoder = revert_sync_batchnorm(model), head.decoder
        self._place(EstimatorNetwork(self.model), head if isinstance(head, DecoderHead) else None)
        if calibrated:
            self._calibrate(weights, self.metainfo['dataset_name'], checkpoint)
        self.output_indices = self.model.test_cfg.get('output_keypoint_indices')
        kept = range(self.metainfo['num_keypoints']) if self.output_indices is None else self.output_indices
        self.metainfo, self.num_keypoints = select_keypoints(self.metainfo, list(kept)), len(kept)
        self.metainfo['model'] = Path(checkpoint).name

    def _check(self, model: Any, name: str) -> None:
        head: Any = getattr(model, 'head', None)
        heatmaps = isinstance(head, HeatmapHead) and type(head).predict in (HeatmapHead.predict, DecoderHead.predict)
        if not isinstance(model, TopdownPoseEstimator) or not heatmaps or head.decoder is None:
            expected = 'expected a TopdownPoseEstimator with a heatmap head and its decoder'
            raise InputError(f'{name}: {type(model).__name__} with {type(head).__name__}; {expected}')
        maps = 3 if getattr(head.decoder, 'heatmap_type', None) == 'combined' else 1  # a heatmap and two offset maps
        predicted, count = head.out_channels // maps, self.metainfo['num_keypoints']
        if 'output_keypoint_indices' not in model.test_cfg and predicted != count:
            dataset = self.metainfo['dataset_name']
            raise InputError(f'{name}: the head predicts {predicted} keypoints, its test set {dataset!r} has {count}')
        steps, sides = model.data_preprocessor, self.crop_rule.input_size
        if not isinstance(steps, ImgDataPreprocessor) or any(side % steps.pad_size_divisor for side in sides):
            raise InputError(f'{name}: data_preprocessor={steps}: expected a PoseDataPreprocessor without padding')

    @property
    def codec(self) -> HeatmapCodec:
        """The decoder as tensor code. ValueError if there is none."""
        return batch_codec(self.decoder)


class EstimatorNetwork(HeatmapNetwork):
    """MMPose's top-down estimator with a heatmap head as a network."""

    def __init__(self, model: Any):
        super().__init__()
        self.model, steps = model, model.data_preprocessor
        self.rgb = bool(steps._channel_conversion)
        self.mean, self.std = (steps.mean, steps.std) if steps._enable_normalize else (None, None)

    def features(self, images: Tensor) -> Any:
        """Extract the feature maps of normalized images (B, 3, h, w), the last one (B, C, Hp, Wp)."""
        return self.model.extract_feat(images)

    def heatmaps(self, features: Any) -> Tensor:
        """Decode feature maps to heatmaps (B, C, Hm, Wm) in fp32."""
        return (self.folded(features[-1]) if self.folded else self.model.head(features)).float()

    def flip_back(self, heatmaps: Tensor, flip_indices: list[int]) -> Tensor:
        """Flip heatmaps (B, C, Hm, Wm) of mirrored images back to those of the images, as the model's test_cfg says."""
        mode, shift = (self.model.test_cfg.get(*item) for item in (('flip_mode', 'heatmap'), ('shift_heatmap', False)))
        return flip_heatmaps(heatmaps, flip_indices=flip_indices, flip_mode=mode, shift_heatmap=shift)


def read_config(config: str | Path | Config, options: dict[str, Any] | None = None) -> tuple[Config, str]:
    """Read a config, changed by `options` as `cfg_options` of `load_model`, and its name for messages.

    FileNotFoundError or ValueError if it is missing, broken or has no model. `configs/...` may be that of the package.
    """
    name = str(getattr(config, 'filename', None) or 'the config' if isinstance(config, Config) else config)
    if not isinstance(config, Config) and not find_config(config).is_file():
        raise MissingFileError(f'{config}: no such config file')
    try:  # a config is a program, and may raise anything
        config = deepcopy(config) if isinstance(config, Config) else Config.fromfile(find_config(config))
        config.merge_from_dict(options or {})
    except Exception as problem:
        changed = f' with {options}' if options else ''
        raise InputError(f'{name}{changed}: {type(problem).__name__}: {one_line(problem)}') from problem
    if not isinstance(config.get('model'), dict):
        raise InputError(f'{name}: expected a config with model=dict(...)')
    init_default_scope(config.get('default_scope') or 'mmpose')
    return config, name


def read_test_set(cfg: Config, name: str) -> tuple[CropRule, dict[str, Any]]:
    """Read crop rule and parsed metainfo of a config's test set. ValueError if it has none that can be repeated.

    The metainfo has seven more keys: `crop_rule`; `category`, what the boxes contain, if that is known;
    `metric`, the options of `Scoring` that the config's CocoMetric sets; `bits`, of 16-bit images, see
    `CheckedLoadImage`; `objects`, the config's entry of `OBJECTS`; `license`, the config's, of the weights; and
    `box_share`, the 1st and 99th percentile of the share of an image that a box of the training set takes.
    """
    dataset = (cfg.get('test_dataloader') or cfg.get('val_dataloader') or {}).get('dataset')
    if dataset is None:
        raise InputError(f'{name}: expected a test_dataloader, whose pipeline says how to crop')
    try:
        metainfo = parse_metainfo(dataset)
    except Exception as problem:  # MMPose asserts, and looks up keys
        reason = f'{type(problem).__name__}: {one_line(problem)}'
        raise InputError(f'{name}: the metainfo of the test set is incomplete: {reason}') from problem
    pipeline = dataset.get('pipeline') or ()
    rule, bits = read_crop_rule(pipeline, name), next((step['bits'] for step in pipeline if step.get('bits')), None)
    if (objects := cfg.get('objects')) not in (None, *OBJECTS):
        raise InputError(f'{name}: objects={objects!r}: expected one of {", ".join(OBJECTS)}')
    if not isinstance(terms := cfg.get('license'), str | None):
        raise InputError(f'{name}: license={terms!r}: expected a string')
    if not is_share(share := cfg.get('box_share')):
        raise InputError(f'{name}: box_share={share!r}: expected two shares, the smaller one first, between 0 and 1')
    more = dict(category=_category(dataset), metric=_metric(cfg), bits=bits, objects=objects, license=terms)
    more['box_share'] = share and list(share)
    return rule, metainfo | more | dict(crop_rule=rule)


def select_keypoints(metainfo: dict[str, Any], kept: list[int]) -> dict[str, Any]:
    """Select the metainfo of these keypoints, in the order of the indices; drop links and mirror images of others."""
    new = {old: i for i, old in enumerate(kept)}
    links = [i for i, (a, b) in enumerate(metainfo['skeleton_links']) if a in new and b in new]
    sigmas = np.asarray(metainfo['sigmas'])  # many of MMPose's datasets have none
    return metainfo | dict(
        num_keypoints=len(kept),
        keypoint_id2name={i: metainfo['keypoint_id2name'][old] for old, i in new.items()},
        keypoint_colors=np.asarray(metainfo['keypoint_colors'])[kept],
        skeleton_links=[tuple(new[int(end)] for end in metainfo['skeleton_links'][i]) for i in links],
        skeleton_link_colors=np.asarray(metainfo['skeleton_link_colors']).reshape(-1, 3)[links],
        flip_indices=[new.get(metainfo['flip_indices'][old], i) for old, i in new.items()],
        sigmas=sigmas[kept] if len(sigmas) == metainfo['num_keypoints'] else None,
    )


def _category(dataset: Any) -> str | None:
    """Find what a dataset annotates: its metainfo's `category`, or else by the folder in MMPose of its class."""
    kinds = dict(body='person', wholebody='person', animal='animal', face='face', hand='hand', fashion='clothes')
    if name := raw_metainfo(dataset).get('category'):
        return str(name)
    for kind in dataset_class(dataset).__mro__:
        place = kind.__module__.split('.')
        if place[:3] == ['mmpose', 'datasets', 'datasets'] and place[3] in kinds:
            names = [parse_metainfo(each)['dataset_name'] for each in (dataset, dict(type=kind))]
            return kinds[place[3]] if names[0] == names[1] else None
    return None


def _metric(cfg: Config) -> dict[str, Any]:
    evaluator = cfg.get('test_evaluator') or cfg.get('val_evaluator') or []
    for metric in [evaluator] if isinstance(evaluator, dict) else evaluator:
        kind = METRICS.get(metric['type']) if isinstance(metric['type'], str) else metric['type']
        if isinstance(kind, type) and issubclass(kind, CocoMetric):
            options = {field.name: metric[field.name] for field in fields(Scoring) if field.name in metric}
            _ = Scoring(**options)  # refuses other modes
            return options
    return {}


def head_names(cfg: Config) -> list[str]:
    """List the datasets of a multi-dataset model; [] for other models."""
    head: Any = cfg.model.get('head') or {}
    kind = MODELS.get(head['type']) if isinstance(head.get('type'), str) else head.get('type')
    return list(head.heads) if isinstance(kind, type) and issubclass(kind, MultiDatasetHead) else []
