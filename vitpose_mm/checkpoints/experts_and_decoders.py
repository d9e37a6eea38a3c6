"""Checkpoints with one expert or one decoder per dataset: the authors' ViTPose+ files, transformers', and ours."""

import re
from collections.abc import Sequence

import torch

from .key_maps import TRANSFORMERS_HEAD, Log, Weights, rename

# order of experts and decoders in the authors' files; the first decoder is `keypoint_head`, the others are
# `associate_keypoint_heads.0` to `.4`. MMPose's estimator replaces `keypoint_head` by `head` in all these names.
AUTHORS_ORDER = ('coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody')
_DECODER = re.compile(r'(?:(?:keypoint_)?head\.)?(?:heads\.([^.]+)\.|associate_(?:keypoint_)?heads\.(\d+)\.)?(.+)')


def rename_experts(
    weights: Weights,
    names: Sequence[str],
    dim: int,
    log: Log,
    recorded: Sequence[str] = (),
    new_from: str | None = None,
) -> Weights:
    """Give each dataset of a model, `names`, its expert of P = `dim` outputs: (E, P, hidden) and (E, P).

    Experts are matched to datasets by name if the file's are `recorded`. Those that the model lacks are dropped; that
    of a new dataset starts as the one of `new_from`, by default the first. For a plain ViT, every expert starts as the
    last P outputs of `fc2`, so the results stay the same. ValueError if the experts do not fit the model or the record,
    lack `new_from`, or stand beside a whole FFN.
    """
    find_unused_experts(weights)
    stack = next((value for key, value in weights.items() if '.mlp.experts.' in key), None)
    if stack is not None:
        count, width = stack.shape[:2]
        if recorded and names:
            weights, count = select_experts(weights, _source_experts(recorded, names, count, new_from, log)), len(names)
        if (count, width) != (len(names), dim):
            own = f'{len(names)} ({", ".join(names)}) of {dim}' if names else 'none'
            raise ValueError(
                f'the checkpoint has {count} experts of {width} outputs, this ViT {own}: set `experts` to '
                f'dict(names=[...], expert_dim={width}), or extract the plain model of one dataset with `vitpose split`'
            )
    chosen = dict(weights)
    for key, value in weights.items():
        place = key.replace('.mlp.fc2.', '.mlp.experts.')
        if names and place != key and place not in weights:
            chosen[key], own = value.split([len(value) - dim, dim])
            chosen[place] = torch.stack([own] * len(names))
    if len(chosen) > len(weights):
        log(f'plain FFNs are split into experts of {", ".join(names)}, which start equal')
    return chosen


def select_experts(weights: Weights, indices: list[int]) -> Weights:
    """The same weights, in our names, with these experts in this order."""
    return {key: value[indices] if '.mlp.experts.' in key else value for key, value in weights.items()}


def _source_experts(
    order: Sequence[str], names: Sequence[str], count: int, new_from: str | None, log: Log
) -> list[int]:
    """For each dataset of `names`, the index of the expert that it starts as, among `count` experts of `order`."""
    if len(order) != count:
        raise ValueError(f'the checkpoint has {count} experts, but records {len(order)} datasets: {", ".join(order)}')
    start = order[0] if new_from is None else new_from
    if new := [name for name in names if name not in order]:
        if start not in order:
            raise ValueError(f'experts: new_from={start!r}: the checkpoint has experts of {", ".join(order)}')
        kept = ', '.join(name for name in names if name in order)
        log(f'experts: {", ".join(new)} start as that of {start}' + (f'; {kept} keep theirs' if kept else ''))
    return [order.index(start if name in new else name) for name in names]


def find_unused_experts(weights: Weights, allowed: bool = False) -> list[str]:
    """Keys of experts beside a whole FFN, as in files of the authors' split script; ValueError if not `allowed`."""
    found = []
    for key in weights:
        block, mark, _ = key.partition('.mlp.experts.')
        whole, hidden = weights.get(f'{block}.mlp.fc2.weight'), weights.get(f'{block}.mlp.fc1.weight')
        if mark and whole is not None and hidden is not None and len(whole) == hidden.shape[1]:
            found.append(key)
    if found and not allowed:
        raise ValueError(
            f'{sum(len(weights[key]) for key in found)} weights of experts are unused, as the FFNs are whole, as in '
            "files of the authors' split script: drop them with `vitpose convert FILE OUT --to ours --drop-unused`"
        )
    return found


def gather_decoders(state_dict: Weights, prefix: str, *_: object) -> None:
    """Move the authors' decoders from beside the head to below it, where its hook sees them; an estimator's hook."""
    beside = (f'{prefix}keypoint_head.', f'{prefix}associate_')
    for key in [key for key in state_dict if key.startswith(beside)]:
        state_dict[f'{prefix}head.{key[len(prefix) :].removeprefix("keypoint_head.")}'] = state_dict.pop(key)


def split_decoders(weights: Weights) -> dict[str, Weights]:
    """The decoders of a model or head by dataset, in our names; a single one is '', the authors' have their order."""
    decoders: dict[str, Weights] = {}
    later = {str(number): name for number, name in enumerate(AUTHORS_ORDER[1:])}
    for key, value in weights.items():
        name, number, rest = _DECODER.fullmatch(key).groups()  # type: ignore[union-attr]
        name = name or (later.get(number, f'associate_keypoint_heads.{number}') if number else '')
        decoders.setdefault(name, {})[rest] = value
    first = AUTHORS_ORDER[0] if len(decoders) > 1 else ''
    return {name or first: rename(decoder, TRANSFORMERS_HEAD)[0] for name, decoder in decoders.items()}


def rename_decoders(weights: Weights, names: Sequence[str]) -> Weights:
    """Name decoders after their datasets: `heads.coco.final_layer.weight`. A single one goes to the first of `names`.

    Of the authors', which are in their order, those of datasets that are not in `names` are dropped.
    """
    renamed: Weights = {}
    for name, decoder in split_decoders(weights).items():
        name = name or names[0]
        place = name if '.' in name else f'heads.{name}'  # more decoders than the authors had
        if name in names or place == name or any(key.startswith(f'{place}.') for key in weights):
            renamed |= {f'{place}.{rest}': value for rest, value in decoder.items()}
    return renamed
