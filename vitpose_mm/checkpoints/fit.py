"""Refuse checkpoints that do not fit a module: MMEngine loads non-strictly and only logs what does not match."""

from collections.abc import Callable, Collection, Sequence
from copy import copy
from typing import Any

from torch import Tensor, nn

from .formats import known_prefixes
from .multi_dataset import gather_decoders


def require_fit(module: nn.Module, weights: dict[str, Tensor], optional: Collection[str] = ()) -> None:
    """Refuse weights that leave a part of a module at its initial values, or have keys that it does not.

    Args:
        module: loads the weights; call this at the end of its load hook.
        weights: of this module alone, in our names.
        optional: prefixes of keys that may be missing.

    Raises:
        ValueError: keys are missing, unexpected or of another shape; the message lists them.
    """
    own: dict[str, Tensor] = module.state_dict()
    faults = {
        'missing': [
            key
            for key in own
            if key not in weights and not key.endswith('num_batches_tracked') and not key.startswith(tuple(optional))
        ],
        'of another shape': [
            f'{key} {tuple(weights[key].shape)} instead of {tuple(value.shape)}'
            for key, value in own.items()
            if key in weights and weights[key].shape != value.shape
        ],
        'unexpected': [key for key in weights if key not in own],
    }
    found = [
        f'{len(keys)} {fault} ({", ".join(keys[:3])}{", ..." if len(keys) > 3 else ""})'
        for fault, keys in faults.items()
        if keys
    ]
    if found:
        raise ValueError(f'the checkpoint does not fit this {type(module).__name__}: {"; ".join(found)}')


def load_whole(model: nn.Module, weights: dict[str, Tensor], absent: Callable[[], Collection[str]] = tuple) -> None:
    """Load weights into a model, through its load hooks; refuse what MMEngine would only log.

    Statistics of the data preprocessor, which old files of MMPose contain, are ignored.

    Args:
        model: the model.
        weights: of any origin that the model loads.
        absent: returns, after loading, the prefixes of keys that may be missing.

    Raises:
        ValueError: a part of the model has no weights, or a key or shape is not the model's; the message lists them.
    """
    if hasattr(getattr(model, 'head', None), 'heads'):  # MMPose's own estimator has no hook for it
        weights = copy(weights)  # with its `_metadata`
        gather_decoders(weights, '')
    try:
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except RuntimeError as problem:  # torch's message has several lines
        lines = [line.strip() for line in str(problem).splitlines()]
        raise ValueError(' '.join(line if len(line) < 400 else line[:400] + ' ...' for line in lines[1:6])) from problem
    missing = [
        key for key in missing if not key.endswith('num_batches_tracked') and not key.startswith(tuple(absent()))
    ]
    unexpected = [key for key in unexpected if not key.startswith('data_preprocessor.')]
    if missing or unexpected:
        raise ValueError(f'{_some(unexpected)} unexpected, {_some(missing)} missing')


def _some(keys: Sequence[str]) -> str:
    """A few keys and how many there are: '3 keys (a, b, ...)'."""
    return f'{len(keys)} keys' + (f' ({", ".join(keys[:3])}{", ..." if len(keys) > 3 else ""})' if keys else '')


def require_size(weights: dict[str, Tensor], width: int, depth: int) -> None:
    """Refuse a ViT of another width or depth.

    Args:
        weights: of a ViT alone, in our names.
        width: C of the model's tokens.
        depth: number of the model's blocks.

    Raises:
        ValueError: names both sizes.
    """
    norm = weights.get('last_norm.weight')
    blocks = len({key.split('.')[1] for key in weights if key.startswith('layers.')})
    for name, theirs, ours in (('width', width if norm is None else len(norm), width), ('depth', blocks, depth)):
        if theirs != ours:
            first = "take its first blocks with ViT(init_blocks='first')" if name == 'depth' and theirs > ours else ''
            raise ValueError(
                f'the checkpoint has {name} {theirs}, this model {ours}: choose the arch that the checkpoint was '
                f'trained with, or {first or "another checkpoint"}'
            )


def refuse_unrelated(weights: dict[str, Any], prefix: str, own: Collection[str]) -> None:
    """Refuse a file in which no key is one of a ViT's.

    Args:
        weights: of this ViT alone, renamed where their origin is known.
        prefix: of the ViT's keys in the file, '' or ending with a dot; for the message.
        own: the ViT's keys.

    Raises:
        ValueError: no key matches; if a ViT is found under another prefix, the message names it.
    """
    if any(key in weights for key in own):
        return
    others = {prefix + where for where in known_prefixes(weights)}
    hint = f'they begin with {", ".join(sorted(weights)[:3])}, ...' if weights else 'it has none with this prefix'
    if others:
        name = min(others, key=len)
        hint = (
            f'its ViT has the prefix {name!r}: load it with '
            f"init_cfg=dict(type='Pretrained', checkpoint=..., prefix={name!r})"
        )
    raise ValueError(f"no key of the checkpoint is one of {prefix or 'this ViT'}'s: {hint}")
