"""Checkpoints with experts and several decoders: the authors' ViTPose+ files, transformers', and ours."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

# of experts and decoders in the authors' files: the first decoder is `keypoint_head`, the others are
# `associate_keypoint_heads`, which MMPose's estimator renames to `associate_heads`
AUTHORS_ORDER = ('coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody')
_EXPERT = re.compile(r'(layers\.\d+\.mlp\.experts)\.(\d+)\.(weight|bias)')
_FFN = re.compile(r'(layers\.\d+\.mlp)\.(fc2|experts)\.(weight|bias)')


def rename_experts(state_dict: dict[str, Tensor], prefix: str, names: Sequence[str], part: int) -> None:
    """Give a backbone's experts our form, in place: (E, part, hidden) and (E, part) a block.

    Runs after `rename_backbone`. The authors' and transformers' experts go to the datasets of their
    names; experts of other datasets are left out, and a dataset that the authors did not train
    starts from COCO's expert. Of a plain ViT, every expert starts as the last `part` outputs of
    `fc2`: the results stay the same.

    Args:
        state_dict: keys of our naming.
        prefix: of the backbone's keys in it, '' or ending with a dot.
        names: datasets of the experts, in the model's order; none for a plain ViT.
        part: outputs of an expert.

    Raises:
        ValueError: the file's experts do not fit the model's.
    """
    single: dict[str, dict[int, Tensor]] = {}
    for key in [key for key in state_dict if key.startswith(prefix)]:
        match = _EXPERT.fullmatch(key, len(prefix))
        if match is not None:
            place, number, kind = match.groups()
            single.setdefault(f'{prefix}{place}.{kind}', {})[int(number)] = state_dict.pop(key)
    for key, experts in single.items():
        if sorted(experts) != list(range(len(AUTHORS_ORDER))):
            raise ValueError(
                f'{key}: the checkpoint has experts {", ".join(map(str, sorted(experts)))}; expected 0 to '
                f'5, which are {", ".join(AUTHORS_ORDER)}'
            )
        picked = [AUTHORS_ORDER.index(name) if name in AUTHORS_ORDER else 0 for name in names or AUTHORS_ORDER]
        state_dict[key] = torch.stack([experts[number] for number in picked])
    for key in [key for key in state_dict if key.startswith(prefix)]:
        match = _FFN.fullmatch(key, len(prefix))
        if match is None:
            continue
        block, layer, kind = match.groups()
        stack = f'{prefix}{block}.experts.{kind}'
        if layer == 'fc2' and names and stack not in state_dict:
            state_dict[key], own = state_dict[key].split([len(state_dict[key]) - part, part])
            state_dict[stack] = torch.stack([own] * len(names))
        elif layer == 'experts':
            _check_experts(key, state_dict[key], names, part)


def _check_experts(key: str, experts: Tensor, names: Sequence[str], part: int) -> None:
    count, width = experts.shape[:2]
    if not names:
        raise ValueError(
            f'{key}: the checkpoint has {count} experts and this ViT none: give it '
            f'experts=dict(names=[...], part={width}), or make a plain model of one dataset with '
            '`vitpose split`'
        )
    if (count, width) != (len(names), part):
        raise ValueError(
            f'{key}: the checkpoint has {count} experts of {width} outputs, this ViT {len(names)} '
            f'({", ".join(names)}) of {part}: set `experts` to what the checkpoint was trained with'
        )


def rename_multi_head(state_dict: dict[str, Tensor], prefix: str, names: Sequence[str]) -> None:
    """Give decoders the names of their datasets, in place.

    The authors' decoders go to the datasets of their order; those of datasets that the model does
    not have are left out. A file with one decoder gives it to the first dataset of `names`.

    To see the authors' names, which lie beside the head's, it has to be called by the estimator.

    Args:
        state_dict: keys of any origin.
        prefix: of the head's keys in it, such as 'head.'.
        names: datasets of the model's heads, the default one first.

    Raises:
        ValueError: more decoders than the authors had.
    """
    parent, _, head = prefix[:-1].rpartition('.')
    pattern = re.compile(
        rf'{re.escape(parent + "." if parent else "")}'
        rf'(?:(?:keypoint_head|{re.escape(head)})|associate_(?:keypoint_)?heads\.(\d+))\.(?!heads\.)(.+)'
    )
    decoders: dict[int, dict[str, Tensor]] = {}
    for key in list(state_dict):
        match = pattern.fullmatch(key)
        if match is not None:
            number, rest = match.groups()
            decoders.setdefault(0 if number is None else int(number) + 1, {})[rest] = state_dict.pop(key)
    order = AUTHORS_ORDER if max(decoders, default=0) > 0 else tuple(names)
    for number, weights in decoders.items():
        if number >= len(order):
            raise ValueError(
                f'the checkpoint has decoder associate_keypoint_heads.{number - 1}; expected at most '
                f'{len(order) - 1} beside keypoint_head: {", ".join(order)}'
            )
        if order[number] in names:
            state_dict.update({f'{prefix}heads.{order[number]}.{rest}': value for rest, value in weights.items()})


def merge_expert(weights: dict[str, Tensor], expert: int) -> dict[str, Tensor]:
    """Merge one expert into the plain FFN and leave the others out; exact.

    Args:
        weights: keys of our naming, with or without experts.
        expert: its place in the model's order.
    """
    merged = {}
    for key, value in weights.items():
        stack = key.replace('.mlp.fc2.', '.mlp.experts.')
        if stack != key and stack in weights:
            value = torch.cat([value, weights[stack][expert]])
        if '.mlp.experts.' not in key:
            merged[key] = value
    return merged
