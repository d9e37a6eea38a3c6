"""A whole checkpoint of any origin as its parts, in our names: the ViT, the decoders, the experts."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .adaptation import Grid, fold_layer_scale, source_grid
from .formats import Origin, recognise
from .key_maps import rename, rename_head
from .multi_dataset import AUTHORS_ORDER, leftover_experts

_HEAD = re.compile(
    r'(?:head\.heads\.(?P<name>[^.]+)|associate_(?:keypoint_)?heads\.(?P<number>\d+)|(?P<first>(?:keypoint_)?head))'
    r'\.(?P<rest>.+)'
)
_DIMENSIONS = {
    'pos_embed': 3,
    'patch_embed.proj.weight': 4,
    'layers.0.norm1.weight': 1,
    'layers.0.mlp.fc1.weight': 2,
    'layers.0.mlp.fc2.weight': 2,
}
_NUMBERED = re.compile(r'(layers\.\d+\.mlp\.experts)\.(\d+)\.(weight|bias)')
_CONFIG_NAMES = re.compile(r'experts=dict\(\s*(?:expert_dim=\d+,\s*)?names=\[([^\]]*)\]')


class Parts(NamedTuple):
    """The parts of a model.

    Attributes:
        origin: who wrote it.
        vit: the ViT in our names, with stacked experts; the position table may have an extra slot.
        heads: decoders by dataset, in our names; a single one has the name ''.
        experts: datasets of the experts in their order, () if there are none or their names are not known.
        grid: (Hp, Wp) of the position table, None if it is not known.
    """

    origin: Origin
    vit: dict[str, Tensor]
    heads: dict[str, dict[str, Tensor]]
    experts: tuple[str, ...]
    grid: Grid | None

    @property
    def size(self) -> tuple[int, int]:
        """Depth and width of the ViT."""
        depth = len({key.split('.')[1] for key in self.vit if key.startswith('layers.')})
        return depth, len(self.vit['layers.0.norm1.weight'])

    @property
    def expert_shape(self) -> tuple[int, int]:
        """Number of experts and outputs of each, (0, 0) if there are none."""
        stack = self.vit.get('layers.0.mlp.experts.bias')
        return (0, 0) if stack is None else (stack.shape[0], stack.shape[1])


def read_parts(
    weights: dict[str, Tensor],
    meta: dict[str, Any],
    drop_unused: bool = False,
    log: Callable[[str], object] = print,
    keep_tokens: bool = False,
) -> Parts:
    """Take a state dict apart.

    Args:
        weights: of a whole model or of a ViT alone, of any known origin.
        meta: what else is known of the file, see `safe_load.Checkpoint`.
        drop_unused: drop experts beside a whole FFN, and then the decoders of other datasets.
        log: told what is changed.
        keep_tokens: leave cls token and registers where they are, to look at them; else registers are refused.

    Raises:
        ValueError: the origin is not known, or a key is left over; the message lists them.
    """
    origin = recognise(weights)
    if origin is None:
        raise ValueError(
            f'no ViT of a known origin: {len(weights)} keys such as {", ".join(list(weights)[:3])}; expected a file of '
            "vitpose_mm, MMPose 1.x, ViTPose's authors, easy_ViTPose, transformers, MAE, timm or DINOv2"
        )
    outer = origin.prefix.removesuffix('backbone.')
    inside = {key.removeprefix(origin.prefix): key for key in weights if key.startswith(origin.prefix)}
    vit = {name: weights[key] for name, key in inside.items()}
    vit = vit if origin.format.table is None else rename(vit, origin.format.table)
    _check_dimensions(vit)
    heads: dict[str, dict[str, Tensor]] = {}
    left = []
    for key in [] if outer == origin.prefix else weights:  # else the ViT is alone
        if key.startswith((origin.prefix, f'{outer}data_preprocessor.')):
            continue
        match = _HEAD.fullmatch(key.removeprefix(outer)) if key.startswith(outer) else None
        if match is None:
            left.append(key)
            continue
        number = -1 if match['number'] is None else int(match['number'])
        heads.setdefault(match['name'] or str(number), {})[match['rest']] = weights[key]
    if left:
        raise ValueError(f'{len(left)} keys are left over: {", ".join(left[:5])}{", ..." if len(left) > 5 else ""}')
    unused = leftover_experts(vit)
    if unused and not drop_unused:
        raise ValueError(
            f'{len(unused)} weights of experts are unused, because the FFNs are whole, as in the files of the '
            "authors' split script: drop them with --drop-unused"
        )
    if unused:
        dropped = [name for name in heads if name.isdigit()]
        vit = {key: value for key, value in vit.items() if key not in unused}
        heads = {name: head for name, head in heads.items() if name not in dropped}
        log(f'{len(unused)} weights of experts and {len(dropped)} decoders of other datasets are dropped')
    if not keep_tokens:
        _drop_tokens(vit, origin, log)
    fold_layer_scale(vit, log)
    stacked = _stack(vit)
    named = {_dataset(name, len(heads)): rename_head(head) for name, head in heads.items()}
    if list(named) == [''] and meta.get('dataset') and isinstance(meta['dataset'], str):
        named = {meta['dataset']: named['']}
    recorded = (getattr(weights, '_metadata', None) or {}).get(origin.prefix.rstrip('.'), {})
    names = _expert_names(stacked, {**meta, **recorded}, named)
    own = meta.get('expert_order')
    if names and isinstance(own, list) and sorted(map(str, own)) == sorted(names) and tuple(own) != names:
        indices = [names.index(name) for name in own]  # a file that was written from one of ours
        stacked = {key: value[indices] if '.mlp.experts.' in key else value for key, value in stacked.items()}
        names = tuple(own)
    return Parts(origin, stacked, named, names, _grid(stacked, origin, recorded.get('grid') or meta.get('grid')))


def _check_dimensions(vit: dict[str, Tensor]) -> None:
    """Refuse a ViT that lacks what every ViT has.

    Raises:
        ValueError: names the key.
    """
    for key, dimensions in _DIMENSIONS.items():
        if key not in vit or vit[key].ndim != dimensions or not vit[key].numel():
            found = tuple(vit[key].shape) if key in vit else 'none'
            raise ValueError(f'{key}: expected a weight of {dimensions} dimensions, found {found}')


def _drop_tokens(vit: dict[str, Tensor], origin: Origin, log: Callable[[str], object]) -> None:
    """Drop the cls token and its position, in place.

    Raises:
        ValueError: there are registers.
    """
    if 'register_tokens' in vit:
        raise ValueError(
            'register tokens take part in attention: no format here has them; load the file as it is, with '
            f"ViT(knowledge_token=dict(count={1 + vit['register_tokens'].shape[1]}, init='checkpoint'))"
        )
    if vit.pop('cls_token', None) is None:
        return
    log('the cls token is dropped')
    if origin.format.name != 'ours-mae':  # its table has no position of the cls token
        _, slot = source_grid(vit['pos_embed'].shape[1], origin.format.grids)
        vit['pos_embed'] = vit['pos_embed'][:, int(slot) :]


def _dataset(name: str, count: int) -> str:
    if name == '-1':
        return AUTHORS_ORDER[0] if count > 1 else ''
    if not name.isdigit():
        return name
    number = int(name) + 1
    return AUTHORS_ORDER[number] if number < len(AUTHORS_ORDER) else f'associate_keypoint_heads.{name}'


def _stack(vit: dict[str, Tensor]) -> dict[str, Tensor]:
    """Stack numbered experts."""
    numbered: dict[str, dict[int, Tensor]] = {}
    stacked = {}
    for key, value in vit.items():
        match = _NUMBERED.fullmatch(key)
        if match is None:
            stacked[key] = value
        else:
            numbered.setdefault(f'{match[1]}.{match[3]}', {})[int(match[2])] = value
    for key, found in numbered.items():
        if sorted(found) != list(range(len(found))):
            raise ValueError(f'{key}: experts {", ".join(map(str, sorted(found)))}; expected 0 to {len(found) - 1}')
        stacked[key] = torch.stack([found[number] for number in range(len(found))])
    return stacked


def _expert_names(vit: dict[str, Tensor], meta: dict[str, Any], heads: dict[str, Any]) -> tuple[str, ...]:
    """Datasets of the experts: recorded, in the config of the training, the decoders' or the authors'."""
    stack = vit.get('layers.0.mlp.experts.bias')
    if stack is None:
        return ()
    recorded = meta.get('experts')
    found = _CONFIG_NAMES.search(meta['cfg']) if isinstance(meta.get('cfg'), str) else None
    names: tuple[str, ...] = ()
    if isinstance(recorded, list | tuple) and all(isinstance(name, str) for name in recorded):
        names = tuple(recorded)
    elif found:
        names = tuple(re.findall(r'[\w-]+', found[1]))
    elif len(heads) == len(stack) and '' not in heads:
        names = tuple(heads)
    elif len(stack) == len(AUTHORS_ORDER):
        names = AUTHORS_ORDER
    return names if len(names) == len(stack) else ()


def _grid(vit: dict[str, Tensor], origin: Origin, recorded: Any) -> Grid | None:
    """The recorded grid of the position table, or a known one."""
    try:
        grids = [(int(recorded[0]), int(recorded[1]))] if recorded else origin.format.grids
        return source_grid(vit['pos_embed'].shape[1], grids)[0]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
