"""Experts and decoders of checkpoints with one per dataset: the authors' ViTPose+ files, transformers' and ours."""

import re
from collections.abc import Sequence

import torch

from .key_maps import TRANSFORMERS_HEAD, Log, Weights, rename

# order of experts and decoders in the authors' files; the first decoder is `keypoint_head`, the others are
# `associate_keypoint_heads.0` to `.4`. MMPose's estimator replaces `keypoint_head` by `head` in all these names.
AUTHORS_ORDER = ('coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody')
_DECODER = re.compile(r'(?:(?:keypoint_)?head\.)?(?:heads\.([^.]+)\.|associate_(?:keypoint_)?heads\.(\d+)\.)?(.+)')


def rename_experts(
    weights: Weights, names: Sequence[str], dim: int, log: Log, order: Sequence[str] = (), new_from: str | None = None
) -> Weights:
    """Give each dataset of a model, `names`, its expert of P = `dim` outputs: (E, P, hidden) and (E, P).

    Experts are matched to datasets by name if `order`, the file's names, is known. Experts that the model lacks are
    dropped; the expert of a new dataset starts as a copy of that of `new_from`, by default of the first. For a plain
    ViT, every expert starts as the last P outputs of `fc2`, so the results stay the same. ValueError if the experts do
    not fit the model or the record, lack `new_from`, or are unused because the FFN is whole.
    """
    find_unused_experts(weights)  # ValueError if there are any
    stack = next((value for key, value in weights.items() if '.mlp.experts.' in key), None)
    if stack is not None:
        count, width = stack.shape[:2]
        if order and names:
            weights, count = select_experts(weights, _source_experts(order, names, count, new_from, log)), len(names)
        if (count, width) != (len(names), dim):
            model = f'{len(names)} ({", ".join(names)}) of {dim}' if names else 'none'
            raise ValueError(
                f'the checkpoint has {count} experts of {width} outputs, this ViT {model}: set `experts` to '
                f'dict(names=[...], expert_dim={width}), or extract the plain model of one dataset with `vitpose split`'
            )
    renamed = dict(weights)
    for key, value in weights.items():
        target = key.replace('.mlp.fc2.', '.mlp.experts.')
        if names and target != key and target not in weights:
            renamed[key], expert = value.split([len(value) - dim, dim])
            renamed[target] = torch.stack([expert] * len(names))
    if len(renamed) > len(weights):
        log(f'plain FFNs are split into experts of {", ".join(names)}, which start equal')
    return renamed


def select_experts(weights: Weights, indices: list[int]) -> Weights:
    """Return the same weights, in our names, with these experts in this order."""
    return {key: value[indices] if '.mlp.experts.' in key else value for key, value in weights.items()}


def merge_expert(weights: Weights, expert: int) -> Weights:
    """Merge the expert of this index into the plain FFN and drop the others; the result is exact."""
    merged = dict(weights)
    for key in [key for key in weights if '.mlp.experts.' in key]:
        place = key.replace('.mlp.experts.', '.mlp.fc2.')
        merged[place] = torch.cat([weights[place], merged.pop(key)[expert]])
    return merged


def _source_experts(order: Sequence[str], names: Sequence[str], count: int, new_from: str | None, log: Log) -> list:
    """Return for each dataset of `names` the index of its initial expert among the `count` experts of `order`."""
    if len(order) != count:
        raise ValueError(f'the checkpoint has {count} experts, but records {len(order)} datasets: {", ".join(order)}')
    source = order[0] if new_from is None else new_from
    if new := [name for name in names if name not in order]:
        if source not in order:
            raise ValueError(f'experts: new_from={source!r}: the checkpoint has experts of {", ".join(order)}')
        known = ', '.join(name for name in names if name in order)
        log(f'experts: {", ".join(new)} start as that of {source}' + (f'; {known} keep theirs' if known else ''))
    return [order.index(source if name in new else name) for name in names]


def find_unused_experts(weights: Weights, allowed: bool = False) -> list[str]:
    """List keys of experts beside a whole FFN, as in the authors' split files. ValueError unless they are `allowed`."""
    unused = []
    for key in weights:
        block, mark, _ = key.partition('.mlp.experts.')
        whole, hidden = weights.get(f'{block}.mlp.fc2.weight'), weights.get(f'{block}.mlp.fc1.weight')
        if mark and whole is not None and hidden is not None and len(whole) == hidden.shape[1]:
            unused.append(key)
    if unused and not allowed:
        raise ValueError(
            f'{sum(len(weights[key]) for key in unused)} weights of experts are unused, because the FFNs are whole, as '
            "in files of the authors' split script: drop them with `vitpose convert FILE OUT --to ours --drop-unused`"
        )
    return unused


def gather_decoders(state_dict: Weights, prefix: str, *_: object) -> None:
    """Rename the authors' decoders to keys below the head, where its hook sees them; the load hook of an estimator."""
    beside = (f'{prefix}keypoint_head.', f'{prefix}associate_')
    for key in [key for key in state_dict if key.startswith(beside)]:
        state_dict[f'{prefix}head.{key[len(prefix) :].removeprefix("keypoint_head.")}'] = state_dict.pop(key)


def split_decoders(weights: Weights) -> dict[str, Weights]:
    """Split the decoders of a model or head by dataset, in our names; a single one has the name ''."""
    decoders: dict[str, Weights] = {}
    later = {str(number): name for number, name in enumerate(AUTHORS_ORDER[1:])}
    for key, value in weights.items():
        name, number, rest = _DECODER.fullmatch(key).groups()  # type: ignore[union-attr]
        name = name or (later.get(number, f'associate_keypoint_heads.{number}') if number else '')
        decoders.setdefault(name, {})[rest] = value
    first = AUTHORS_ORDER[0] if len(decoders) > 1 else ''
    return {name or first: rename(decoder, TRANSFORMERS_HEAD)[0] for name, decoder in decoders.items()}


def rename_decoders(weights: Weights, names: Sequence[str]) -> Weights:
    """Name decoders after their datasets, `heads.coco.final_layer.weight`; a single one gets the first of `names`.

    The authors' decoders, which are in a fixed order, are dropped if their dataset is not in `names`.
    """
    renamed: Weights = {}
    for name, decoder in split_decoders(weights).items():
        name = name or names[0]
        prefix = name if '.' in name else f'heads.{name}'  # a dot: more decoders than the authors had
        if name in names or prefix == name or any(key.startswith(f'{prefix}.') for key in weights):
            renamed |= {f'{prefix}.{rest}': value for rest, value in decoder.items()}
    return renamed
