"""How a checkpoint fits a model: load hooks note what does not; where a run or a prediction starts it is refused."""

import logging
from collections.abc import Callable, Collection, Iterable
from copy import copy

from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader
from torch import nn

from .experts_and_decoders import gather_decoders
from .key_maps import Weights, first_keys
from .origins import recognize, unwrap
from .safe_load import RESUME_SCHEME, SAFE_SCHEME, use_safe_loader


def store_load_problem(
    module: nn.Module, weights: Weights, problems: Iterable[str] = (), optional: tuple[str, ...] = (), main: str = ''
) -> None:
    """Note on a module what its weights, in our names, lack, and log it in one line; call this last in its load hook.

    The module gets `load_problem`: `problems`, else the keys that do not fit, '' if all do; and `filled`, for
    `check_filled`. Keys may be missing that start with one of `optional`; those that start with `main` fill it.
    """
    own: Weights = module.state_dict()
    other = [key for key in own if key in weights and weights[key].shape != own[key].shape]
    faults = {
        'missing': _without_optional((key for key in own if key not in weights), optional),
        'of another shape': [f'{key} {tuple(weights[key].shape)} instead of {tuple(own[key].shape)}' for key in other],
        'unexpected': [key for key in weights if key not in own],
    }
    listed = '; '.join(f'{len(keys)} {fault} ({first_keys(keys)})' for fault, keys in faults.items() if keys)
    problem = '; '.join(problems) or (listed and f'the checkpoint does not fit this {type(module).__name__}: {listed}')
    before = bool(getattr(module, 'filled', None))
    filled = before or any(key.startswith(main) and key in weights and key not in other for key in own)
    module.load_problem, module.filled = problem, filled  # type: ignore[assignment]
    if problem and (weights or not before):  # a part that is filled may be left out
        print_log(problem, 'current', logging.WARNING)


def check_filled(module: nn.Module) -> None:
    """Refuse to predict with a module for which a loaded checkpoint had nothing (ValueError); training fills it."""
    if module.filled is False and module.training:
        module.filled = None  # type: ignore[assignment]
    elif module.filled is False:
        problem = f'this {type(module).__name__} has random values: the loaded checkpoint has no weights for it'
        raise ValueError(f'{problem}. Load one that has, or train it')


def find_load_problems(model: nn.Module) -> str:
    """What the load hooks of a model and its parts noted in the last load, '' if all fits."""
    return '; '.join(filter(None, (getattr(module, 'load_problem', '') for module in model.modules())))


def load_strictly(model: nn.Module, weights: Weights, absent: Callable[[], Collection[str]] = tuple) -> None:
    """Load weights of any origin into a model, through its load hooks; ValueError for what MMEngine would only log.

    `absent` returns, after loading, prefixes of keys that may be missing. Old files' `data_preprocessor` is ignored.
    """
    if hasattr(getattr(model, 'head', None), 'heads'):  # MMPose's own estimator has no hook for it
        weights = copy(weights)  # with its `_metadata`
        gather_decoders(weights, '')
    problem = ''
    try:
        keys = model.load_state_dict(weights, strict=False)
        found = (
            _without_optional(keys.unexpected_keys, ('data_preprocessor.',)),
            _without_optional(keys.missing_keys, tuple(absent())),
        )
        if any(found):
            unexpected, missing = (f'{len(keys)} keys{f" ({first_keys(keys)})" if keys else ""}' for keys in found)
            problem = f'{unexpected} unexpected, {missing} missing'
    except RuntimeError as error:  # torch's own has several lines, the first of which says nothing
        lines = [line.strip()[:400] for line in str(error).splitlines()] or [type(error).__name__]
        problem = ' '.join(lines[1:6] or lines)
    if problem := find_load_problems(model) or problem:
        raise ValueError(problem)


def _without_optional(keys: Iterable[str], optional: tuple[str, ...]) -> list[str]:
    """Keys other than optional ones and counters of batches."""
    return [key for key in keys if not key.startswith(optional) and not key.endswith('num_batches_tracked')]


def pretrained_setting(prefix: str, file: str) -> str:
    """The setting of a backbone that loads the ViT with this prefix from a file, which may have a scheme of ours."""
    path = file.removeprefix(SAFE_SCHEME).removeprefix(RESUME_SCHEME)
    return f"init_cfg=dict(type='Pretrained', checkpoint={path!r}{f', prefix={prefix!r}' if prefix else ''})"


def init_pretrained(module: BaseModule, initialise: Callable[[], object]) -> None:
    """MMEngine's `init_weights` of a module: read the files of `init_cfg` safely, and refuse those that do not fit."""
    for part in module.modules():
        if hasattr(part, 'load_problem'):
            part.load_problem = ''  # type: ignore[assignment]
    hint = ''
    for cfg in module.init_cfg if isinstance(module.init_cfg, list) else [module.init_cfg]:
        if not isinstance(cfg, dict) or not isinstance(file := cfg.get('checkpoint'), str):
            continue
        cfg['checkpoint'] = use_safe_loader(file)  # the module has its own copy of `init_cfg`
        if hasattr(module, 'patch_embed'):
            weights, _ = unwrap(CheckpointLoader.load_checkpoint(cfg['checkpoint'], 'cpu'))
            prefix, origin = (cfg.get('prefix') or '').rstrip('.'), recognize(weights)
            module.recorded = (getattr(weights, '_metadata', None) or {}).get(prefix, {})  # MMEngine drops it
            if origin is not None and origin.prefix.rstrip('.') != prefix:
                hint = f'; its ViT has the prefix {origin.prefix!r}: load it with {pretrained_setting(origin.prefix, file)}'
    try:
        initialise()
        problem = find_load_problems(module)
    except AssertionError as error:
        problem = str(error)
        if 'is not in the pretrained model' not in problem:  # MMEngine's words: no key has the prefix
            raise
    if problem:
        raise ValueError(problem + hint)
