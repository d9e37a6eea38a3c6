"""A whole checkpoint of any origin as its parts, in our names: the ViT, the decoders, the experts."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from .adaptation import Grid, fold_layer_scale, source_grid
from .formats import Origin, recognise, rename_vit
from .multi_dataset import AUTHORS_ORDER, leftover_experts, split_decoders, take_experts

_DECODERS = re.compile(r'(keypoint_)?head\..+|associate_(keypoint_)?heads\.\d+\..+')
_DIMENSIONS = {
    'pos_embed': 3,
    'patch_embed.proj.weight': 4,
    'layers.0.norm1.weight': 1,
    'layers.0.mlp.fc1.weight': 2,
    'layers.0.mlp.fc2.weight': 2,
}


class Parts(NamedTuple):
    """The parts of a model."""

    origin: Origin
    vit: dict[str, Tensor]  # in our names; the position table may have an extra slot
    heads: dict[str, dict[str, Tensor]]  # decoders by dataset, in our names; a single one has the name ''
    experts: tuple[str, ...]  # their datasets in their order, () if there are none or their names are not known
    grid: Grid | None  # (Hp, Wp) of the position table, None if it is not known

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
    inner, outer = origin.prefix, origin.prefix.removesuffix('backbone.')
    vit, _, problems = rename_vit({key.removeprefix(inner): weights[key] for key in weights if key.startswith(inner)})
    beside = [key for key in weights if inner != outer and not key.startswith((inner, f'{outer}data_preprocessor.'))]
    found = {key.removeprefix(outer) if key.startswith(outer) else '': weights[key] for key in beside}
    decoders = {key: value for key, value in found.items() if _DECODERS.fullmatch(key)}
    left = [key for key in beside if not key.startswith(outer) or key.removeprefix(outer) not in decoders]
    if left:
        problems.append(f'{len(left)} keys are left over: {", ".join(left[:5])}{", ..." if len(left) > 5 else ""}')
    for key, dimensions in _DIMENSIONS.items():
        if key not in vit or vit[key].ndim != dimensions or not vit[key].numel():
            shape = tuple(vit[key].shape) if key in vit else 'none'
            problems.append(f'{key}: expected a weight of {dimensions} dimensions, found {shape}')
    if problems:
        raise ValueError(problems[0])
    heads, unused = split_decoders(decoders), leftover_experts(vit)
    if unused:
        count = sum(len(vit[key]) for key in unused)
        if not drop_unused:
            raise ValueError(
                f'{count} weights of experts are unused, because the FFNs are whole, as in the files of the '
                "authors' split script: drop them with --drop-unused"
            )
        vit = {key: value for key, value in vit.items() if key not in unused}
        dropped = [heads.pop(name) for name in list(heads) if isinstance(name, int) and name > 0]
        log(f'{count} weights of experts and {len(dropped)} decoders of other datasets are dropped')
    if not keep_tokens:
        _drop_tokens(vit, origin, log)
    fold_layer_scale(vit, log)
    named = {_dataset(name, len(heads)): head for name, head in heads.items()}
    if list(named) == [''] and meta.get('dataset') and isinstance(meta['dataset'], str):
        named = {meta['dataset']: named['']}
    recorded = {**meta, **(getattr(weights, '_metadata', None) or {}).get(inner.rstrip('.'), {})}
    names = _expert_names(len(vit.get('layers.0.mlp.experts.bias', ())), recorded.get('experts'), list(named))
    own = meta.get('expert_order')
    if names and isinstance(own, list) and sorted(map(str, own)) == sorted(names):  # written from a file of ours
        vit, names = take_experts(vit, [names.index(name) for name in own]), tuple(own)
    try:
        sides = recorded.get('grid')
        grids = [(int(sides[0]), int(sides[1]))] if sides else origin.format.grids
        grid = source_grid(vit['pos_embed'].shape[1], grids)[0]
    except (ValueError, KeyError, IndexError, TypeError):
        grid = None
    return Parts(origin, vit, named, names, grid)


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
    if vit.pop('cls_token', None) is not None:
        log('the cls token is dropped')
        if origin.format.name != 'ours-mae':  # its table has no position of the cls token
            _, slot = source_grid(vit['pos_embed'].shape[1], origin.format.grids)
            vit['pos_embed'] = vit['pos_embed'][:, int(slot) :]


def _dataset(name: str | int, count: int) -> str:
    """The dataset of a decoder by its number in the authors' files; '' for a single one."""
    if isinstance(name, str) or (name == 0 and count == 1):
        return name if isinstance(name, str) else ''
    return AUTHORS_ORDER[name] if name < len(AUTHORS_ORDER) else f'associate_keypoint_heads.{name - 1}'


def _expert_names(count: int, recorded: Any, heads: list[str]) -> tuple[str, ...]:
    """Datasets of the experts: recorded, or else the decoders' or the authors'."""
    if isinstance(recorded, list | tuple) and all(isinstance(name, str) for name in recorded):
        names = tuple(recorded)
    else:
        names = tuple(heads) if len(heads) == count and '' not in heads else AUTHORS_ORDER
    return names if len(names) == count else ()
