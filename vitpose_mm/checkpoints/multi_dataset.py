"""Checkpoints with one expert or one decoder per dataset: the authors' ViTPose+ files, transformers', and ours."""

import re
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

# order of experts and decoders in the authors' files; the first decoder is `keypoint_head`, the others are
# `associate_keypoint_heads.0` to `.4`. MMPose's estimator replaces `keypoint_head` by `head` in all these names.
AUTHORS_ORDER = ('coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody')
_EXPERT = re.compile(r'(layers\.\d+\.mlp\.experts)\.(\d+)\.(weight|bias)')
_DECODER = re.compile(
    r'(?:keypoint_head\.|associate_(?:keypoint_)?heads\.(\d+)\.)?'
    r'(?!(?:heads|head|backbone|neck|data_preprocessor)\.)(.+)'  # ours, and the rest of a whole model's file
)


def rename_experts(
    weights: dict[str, Tensor],
    names: Sequence[str],
    expert_dim: int,
    log: Callable[[str], object] = print,
    recorded: Sequence[str] = (),
    new_from: str | None = None,
) -> dict[str, Tensor]:
    """Stack the experts of each block, as our `ExpertMlp` does: (E, P, hidden) and (E, P), with P = expert_dim.

    Experts are matched to datasets by name: the recorded ones, or those of the authors' and transformers' files.
    Experts of datasets that the model lacks are dropped; that of a new dataset starts as the one of `new_from`.
    For a plain ViT, every expert starts as the last P outputs of `fc2`, so the results stay the same.

    Args:
        weights: of a ViT alone, as `formats.rename_vit` returns them.
        names: datasets of the model's experts, in its order; empty for a plain ViT.
        expert_dim: outputs P of an expert.
        log: told what is changed.
        recorded: datasets of the checkpoint's stacked experts, if it records them.
        new_from: dataset of the checkpoint; None for its first.

    Raises:
        ValueError: the checkpoint's experts do not fit the model's or its record, it has none of `new_from`, or its FFN
            is whole beside them.
    """
    weights = dict(weights)
    left = leftover_experts(weights)
    if left:
        raise ValueError(
            f"{len(left)} weights of experts are unused, because the FFNs are whole, as in the files of the authors' "
            'split script: remove them with `vitpose convert FILE OUT --to ours --drop-unused`'
        )
    split = 0
    numbered: dict[str, dict[int, Tensor]] = {}
    for key in list(weights):
        match = _EXPERT.fullmatch(key)
        if match is not None:
            experts, number, kind = match.groups()
            numbered.setdefault(f'{experts}.{kind}', {})[int(number)] = weights.pop(key)
    for key, found in numbered.items():
        if sorted(found) != list(range(len(AUTHORS_ORDER))):
            raise ValueError(
                f'{key}: the checkpoint has experts {", ".join(map(str, sorted(found)))}; expected 0 to 5, which are '
                f'{", ".join(AUTHORS_ORDER)}'
            )
        weights[key] = torch.stack([found[index] for index in range(len(AUTHORS_ORDER))])
    stacks = [key for key in weights if '.mlp.experts.' in key]
    order = AUTHORS_ORDER if numbered else tuple(recorded)
    if stacks and names and order and order != tuple(names):
        indices = _sources(order, names, len(weights[stacks[0]]), new_from, log)
        weights.update({key: weights[key][indices] for key in stacks})
    for key, value in list(weights.items()):
        stack = key.replace('.mlp.fc2.', '.mlp.experts.')
        if '.mlp.experts.' in key:
            _check_experts(key, value, names, expert_dim)
        elif names and stack != key and stack not in weights:
            weights[key], own = value.split([len(value) - expert_dim, expert_dim])
            weights[stack] = torch.stack([own] * len(names))
            split += key.endswith('.weight')
    if split:
        log(f'{split} plain FFNs are split into experts of {", ".join(names)}, which start equal')
    return weights


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
    """Keys of experts beside an FFN that needs none, because its last layer has all outputs already.

    The authors' split script merges an expert and leaves all of them in the file.

    Args:
        weights: of any origin.
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
    """Merge one expert into the plain FFN and drop the others; the result is exact.

    Args:
        weights: in our names, with or without experts.
        expert: its index in the model's order.
    """
    merged = {}
    for key, value in weights.items():
        stack = key.replace('.mlp.fc2.', '.mlp.experts.')
        if stack != key and stack in weights:
            value = torch.cat([value, weights[stack][expert]])
        if '.mlp.experts.' not in key:
            merged[key] = value
    return merged


def gather_decoders(state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Move the authors' decoders from beside the head to below it, in place; the load hook of an estimator.

    A head's own hook sees only the keys below it, and renames them with `rename_decoders`.

    Args:
        state_dict: of any origin.
        prefix: of the estimator's keys in it, '' or ending with a dot.
    """
    beside = (f'{prefix}keypoint_head.', f'{prefix}associate_')
    for key in [key for key in state_dict if key.startswith(beside)]:
        state_dict[f'{prefix}head.{key[len(prefix) :].removeprefix("keypoint_head.")}'] = state_dict.pop(key)


def rename_decoders(weights: dict[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    """Name decoders after their datasets: `heads.coco.final_layer.weight` and so on.

    The authors' decoders are matched to datasets by their order; those of datasets that the model
    lacks are dropped. A single decoder goes to the first dataset of `names`.

    Args:
        weights: of the head alone, or a whole model's file of the authors.
        names: datasets of the model's heads, the default one first.

    Raises:
        ValueError: there are more decoders than in the authors' files.
    """
    renamed: dict[str, Tensor] = {}
    decoders: dict[int, dict[str, Tensor]] = {}
    for key, value in weights.items():
        match = _DECODER.fullmatch(key)
        if match is None:
            renamed[key] = value
        else:
            number, rest = match.groups()
            decoders.setdefault(0 if number is None else int(number) + 1, {})[rest] = value
    order = AUTHORS_ORDER if max(decoders, default=0) > 0 else tuple(names)
    for index, decoder in decoders.items():
        if index >= len(order):
            raise ValueError(
                f'the checkpoint has decoder associate_keypoint_heads.{index - 1}; expected at most {len(order) - 1} '
                f'beside keypoint_head: {", ".join(order)}'
            )
        if order[index] in names:
            renamed.update({f'heads.{order[index]}.{rest}': value for rest, value in decoder.items()})
    return renamed
