import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import mmpose.registry
import pytest
from mmengine.registry import FUNCTIONS, MODEL_WRAPPERS, STRATEGIES, Registry, init_default_scope
from mmengine.runner import EpochBasedTrainLoop, Runner, TestLoop, ValLoop, set_random_seed
from mmengine.utils import import_modules_from_strings
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader

from tests.unit.configs.reading import CONFIGS, LEAVES, copy_config, for_each, read_config
from vitpose_mm.estimators.teacher import Teacher
from vitpose_mm.layers import KnowledgeToken
from vitpose_mm.pretrain.masked_decoder import MaskedDecoder

REGISTRIES = [
    value for value in vars(mmpose.registry).values() if isinstance(value, Registry) and value.scope == 'mmpose'
]
# Read by MMEngine in addition to the arguments of the class.
ALSO_TAKEN = {'optim_wrapper': {'constructor', 'paramwise_cfg'}, 'param_scheduler': {'convert_to_iter_based'}}
# Dicts whose keys are checked where they are used, or can be chosen freely (such as dataset names).
UNCHECKED = set('arch attention data_prefix default_hooks dist_cfg filter_cfg heads paramwise_cfg test_cfgs'.split())


def arguments(function: Callable) -> set[str]:
    """Names of the keyword arguments of a function or of a class's constructor.

    Where `__init__` has **kwargs, the next class in the MRO with an `__init__` is inspected too: by convention it
    receives them.
    """
    inits = [function]
    if isinstance(function, type):
        inits = [vars(base)['__init__'] for base in function.__mro__[:-1] if '__init__' in vars(base)]
    names: set[str] = set()
    for init in inits:
        parameters = inspect.signature(init).parameters.values()
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return names - {'self'}


@cache
def variables() -> set[str]:
    """Names of variables that some config reads, from a base file (`_base_.codec`) or from the same file."""
    names = set()
    for path in CONFIGS.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == '_base_':
                names.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                names.add(node.id)
    return names


MODEL = {
    'train_cfg': {'compute_acc'},
    'test_cfg': {'flip_test', 'flip_mode', 'shift_heatmap', 'output_heatmaps', 'output_keypoint_indices'},
    'backbone.experts': {'names', 'expert_dim', 'new_from'},
    'backbone.knowledge_token': (arguments(KnowledgeToken) | {'init'}) - {'dim'},
    'teacher': arguments(Teacher),
    'decoder': arguments(MaskedDecoder) - {'width', 'grid', 'pixels'},
}
UNTYPED = {
    '': arguments(Runner) | {'custom_imports', 'data_mode', 'dataset_type', 'runner_type', 'strategy'} | variables(),
    **{f'{part}_dataloader': arguments(DataLoader) | {'num_batch_per_epoch'} for part in ('train', 'val', 'test')},
    'train_cfg': arguments(EpochBasedTrainLoop) | {'by_epoch'},
    'val_cfg': arguments(ValLoop),
    'test_cfg': arguments(TestLoop),
    **{f'model.{name}': keys for name, keys in MODEL.items()},
    'optim_wrapper.clip_grad': arguments(clip_grad_norm_),
    'auto_scale_lr': {'base_batch_size', 'enable'},
    'custom_imports': arguments(import_modules_from_strings),
    'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    'env_cfg.mp_cfg': {'mp_start_method', 'opencv_num_threads'},
    'randomness': arguments(set_random_seed),
}


@cache
def resolve(name: str) -> Callable | None:
    classes = {registry.get(name) for registry in (*REGISTRIES, FUNCTIONS, STRATEGIES, MODEL_WRAPPERS)} - {None}
    assert len(classes) <= 1, f'type={name!r} is registered more than once: {classes}'
    return classes.pop() if classes else None


def unknown_keys(node: Any, path: str = '') -> Iterator[str]:
    """Paths of keys that are never read, and of types that are not registered."""
    if isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from unknown_keys(value, f'{path}.{i}')
        return
    if not isinstance(node, dict):
        return
    keys = set(node) - {'type', '_scope_'}
    untyped = re.sub(r'^(model\.head\.)?test_cfgs\.\w+$', 'model.test_cfg', path)
    if isinstance(node.get('type'), str):
        if (function := resolve(node['type'])) is None:
            yield f'{path}.type'
        else:
            known = arguments(function) | ALSO_TAKEN.get(re.sub(r'\.\d+', '', path), set())
            yield from (f'{path}.{key}' for key in sorted(keys - known))
    elif untyped in UNTYPED:
        yield from (f'{path}.{key}'.lstrip('.') for key in sorted(keys - UNTYPED[untyped]))
    elif path.rpartition('.')[2] not in UNCHECKED and path not in variables():
        yield path
    for key in set(node) - {'metainfo', 'dataset_info'}:  # MMPose parses them
        yield from unknown_keys(node[key], f'{path}.{key}'.lstrip('.'))


@for_each(LEAVES)
def test_all_keys_are_known(leaf: Path) -> None:
    init_default_scope('mmpose')
    assert list(unknown_keys(read_config(leaf).to_dict())) == []


MISSPELLED = {
    'coco/vitpose-base_coco-256x192.py': """
    optim_wraper model.backbone.type model.backbone.drop_pth_rate model.backbone.init_cfg.chekpoint
    model.test_cfg.flip_tset train_dataloader.batchsize train_dataloader.sampler.shufle
    train_dataloader.dataset.pipeline.3.probability train_dataloader.dataset.pipeline.6.encoder.unbiassed
    optim_wrapper.grad_clip optim_wrapper.clip_grad.norm param_scheduler.0.warmup_iters default_hooks.chekpoint
    default_hooks.checkpoint.savebest val_evaluator.annfile train_cfg.max_epoch auto_scale_lr.batch_size
    env_cfg.cudnn_benchmrk randomness.sead
    """,
    'multi_dataset/vitpose-plus-base_six-sets-256x192.py': """
    model.backbone.experts.part model.head.default model.head.heads.aic.in_chanels
    model.head.heads.aic.decoder.sigmas model.head.test_cfgs.aic.shift train_dataloader.dataset.sample_ratio
    train_dataloader.dataset.datasets.1.anno_file train_dataloader.dataset.datasets.5.pipeline.3.probability
    val_evaluator.dataset val_evaluator.metrics.0.annfile
    """,
}
VALUES = {'model.backbone.type': 'VIT', 'default_hooks.chekpoint': dict(save_best='coco/AP')}


@pytest.mark.parametrize(('name', 'path'), [(name, path) for name in MISSPELLED for path in MISSPELLED[name].split()])
def test_misspelled_key_is_found(name: str, path: str) -> None:
    cfg = copy_config(name)
    cfg.merge_from_dict({path: VALUES.get(path, 1)})
    assert list(unknown_keys(cfg.to_dict())) == [path]
