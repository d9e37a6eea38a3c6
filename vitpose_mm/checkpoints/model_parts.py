"""Split a whole checkpoint of any origin into its parts, in our names: the ViT, the decoders, the experts."""

import re
from typing import Any, NamedTuple

from .adaptation import Grid, fold_layer_scale, source_grid
from .experts_and_decoders import AUTHORS_ORDER, find_unused_experts, select_experts, split_decoders
from .key_maps import Log, Weights, first_keys
from .origins import Origin, recognize, rename_vit, usual_num_heads

_NUM_HEADS = re.compile(r'\barch=dict\([^)]*\bnum_heads=(\d+)')  # in the config that MMEngine saves in checkpoints
_DECODERS = r'((keypoint_)?head|associate_(keypoint_)?heads\.\d+)\..+'
_FFN = {'layers.0.mlp.fc1.weight': 2, 'layers.0.mlp.fc2.weight': 2}
_DIMENSIONS = {'pos_embed': 3, 'patch_embed.proj.weight': 4, 'layers.0.norm1.weight': 1, **_FFN}


class ModelParts(NamedTuple):
    """The parts of a model."""

    origin: Origin
    vit: Weights  # in our names; the position table may have an extra slot
    heads: dict[str, Weights]  # decoders by dataset, in our names; a single one has the name ''
    experts: tuple[str, ...]  # their datasets in order, () if there are no experts or their names are unknown
    grid: Grid | None  # (Hp, Wp) of the position table, None if unknown
    recorded: bool  # the file records the grid; else it is one of the format's usual grids
    num_heads: int | None  # attention heads as recorded in the file, or as usual for this format and width

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


def split_parts(
    weights: Weights, meta: dict[str, Any], drop_unused: bool = False, log: Log = print, keep_tokens: bool = False
) -> ModelParts:
    """Split the state dict of a whole model or of a ViT alone. ValueError for an unknown origin or unknown keys.

    `meta` is the file's, see `safe_load.Checkpoint`. `drop_unused` drops experts beside a whole FFN together with the
    decoders of other datasets; `keep_tokens` keeps the cls token and registers; without it, registers are refused.
    """
    origin = recognize(weights)
    if origin is None:
        raise ValueError(
            f'no ViT of a known origin: {len(weights)} keys such as {", ".join(list(weights)[:3])}; expected a file of '
            "vitpose_mm, MMPose 1.x, ViTPose's authors, easy_ViTPose, transformers, MAE, timm or DINOv2"
        )
    inner, outer = origin.prefix, origin.prefix.removesuffix('backbone.')
    vit, _, problems = rename_vit({key.removeprefix(inner): weights[key] for key in weights if key.startswith(inner)})
    beside = [key for key in weights if inner != outer and not key.startswith((inner, f'{outer}data_preprocessor.'))]
    beside = [key for key in beside if not re.search(r'\.(confidence|presence)\.', key)]  # no other format has them
    decoders = [key for key in beside if re.fullmatch(re.escape(outer) + _DECODERS, key)]
    if surplus := [key for key in beside if key not in decoders]:
        problems.append(f'{len(surplus)} keys are left over: {first_keys(surplus, 5)}')
    for key, dimensions in _DIMENSIONS.items():
        if key not in vit or vit[key].ndim != dimensions or not vit[key].numel():
            shape = tuple(vit[key].shape) if key in vit else 'none'
            problems.append(f'{key}: expected a weight of {dimensions} dimensions, found {shape}')
    if problems:
        raise ValueError(problems[0])
    if unused := find_unused_experts(vit, allowed=drop_unused):
        count = sum(len(vit.pop(key)) for key in unused)
        others = {key.split('.')[1] for key in decoders if key.startswith(f'{outer}associate_')}
        decoders = [key for key in decoders if not key.startswith(f'{outer}associate_')]
        log(f'{count} weights of experts and {len(others)} decoders of other datasets are dropped')
    heads = split_decoders({key.removeprefix(outer): weights[key] for key in decoders})
    if 'register_tokens' in vit and not keep_tokens:
        raise ValueError(
            'register tokens take part in attention: no format here has them; load the file as it is, with '
            f"ViT(knowledge_token=dict(count={1 + vit['register_tokens'].shape[1]}, init='checkpoint'))"
        )
    record = (getattr(weights, '_metadata', None) or {}).get(inner.rstrip('.'), {})
    grids = [record['grid']] if 'grid' in record else origin.format.grids
    if not keep_tokens and vit.pop('cls_token', None) is not None:
        log('the cls token is dropped')
        if origin.format.name != 'ours-mae':  # its table has no position for the cls token
            _, has_slot = source_grid(vit['pos_embed'].shape[1], grids)
            vit['pos_embed'] = vit['pos_embed'][:, int(has_slot) :]
    fold_layer_scale(vit, log)
    if list(heads) == [''] and meta.get('dataset') and isinstance(meta['dataset'], str):
        heads = {meta['dataset']: heads['']}
    count = len(vit.get('layers.0.mlp.experts.bias', ()))
    known = record.get('experts') or (heads if len(heads) == count and '' not in heads else AUTHORS_ORDER)
    names, order = tuple(known) if len(known) == count else (), meta.get('expert_order')
    if names and isinstance(order, list) and sorted(map(str, order)) == sorted(names):  # written from one of our files
        vit, names = select_experts(vit, [names.index(name) for name in order]), tuple(order)
    try:
        grid = source_grid(vit['pos_embed'].shape[1], grids)[0]
    except ValueError:
        grid = None
    config = _NUM_HEADS.search(str(meta.get('cfg')))
    usual = int(config[1]) if config else usual_num_heads(origin.format, len(vit['layers.0.norm1.weight']))
    return ModelParts(origin, vit, heads, names, grid, bool(grid and 'grid' in record), record.get('num_heads', usual))
