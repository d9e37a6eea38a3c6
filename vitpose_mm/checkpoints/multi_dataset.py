"""Checkpoints with one expert or one decoder per dataset: the authors' ViTPose+ files, transformers', and ours."""

import re
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from .key_maps import TRANSFORMERS_HEAD, rename

# order of experts and decoders in the authors' files; the first decoder is `keypoint_head`, the others are
# `associate_keypoint_heads.0` to `.4`. MMPose's estimator replaces `keypoint_head` by `head` in all these names.
AUTHORS_ORDER = ('coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody')
_DECODER = re.compile(
    r'(?:(?:keypoint_)?head\.)?(?:heads\.(?P<name>[^.]+)\.|associate_(?:keypoint_)?heads\.(?P<number>\d+)\.)?(?P<rest>.+)'
)


def rename_experts(
    weights: dict[str, Tensor],
    names: Sequence[str],
    expert_dim: int,
    log: Callable[[str], object] = print,
    recorded: Sequence[str] = (),
    new_from: str | None = None,
) -> dict[str, Tensor]:
    """Give each dataset of a model its expert: (E, P, hidden) and (E, P), with P = expert_dim.

    Experts are matched to datasets by name. Experts of datasets that the model lacks are dropped; that of a new
    dataset starts as the one of `new_from`. For a plain ViT, every expert starts as the last P outputs of `fc2`, so
    the results stay the same.

    Args:
        weights: of a ViT alone, in our names.
        names: datasets of the model's experts, in its order; empty for a plain ViT.
        expert_dim: outputs P of an expert.
        log: told what is changed.
        recorded: datasets of the checkpoint's experts, if they are known.
        new_from: dataset of the checkpoint; None for its first.

    Raises:
        ValueError: the experts do not fit the model or the record, lack `new_from`, or stand beside a whole FFN.
    """
    left = leftover_experts(weights)
    if left:
        raise ValueError(
            f'{sum(len(weights[key]) for key in left)} weights of experts are unused, because the FFNs are whole, as '
            "in the files of the authors' split script: remove them with `vitpose convert FILE OUT --to ours "
            '--drop-unused`'
        )
    stack = next((value for key, value in weights.items() if '.mlp.experts.' in key), None)
    if stack is not None and names and recorded:
        weights = take_experts(weights, _sources(recorded, names, len(stack), new_from, log))
    chosen, split = dict(weights), 0
    for key, value in weights.items():
        place = key.replace('.mlp.fc2.', '.mlp.experts.')
        if '.mlp.experts.' in key:
            _check_experts(key, value, names, expert_dim)
        elif names and place != key and place not in weights:
            chosen[key], own = value.split([len(value) - expert_dim, expert_dim])
            chosen[place] = torch.stack([own] * len(names))
            split += key.endswith('.weight')
    if split:
        log(f'{split} plain FFNs are split into experts of {", ".join(names)}, which start equal')
    return chosen


def take_experts(weights: dict[str, Tensor], indices: Sequence[int]) -> dict[str, Tensor]:
    """The same weights, in our names, with these experts in this order."""
    return {
        key: value[list(indices)] if '.mlp.experts.' in key and list(indices) != list(range(len(value))) else value
        for key, value in weights.items()
    }


def _sources(
    order: Sequence[str], names: Sequence[str], count: int, new_from: str | None, log: Callable[[str], object]
) -> list[int]:
    """For each dataset of `names`, the index of the expert that it starts as, among `count` experts of `order`."""
    if len(order) != count:
        raise ValueError(f'the checkpoint has {count} experts, but records {len(order)} datasets: {", ".join(order)}')
    new = [name for name in names if name not in order]
    start = order[0] if new_from is None else new_from
    if new and start not in order:
        raise ValueError(f'experts: new_from={start!r}: the checkpoint has experts of {", ".join(order)}')
    if new:
        kept = ', '.join(name for name in names if name in order)
        log(f'experts: {", ".join(new)} start as that of {start}' + (f'; {kept} keep theirs' if kept else ''))
    return [order.index(start if name in new else name) for name in names]


def leftover_experts(weights: Mapping[str, Tensor]) -> list[str]:
    """Keys of experts, in our names, beside an FFN that needs none, as its last layer has all outputs already.

    The authors' split script merges an expert and leaves all of them in the file.
    """
    found = []
    for key in weights:
        block, mark, _ = key.partition('.mlp.experts.')
        whole, hidden = weights.get(f'{block}.mlp.fc2.weight'), weights.get(f'{block}.mlp.fc1.weight')
        if mark and whole is not None and hidden is not None and len(whole) == hidden.shape[1]:
            found.append(key)
    return found


def _check_experts(key: str, experts: Tensor, names: Sequence[str], expert_dim: int) -> None:
    count, width = experts.shape[:2]
    if not names:
        raise ValueError(
            f'{key}: the checkpoint has {count} experts, this ViT none: set '
            f'experts=dict(names=[...], expert_dim={width}), or extract the plain model of one dataset with '
            '`vitpose split`'
        )
    if (count, width) != (len(names), expert_dim):
        raise ValueError(
            f'{key}: the checkpoint has {count} experts of {width} outputs, this ViT {len(names)} '
            f'({", ".join(names)}) of {expert_dim}: set `experts` to what the checkpoint was trained with'
        )


def merge_expert(weights: dict[str, Tensor], expert: int) -> dict[str, Tensor]:
    """Merge the expert of this index into the plain FFN and drop the others; the result is exact."""
    merged = {key: value for key, value in weights.items() if '.mlp.experts.' not in key}
    for key, value in merged.items():
        stack = weights.get(key.replace('.mlp.fc2.', '.mlp.experts.')) if '.mlp.fc2.' in key else None
        if stack is not None:
            merged[key] = torch.cat([value, stack[expert]])
    return merged


def gather_decoders(state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Move the authors' decoders from beside the head to below it, in place; the load hook of an estimator.

    A head's own hook sees only the keys below it. `prefix` is that of the estimator, '' or ending with a dot.
    """
    beside = (f'{prefix}keypoint_head.', f'{prefix}associate_')
    for key in [key for key in state_dict if key.startswith(beside)]:
        state_dict[f'{prefix}head.{key[len(prefix) :].removeprefix("keypoint_head.")}'] = state_dict.pop(key)


def split_decoders(weights: Mapping[str, Tensor]) -> dict[str | int, dict[str, Tensor]]:
    """The decoders of a file in our names, by dataset, or by their number in the authors' files; a single one is 0.

    Keys of any origin are relative to the model or to its head. MMPose renames the authors' decoders itself.
    """
    decoders: dict[str | int, dict[str, Tensor]] = {}
    for key, value in weights.items():
        match = _DECODER.fullmatch(key)
        assert match is not None
        name = match['name'] or (int(match['number']) + 1 if match['number'] else 0)
        decoders.setdefault(name, {})[match['rest']] = value
    return {name: rename_head(decoder) for name, decoder in decoders.items()}


def rename_head(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a decoder of transformers to MMPose's names."""
    return rename(weights, TRANSFORMERS_HEAD)[0] if 'conv.weight' in weights else weights


def rename_decoders(weights: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    """Name decoders after their datasets: `heads.coco.final_layer.weight` and so on.

    The authors' are matched to datasets by their order; those of datasets that are not in `names` are dropped. A
    single decoder goes to the first of `names`, the default one.
    """
    decoders = split_decoders(weights)
    several = any(isinstance(name, int) and name > 0 for name in decoders)
    renamed: dict[str, Tensor] = {}
    for name, decoder in decoders.items():
        place = f'heads.{name}'
        if isinstance(name, int):
            dataset = dict(enumerate(AUTHORS_ORDER)).get(name, '') if several else names[0]
            place = f'heads.{dataset}' if dataset in names else ''
            place = place or (f'associate_keypoint_heads.{name - 1}' if not dataset else '')  # not in their files
        renamed |= {f'{place}.{rest}': value for rest, value in decoder.items() if place}
    return renamed
