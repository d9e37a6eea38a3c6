"""Check that a checkpoint fits a model: load hooks store what does not fit; a run or prediction refuses it at start."""

import logging
from collections.abc import Callable, Collection, Iterable
from copy import copy
from typing import Any

from torch import nn

from ..logs import log
from .experts_and_decoders import gather_decoders
from .key_maps import Weights, first_keys


def store_load_problem(
    module: Any, weights: Weights, problems: Iterable[str] = (), optional: tuple[str, ...] = (), main: str = ''
) -> None:
    """Store on a module how its weights, in our names, do not fit, and log it in one line; end its load hook with this.

    The module gets `load_problem`: `problems`, else the keys that do not fit, '' if all do; and `filled`, for
    `check_filled`. Keys that start with one of `optional` may be missing; a key that starts with `main` fills it.
    """
    state: Weights = module.state_dict()
    resized = [key for key in state if key in weights and weights[key].shape != state[key].shape]
    mismatches = {
        'missing': _without_optional((key for key in state if key not in weights), optional),
        'of a different shape': [f'{k} {tuple(weights[k].shape)} instead of {tuple(state[k].shape)}' for k in resized],
        'unexpected': [key for key in weights if key not in state],
    }
    text = '; '.join(f'{len(keys)} {kind} ({first_keys(keys)})' for kind, keys in mismatches.items() if keys)
    problem = '; '.join(problems) or (text and f'the checkpoint does not fit this {type(module).__name__}: {text}')
    before = bool(getattr(module, 'filled', None))
    filled = before or any(key.startswith(main) and key in weights and key not in resized for key in state)
    module.load_problem, module.filled = problem, filled
    if problem and (weights or not before):  # a filled part may be left out
        log(problem, logging.WARNING)


def check_filled(module: nn.Module) -> None:
    """Raise a ValueError before predicting with a module for which the checkpoint has no weights; training fills it."""
    if module.filled is False and module.training:
        module.filled = None  # type: ignore[assignment]
    elif module.filled is False:
        problem = f'this {type(module).__name__} has random values: the loaded checkpoint has no weights for it'
        raise ValueError(f'{problem}. Load one that has, or train it')


def find_load_problems(model: nn.Module) -> str:
    """Return what the load hooks of a model and its parts stored in the last load, '' if everything fits."""
    return '; '.join(filter(None, (getattr(module, 'load_problem', '') for module in model.modules())))


def load_strictly(model: nn.Module, weights: Weights, absent: Callable[[], Collection[str]] = tuple) -> None:
    """Load weights of any origin into a model, through its load hooks. ValueError where MMEngine would only log.

    `absent`, called after loading, returns prefixes of keys that may be missing. `data_preprocessor` keys may be left.
    """
    if hasattr(getattr(model, 'head', None), 'heads'):  # MMPose's own estimator has no hook for it
        weights = copy(weights)  # with its `_metadata`
        gather_decoders(weights, '')
    problem = ''
    try:
        result = model.load_state_dict(weights, strict=False)
        unexpected = _without_optional(result.unexpected_keys, ('data_preprocessor.',))
        missing = _without_optional(result.missing_keys, tuple(absent()))
        missing = [key for key in missing if not any(part in key for part in ('confidence.', 'presence.'))]  # optional
        if unexpected or missing:
            text = (f'{len(keys)} keys{f" ({first_keys(keys)})" if keys else ""}' for keys in (unexpected, missing))
            problem = '{} unexpected, {} missing'.format(*text)
    except RuntimeError as error:  # torch's message has several lines, the first of which says nothing
        lines = [line.strip()[:400] for line in str(error).splitlines()] or [type(error).__name__]
        problem = ' '.join(lines[1:6] or lines)
    if problem := find_load_problems(model) or problem:
        raise ValueError(problem)


def _without_optional(keys: Iterable[str], optional: tuple[str, ...]) -> list[str]:
    """Return the keys that are neither optional nor counters of batches."""
    return [key for key in keys if not key.startswith(optional) and not key.endswith('num_batches_tracked')]
