"""Who wrote a checkpoint: recognised by the names of its weights.

`FORMATS` is the one list of known origins, for the load hooks of models, for `vitpose inspect` and for conversion.
Two origins with the same names, such as the authors and easy_ViTPose, are one format.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from .adaptation import Grid
from .key_maps import (
    AUTHORS,
    AUTOENCODER,
    DINOV2_TRANSFORMERS,
    MMPRETRAIN,
    TIMM,
    TRANSFORMERS,
    VITMAE,
    Table,
    bare_key,
    rename,
)

# position tables: the grids (Hp, Wp) that files of a format are known to have
POSE_GRIDS = ((16, 12), (24, 18), (36, 27), (8, 6), (16, 16), (24, 24), (14, 14), (32, 24), (48, 36), (72, 54))
IMAGE_GRIDS = ((14, 14), (24, 24), (16, 16), (32, 32), (37, 37), (28, 28))  # 224, 384, ... pixels; 518 / 14

# A file holds its weights under one of these keys, or bare: MMEngine, timm, MAE and easy_ViTPose, DeepSpeed. MMEngine's
# 'state_dict' holds the averaged weights if there are any; timm's does not.
WRAPPERS = ('state_dict_ema', 'state_dict', 'model_ema', 'model', 'module', 'ema_state_dict')
COUNTERS = ('steps', 'n_averaged')  # of averaged models


class Format(NamedTuple):
    """An origin of checkpoints.

    Attributes:
        name: short name.
        title: what `vitpose inspect` prints.
        marks: keys below the prefix of the ViT, all of which a file of this format has; the first finds the prefix.
        table: maps the ViT's names to ours; None if they are ours.
        grids: known grids of position tables.
        beside: pattern that a key of the whole file matches, '' for none; a ViT alone is recognised without it.
    """

    name: str
    title: str
    marks: tuple[str, ...]
    table: Table | None
    grids: tuple[Grid, ...]
    beside: str = ''


class Origin(NamedTuple):
    """A recognised format, where the ViT is ('' or a prefix ending with a dot), and the keys that say so."""

    format: Format
    prefix: str
    reason: str


_AUTHORS_BLOCK = 'blocks.0.norm1.weight'
_TRANSFORMERS_BLOCK = 'encoder.layer.0.layernorm_before.weight'
_OUR_BLOCK = 'layers.0.norm1.weight'
_EXPERT = 'mlp.experts.0.weight'
_PARTS = r'(.*\.)?associate_(keypoint_)?heads\.\d+\..*'

# the first match counts: a format stands before those whose marks are a part of its own
FORMATS = (
    Format('dinov2', 'DINOv2 (or timm with layer scale)', (_AUTHORS_BLOCK, 'blocks.0.ls1.gamma'), TIMM, IMAGE_GRIDS),
    Format(
        'dinov2-transformers',
        "transformers' Dinov2",
        ('encoder.layer.0.norm1.weight', 'encoder.layer.0.layer_scale1.lambda1'),
        DINOV2_TRANSFORMERS,
        IMAGE_GRIDS,
    ),
    Format(
        'mae-full', 'MAE, encoder and decoder', (_AUTHORS_BLOCK, 'decoder_blocks.0.norm1.weight'), AUTHORS, IMAGE_GRIDS
    ),
    Format('timm', 'timm ViT with classifier', (_AUTHORS_BLOCK, 'cls_token', 'head.weight'), TIMM, IMAGE_GRIDS),
    Format('mae', 'MAE encoder (or timm ViT without classifier)', (_AUTHORS_BLOCK, 'cls_token'), TIMM, IMAGE_GRIDS),
    Format(
        'authors-plus',
        "ViTPose's authors: ViTPose+ (easy_ViTPose has the same names)",
        (_AUTHORS_BLOCK, f'blocks.0.{_EXPERT}'),
        AUTHORS,
        POSE_GRIDS,
    ),
    Format(
        'authors-multi', "ViTPose's authors: several datasets", (_AUTHORS_BLOCK,), AUTHORS, POSE_GRIDS, beside=_PARTS
    ),
    Format('authors', "ViTPose's authors (easy_ViTPose has the same names)", (_AUTHORS_BLOCK,), AUTHORS, POSE_GRIDS),
    Format('mmpretrain', 'MMPretrain', ('layers.0.ln1.weight', 'cls_token'), MMPRETRAIN, IMAGE_GRIDS),
    Format('mmpose', "MMPose 1.x, with mmpretrain's backbone", ('layers.0.ln1.weight',), MMPRETRAIN, POSE_GRIDS),
    Format('vitmae', "transformers' ViTMAE", (f'vit.{_TRANSFORMERS_BLOCK}',), VITMAE, IMAGE_GRIDS),
    Format(
        'vit-transformers',
        "transformers' ViT",
        (_TRANSFORMERS_BLOCK, 'embeddings.cls_token'),
        TRANSFORMERS,
        IMAGE_GRIDS,
    ),
    Format(
        'transformers-plus',
        "transformers' VitPose+",
        (_TRANSFORMERS_BLOCK, f'encoder.layer.0.{_EXPERT}'),
        TRANSFORMERS,
        POSE_GRIDS,
    ),
    Format('transformers', "transformers' VitPose", (_TRANSFORMERS_BLOCK,), TRANSFORMERS, POSE_GRIDS),
    Format(
        'ours-mae',
        'vitpose_mm: masked autoencoder',
        (f'backbone.{_OUR_BLOCK}', 'decoder.pos_embed'),
        AUTOENCODER,
        IMAGE_GRIDS,
    ),
    Format('ours-plus', 'vitpose_mm: ViTPose+', (_OUR_BLOCK, 'layers.0.mlp.experts.weight'), None, POSE_GRIDS),
    Format(
        'ours-multi',
        'vitpose_mm: several datasets',
        (_OUR_BLOCK,),
        None,
        POSE_GRIDS,
        beside=r'(.*\.)?head\.heads\.[^.]+\..*',
    ),
    Format('ours', 'vitpose_mm', (_OUR_BLOCK,), None, POSE_GRIDS),
)


def recognise(weights: Mapping[str, Tensor], prefix: str | None = None) -> Origin | None:
    """Find out who wrote a state dict.

    Args:
        weights: of a whole model or of a ViT alone, unwrapped.
        prefix: of the ViT's keys, '' or ending with a dot; None searches it, and takes the shortest.

    Returns:
        None if no format matches.
    """
    for form in FORMATS:
        first, *others = form.marks
        found = (key[: -len(first)] for key in weights if key.endswith(first)) if prefix is None else iter([prefix])
        for where in sorted({at for at in found if at in ('', prefix) or at.endswith('.')}, key=len):
            keys = [where + mark for mark in (first, *others)]
            if not all(key in weights for key in keys):
                continue
            if form.beside:
                beside = next((key for key in weights if re.fullmatch(form.beside, key)), None)
                if beside is None:
                    continue
                keys.append(beside)
            return Origin(form, where, f'it has {" and ".join(keys)}')
    return None


def known_prefixes(weights: Iterable[str]) -> set[str]:
    """Prefixes below which there is a ViT of any format."""
    marks = {form.marks[0] for form in FORMATS if not form.marks[0].startswith(('vit.', 'backbone.'))}
    found = {key.removesuffix(mark) for key in weights for mark in marks if key.endswith(mark)}
    return {prefix for prefix in found if not prefix or prefix.endswith('.')}


def rename_vit(weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], Format | None]:
    """Rename the weights of a ViT alone to our names, and tell their format; unknown ones stay as they are.

    Raises:
        ValueError: the format is known, but some keys are not.
    """
    origin = recognise(weights, '')
    if origin is None or origin.format.table is None:
        return weights, origin and origin.format
    return rename(weights, origin.format.table), origin.format


def unwrap(content: Any) -> tuple[Any, str]:
    """Open the wrappers around a state dict: nested dicts, `module.` of DDP and `_orig_mod.` of torch.compile.

    Args:
        content: what a file holds.

    Returns:
        The state dict, with its `_metadata` if it has any, and the names of the opened wrappers.
    """
    opened = []
    while isinstance(content, dict):
        name = next((name for name in WRAPPERS if isinstance(content.get(name), dict) and content[name]), None)
        if name is None:
            break
        content = content[name]
        opened.append(name)
        if len(opened) > len(WRAPPERS):  # a dict that holds itself
            break
    if isinstance(content, dict):
        averaged = any('ema' in name for name in opened) or 'n_averaged' in content
        names = {key: bare_key(key) if isinstance(key, str) else key for key in content}
        names = {key: name for key, name in names.items() if not (averaged and name in COUNTERS)}
        if list(names) != list(names.values()) or len(names) < len(content):
            bare: OrderedDict = OrderedDict((name, content[key]) for key, name in names.items())
            metadata = getattr(content, '_metadata', {})
            bare._metadata = {bare_key(f'{key}.').rstrip('.'): own for key, own in metadata.items()}  # type: ignore
            opened += [
                mark for mark in ('module.', '_orig_mod.') if any(mark in key for key in names if key != names[key])
            ]
            content = bare
    return content, ', '.join(opened)
