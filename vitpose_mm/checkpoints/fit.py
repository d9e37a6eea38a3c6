"""Does a checkpoint fit the module that loads it? MMEngine only logs what does not, and goes on."""

from collections.abc import Collection
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 'patch_embed.proj.weight'


def require_fit(
    module: nn.Module, state_dict: dict[str, Tensor], prefix: str, what: str, optional: Collection[str] = ()
) -> None:
    """Refuse a state dict that would leave a part of a module at its initial values, or has a part too many.

    Args:
        module: loads the state dict; call this at the end of its pre-hook.
        state_dict: keys of our naming.
        prefix: of the module's keys in it, '' or ending with a dot.
        what: the module in words, for the message.
        optional: starts of keys that may be missing.

    Raises:
        ValueError: missing keys, other shapes or keys left over; the message lists them.
    """
    own: dict[str, Tensor] = module.state_dict()
    found = {key[len(prefix) :]: value for key, value in state_dict.items() if key.startswith(prefix)}
    faults = {
        'missing': [
            key
            for key in own
            if key not in found and not key.endswith('num_batches_tracked') and not key.startswith(tuple(optional))
        ],
        'of another shape': [
            f'{key} {tuple(found[key].shape)} instead of {tuple(value.shape)}'
            for key, value in own.items()
            if key in found and found[key].shape != value.shape
        ],
        'left over': [key for key in found if key not in own],
    }
    told = [
        f'{len(keys)} {fault} ({", ".join(keys[:3])}{", ..." if len(keys) > 3 else ""})'
        for fault, keys in faults.items()
        if keys
    ]
    if told:
        raise ValueError(f'the checkpoint does not fit {what}: {"; ".join(told)}')


def require_size(weights: dict[str, Tensor], width: int, depth: int) -> None:
    """Refuse a ViT of another width or depth.

    Args:
        weights: of a ViT alone, keys of our naming.
        width: of the model's tokens.
        depth: of the model in blocks.

    Raises:
        ValueError: names both sizes.
    """
    norm = weights.get('last_norm.weight')
    blocks = len({key.split('.')[1] for key in weights if key.startswith('layers.')})
    for name, theirs, ours in (('width', width if norm is None else len(norm), width), ('depth', blocks, depth)):
        if theirs != ours:
            raise ValueError(
                f'the checkpoint has {name} {theirs}, this model {ours}: choose the arch that the '
                'checkpoint was trained with, or another checkpoint'
            )


def pad_kernel(weight: Tensor, size: int) -> Tensor:
    """Zero-pad a patch kernel of 14x14 to 16x16, one on each side: (C, 3, 14, 14) -> (C, 3, size, size).

    Source: the authors' loader, for MAE's ViT-H; as the source.

    Raises:
        ValueError: a kernel of any other size.
    """
    kernel = tuple(weight.shape[2:])
    if kernel == (size, size):
        return weight
    if kernel != (14, 14):
        raise ValueError(
            f'the checkpoint has patches of {"x".join(map(str, kernel))} pixels, this model of '
            f'{size}x{size}: of other sizes only 14x14 is converted, by zero-padding'
        )
    return F.pad(weight, [(size - 14) // 2] * 4)


def refuse_unrelated(state_dict: dict[str, Any], prefix: str, own: Collection[str], marks: Collection[str]) -> None:
    """Refuse a file that has nothing for a module.

    Args:
        state_dict: keys of any origin, renamed where that was possible.
        prefix: of the module's keys in it, '' or ending with a dot.
        own: the module's keys.
        marks: keys by which a ViT of any origin is recognised.

    Raises:
        ValueError: no key is one of the module's; where they are under another prefix, it is named.
    """
    if any(prefix + key in state_dict for key in own):
        return
    others = {key.removesuffix(mark) for key in state_dict for mark in marks if key.endswith(mark)}
    hint = f'they begin with {", ".join(sorted(state_dict)[:3])}, ...' if state_dict else 'it has none under that name'
    if others:
        name = min(others, key=len)
        hint = (
            f"its ViT is under {name!r}: load it with init_cfg=dict(type='Pretrained', checkpoint=..., prefix={name!r})"
        )
    raise ValueError(f"no key of the checkpoint is one of {prefix or 'this ViT'}'s: {hint}")
