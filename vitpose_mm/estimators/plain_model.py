"""Split the plain model of one dataset off a multi-dataset model: its weights, and a config to test it."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from torch import Tensor, nn

from ..checkpoints.experts_and_decoders import merge_expert
from ..checkpoints.key_maps import pop_prefix
from ..checkpoints.validation import load_strictly
from ..datasets.combined import CombinedPoseDataset
from ..datasets.metainfo import dataset_class, parse_metainfo, raw_metainfo
from ..heads import MultiDatasetHead

# keys of a config that testing and prediction need besides model, loaders and evaluators
KEPT_KEYS = 'default_scope custom_imports val_cfg test_cfg env_cfg visualizer log_processor log_level'.split()
KEPT_KEYS += ['objects', 'license', 'box_share']
KEPT_HOOKS = ('timer', 'logger', 'param_scheduler', 'sampler_seed', 'visualization', 'badcase')


def split_config(cfg: Config, dataset: str) -> Config:
    """Make the config of one dataset's plain model, with the dataset's head, test loaders and metric.

    ValueError if `cfg` has no `MultiDatasetHead`, or lacks the dataset or does not test it.
    """
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    model = deepcopy(cfg.model.to_dict())
    head = model.get('head') or {}
    head_class = MODELS.get(head['type']) if isinstance(head.get('type'), str) else head.get('type')
    if not (isinstance(head_class, type) and issubclass(head_class, MultiDatasetHead)):
        raise ValueError(
            f"the config's model.head is a {head.get('type')}: expected a MultiDatasetHead, which has one head per "
            'dataset; other models cannot be split'
        )
    experts = model['backbone'].pop('experts', None)
    for part, names in (('head', head['heads']), ('expert', experts['names'] if experts else head['heads'])):
        if dataset not in names:
            raise ValueError(f'no {part} for dataset {dataset!r} in this config: choose one of {", ".join(names)}')
    model['backbone'].pop('init_cfg', None)
    model['type'] = 'TopdownPoseEstimator'
    model['head'] = head['heads'][dataset]
    model['test_cfg'] = {**(model.get('test_cfg') or {}), **(head.get('test_cfgs') or {}).get(dataset, {})}

    tests = {part: _test_settings(cfg, part, dataset) for part in ('val', 'test')}
    settings = tests['test'] or tests['val']
    if settings is None:
        known = sorted({name for part in tests for name in _members(cfg, part)})
        raise ValueError(
            f'the config does not test dataset {dataset!r}, only {", ".join(known) or "none"}: add it to '
            'test_dataloader and test_evaluator'
        )
    split = {key: deepcopy(cfg[key]) for key in KEPT_KEYS if key in cfg}
    hooks = cfg.get('default_hooks', {})
    split['default_hooks'] = {name: hooks[name] for name in KEPT_HOOKS if name in hooks}
    classes = dataset_class(settings[0]['dataset']).__mro__
    # the name of MMPose's class, by which its inferencers choose a detector
    name = next((c.__name__ for c in classes if c.__module__.startswith('mmpose.')), classes[0].__name__)
    split |= dict(data_mode='topdown', dataset_type=name, model=model)
    for part in tests:
        split[f'{part}_dataloader'], split[f'{part}_evaluator'] = tests[part] or settings
    return Config(split)


def split_model(cfg: Config, weights: dict[str, Tensor], dataset: str) -> nn.Module:
    """Build one dataset's plain model with its weights.

    `weights` are of any checkpoint that the multi-dataset model of `cfg` loads; heads of other datasets may be absent.
    ValueError if they do not fit the config.
    """
    model = MODELS.build(cfg.model)
    try:
        load_strictly(model, weights, lambda: [f'head.heads.{name}.' for name in model.head.absent - {dataset}])
    except ValueError as problem:
        raise ValueError(f'the checkpoint does not fit the config: {problem}') from problem
    plain = dict(model.state_dict())
    head = pop_prefix(pop_prefix(plain, 'head.'), f'heads.{dataset}.')
    plain |= {f'head.{key}': value for key, value in head.items()}
    experts = cfg.model.backbone.get('experts')
    plain = merge_expert(plain, experts.names.index(dataset)) if experts else plain
    single = MODELS.build(split_config(cfg, dataset).model)
    single.load_state_dict(plain, strict=True)
    return single


def _members(cfg: Config, part: str) -> dict[str, dict]:
    """Return the datasets of a loader by name; MMPose's `CombinedDataset` appends its pipeline to theirs."""
    loader = cfg.get(f'{part}_dataloader')
    if not loader:
        return {}
    dataset = loader['dataset'].to_dict()
    members = dataset.get('datasets', [dataset])
    if 'datasets' in dataset and not issubclass(dataset_class(dataset), CombinedPoseDataset):
        members = [
            dict(member, pipeline=[*member.get('pipeline', []), *dataset.get('pipeline', [])]) for member in members
        ]
    return {parse_metainfo(member)['dataset_name']: member for member in members}


def _test_settings(cfg: Config, part: str, dataset: str) -> tuple[dict, Any] | None:
    """Return loader and evaluator of one dataset, or None if it is not tested."""
    config = _members(cfg, part).get(dataset)
    evaluator = deepcopy(cfg.get(f'{part}_evaluator'))
    if isinstance(evaluator, dict) and 'datasets' in evaluator:
        metrics = zip(evaluator['datasets'], evaluator['metrics'], strict=True)
        evaluator = {parse_metainfo(member)['dataset_name']: metric for member, metric in metrics}.get(dataset)
    if config is None or evaluator is None:
        return None
    sampler = dict(type='DefaultSampler', shuffle=False, round_up=False)
    meta = raw_metainfo(config)
    if Path(meta.get('from_file', '')).is_absolute():  # valid only on this machine: write the file's content
        meta = Config.fromfile(meta['from_file']).dataset_info.to_dict()
    config = dict(config, metainfo=deepcopy(meta))
    return dict(cfg[f'{part}_dataloader'].to_dict(), dataset=config, sampler=sampler), evaluator
