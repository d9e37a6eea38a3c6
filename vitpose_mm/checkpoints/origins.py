"""Recognize who wrote a checkpoint by the names of its weights; load hooks, inspect and conversion use `FORMATS`."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from . import key_maps as maps
from .adaptation import Grid

# position tables: the grids (Hp, Wp) that files of a format are known to have
POSE_GRIDS = ((16, 12), (24, 18), (36, 27), (8, 6), (16, 16), (24, 24), (14, 14), (32, 24), (48, 36), (72, 54))
IMAGE_GRIDS = ((14, 14), (24, 24), (16, 16), (32, 32), (37, 37), (28, 28))  # 224, 384, ... pixels; 518 / 14

# A file of MMEngine, timm, MAE, easy_ViTPose or DeepSpeed holds its weights under one of these keys, or without a key.
# MMEngine's 'state_dict' holds the averaged weights if there are any; timm's does not.
WRAPPERS = ('state_dict_ema', 'state_dict', 'model_ema', 'model', 'module', 'ema_state_dict')


class Format(NamedTuple):
    """An origin of checkpoints."""

    name: str
    title: str  # what `vitpose inspect` prints
    marks: tuple[str, ...]  # keys below the ViT's prefix that all such files have; the first finds the prefix
    table: maps.Table | None  # maps the ViT's names to ours; None if they are ours
    grids: tuple[Grid, ...] = IMAGE_GRIDS
    autoencoder: maps.Table | None = None  # maps a masked autoencoder's names to ours


class Origin(NamedTuple):
    """A recognized format, the ViT's prefix ('' or ending with a dot), and the keys by which it was recognized."""

    format: Format
    prefix: str
    reason: str


_TIMM, _HF, _OUR = 'blocks.0.norm1.weight', 'encoder.layer.0.layernorm_before.weight', 'layers.0.norm1.weight'
_MAE_DECODER, _AUTHORS = 'decoder_blocks.0.norm1.weight', "ViTPose's authors (easy_ViTPose has the same names)"
_HF_DINOV2 = ('encoder.layer.0.norm1.weight', 'encoder.layer.0.layer_scale1.lambda1')

# the first match counts: a format comes before those whose marks are a subset of its own
FORMATS = (
    Format('dinov2', 'DINOv2 (or timm with layer scale)', (_TIMM, 'blocks.0.ls1.gamma'), maps.TIMM),
    Format('dinov2-transformers', "transformers' Dinov2", _HF_DINOV2, maps.TRANSFORMERS),
    Format('mae-full', 'MAE, encoder and decoder', (_TIMM, _MAE_DECODER), maps.TIMM, autoencoder=maps.MAE),
    Format('timm', 'timm ViT with classifier', (_TIMM, 'cls_token', 'head.weight'), maps.TIMM),
    Format('mae', 'MAE encoder (or timm ViT without classifier)', (_TIMM, 'cls_token'), maps.TIMM),
    Format('authors', _AUTHORS, (_TIMM,), maps.AUTHORS, POSE_GRIDS),
    Format('mmpretrain', 'MMPretrain', ('layers.0.ln1.weight', 'cls_token'), maps.MMPRETRAIN),
    Format('mmpose', "MMPose 1.x, with mmpretrain's backbone", ('layers.0.ln1.weight',), maps.MMPRETRAIN, POSE_GRIDS),
    Format('vitmae', "transformers' ViTMAE", (f'vit.{_HF}',), maps.VITMAE, autoencoder=maps.MAE_TRANSFORMERS),
    Format('vit-transformers', "transformers' ViT", (_HF, 'embeddings.cls_token'), maps.TRANSFORMERS),
    Format('transformers', "transformers' VitPose", (_HF,), maps.TRANSFORMERS, POSE_GRIDS),
    Format('ours-mae', 'vitpose_mm: masked autoencoder', (f'backbone.{_OUR}', 'decoder.pos_embed'), maps.AUTOENCODER),
    Format('ours', 'vitpose_mm', (_OUR,), None, POSE_GRIDS),
)


def recognize(weights: Mapping[str, Tensor], prefix: str | None = None) -> Origin | None:
    """Find out who wrote an unwrapped state dict of a whole model or of a ViT alone; None if no format matches.

    `prefix` is that of the ViT's keys, '' or ending with a dot; None searches for it, and uses the shortest.
    """
    for form in FORMATS:
        first = form.marks[0]
        prefixes = [key[: -len(first)] for key in weights if key.endswith(first)] if prefix is None else [prefix]
        for candidate in sorted((p for p in prefixes if p in ('', prefix) or p.endswith('.')), key=len):
            keys = [candidate + mark for mark in form.marks]
            if all(key in weights for key in keys):
                return Origin(form, candidate, f'it has {" and ".join(keys)}')
    return None


def usual_num_heads(form: Format, width: int) -> int | None:
    """Return the number of attention heads of all of a format's ViTs of this width, None if they differ."""
    same = form.name in ('timm', 'dinov2', 'dinov2-transformers', 'vit-transformers') and width % 64 == 0
    return (16 if width in (1280, 1408, 1664) else width // 64) if same else None


def rename_vit(weights: maps.Weights) -> tuple[maps.Weights, Format | None, list[str]]:
    """Rename the weights of a ViT alone to our names; return them, their format if known, and `rename`'s problems."""
    origin = recognize(weights, '')
    if origin is None or origin.format.table is None:
        return weights, origin and origin.format, []
    renamed, problems = maps.rename(weights, origin.format.table)
    return renamed, origin.format, problems


def unwrap(content: Any) -> tuple[Any, str]:
    """Remove all wrappers around a state dict, DDP's and torch.compile's too; return it and the wrappers' names."""
    if not isinstance(content, dict):
        return content, ''
    opened: list[str] = []
    for _ in WRAPPERS:  # a dict may contain itself
        for name in [name for name in WRAPPERS if isinstance(content.get(name), dict) and content[name]][:1]:
            content = content[name]
            opened.append(name)
    averaged = any('ema' in name for name in opened) or 'n_averaged' in content
    names = {key: maps.bare_key(key) if isinstance(key, str) else key for key in content}
    dropped = ('steps', 'n_averaged') if averaged else ()
    bare: Any = OrderedDict((name, content[key]) for key, name in names.items() if name not in dropped)
    metadata = getattr(content, '_metadata', None) or {}
    bare._metadata = {maps.bare_key(f'{key}.').rstrip('.'): value for key, value in metadata.items()}
    changed = [key for key, name in names.items() if key != name]
    opened += [mark for mark in ('module.', '_orig_mod.') if any(mark in key for key in changed)]
    return bare, ', '.join(opened)
