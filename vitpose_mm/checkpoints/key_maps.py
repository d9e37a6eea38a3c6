r"""Names of weights elsewhere, as tables: a pattern of their key, and ours.

None drops a key on purpose; a key no table lists is an error. `{n}` stands for a block's number.
Three keys that share one name of ours (query, key, value) are concatenated in the table's order.
"""

import re
from typing import Any

import torch
from torch import Tensor

Table = tuple[tuple[str, str | None], ...]

# ViTPose's authors and MAE: timm's names, with a cls token that never ran through the blocks
AUTHORS: Table = (
    ('patch_embed.proj', 'patch_embed.proj'),
    ('pos_embed', 'pos_embed'),
    ('blocks.{n}', 'layers.{n}'),
    ('norm', 'last_norm'),
    ('last_norm', 'last_norm'),
    ('cls_token', None),
    ('mask_token', None),
    ('decoder_pos_embed', None),
    ('decoder_embed', None),
    ('decoder_blocks', None),
    ('decoder_norm', None),
    ('decoder_pred', None),
)

# mmpretrain's VisionTransformer, which MMPose's own ViTPose configs use
MMPRETRAIN: Table = (
    ('patch_embed.projection', 'patch_embed.proj'),
    ('pos_embed', 'pos_embed'),
    ('layers.{n}.ln1', 'layers.{n}.norm1'),
    ('layers.{n}.attn.qkv', 'layers.{n}.attn.qkv'),
    ('layers.{n}.attn.proj', 'layers.{n}.attn.proj'),
    ('layers.{n}.ln2', 'layers.{n}.norm2'),
    ('layers.{n}.ffn.layers.0.0', 'layers.{n}.mlp.fc1'),
    ('layers.{n}.ffn.layers.1', 'layers.{n}.mlp.fc2'),
    ('ln1', 'last_norm'),
    ('cls_token', None),
)

TRANSFORMERS: Table = (
    ('embeddings.patch_embeddings.projection', 'patch_embed.proj'),
    ('embeddings.position_embeddings', 'pos_embed'),
    ('encoder.layer.{n}.layernorm_before', 'layers.{n}.norm1'),
    ('encoder.layer.{n}.attention.attention.query', 'layers.{n}.attn.qkv'),
    ('encoder.layer.{n}.attention.attention.key', 'layers.{n}.attn.qkv'),
    ('encoder.layer.{n}.attention.attention.value', 'layers.{n}.attn.qkv'),
    ('encoder.layer.{n}.attention.output.dense', 'layers.{n}.attn.proj'),
    ('encoder.layer.{n}.layernorm_after', 'layers.{n}.norm2'),
    ('encoder.layer.{n}.mlp.fc1', 'layers.{n}.mlp.fc1'),
    ('encoder.layer.{n}.mlp.fc2', 'layers.{n}.mlp.fc2'),
    ('encoder.layer.{n}.mlp.experts', 'layers.{n}.mlp.experts'),
    ('layernorm', 'last_norm'),
)

TRANSFORMERS_HEAD: Table = (
    ('deconv1', 'deconv_layers.0'),
    ('batchnorm1', 'deconv_layers.1'),
    ('deconv2', 'deconv_layers.3'),
    ('batchnorm2', 'deconv_layers.4'),
    ('conv', 'final_layer'),
)

# the key that only this origin has
ORIGINS = {
    'blocks.0.norm1.weight': AUTHORS,
    'layers.0.ln1.weight': MMPRETRAIN,
    'encoder.layer.0.layernorm_before.weight': TRANSFORMERS,
}


def rename(weights: dict[str, Tensor], table: Table) -> dict[str, Tensor]:
    """Rename weights by a table.

    Raises:
        ValueError: keys that the table does not list.
    """
    patterns = [
        (re.compile(re.escape(theirs).replace(r'\{n\}', r'(\d+)') + r'(\.\w+.*)?'), ours) for theirs, ours in table
    ]
    parts: dict[str, list[tuple[int, Tensor]]] = {}
    unknown = []
    for key, value in weights.items():
        for position, (pattern, ours) in enumerate(patterns):
            match = pattern.fullmatch(key)
            if match is None:
                continue
            if ours is not None:
                *number, rest = match.groups()
                name = ours.replace('{n}', number[0] if number else '') + (rest or '')
                parts.setdefault(name, []).append((position, value))
            break
        else:
            unknown.append(key)
    if unknown:
        raise ValueError(
            f'the checkpoint has {len(unknown)} keys that belong to no part of the model: '
            f'{", ".join(unknown[:5])}{", ..." if len(unknown) > 5 else ""}; remove them from the file, '
            'or load the model they were trained with'
        )
    return {
        name: torch.cat([value for _, value in sorted(found, key=lambda pair: pair[0])])
        if len(found) > 1
        else found[0][1]
        for name, found in parts.items()
    }


def _under(state_dict: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in state_dict.items() if key.startswith(prefix)}


def _replace(state_dict: dict[str, Tensor], prefix: str, weights: dict[str, Tensor]) -> None:
    for key in _under(state_dict, prefix):
        del state_dict[prefix + key]
    state_dict.update({prefix + key: value for key, value in weights.items()})


def rename_backbone(state_dict: dict[str, Tensor], prefix: str) -> None:
    """Give a backbone's weights our names, in place, whoever wrote them.

    MAE's files hold the weights under 'model'; of such wrappers MMEngine opens 'state_dict' alone.

    Args:
        state_dict: keys of any origin.
        prefix: of the backbone's keys in it, '' or ending with a dot.

    Raises:
        ValueError: the origin is known and keys are left over.
    """
    wrapped: Any = state_dict.get('model')
    if not prefix and isinstance(wrapped, dict):
        state_dict.clear()
        state_dict.update(wrapped)
    weights = _under(state_dict, prefix)
    for mark, table in ORIGINS.items():
        if mark in weights:
            _replace(state_dict, prefix, rename(weights, table))


def rename_head(state_dict: dict[str, Tensor], prefix: str) -> None:
    """Give a decoder's weights MMPose's names, in place; MMPose renames the authors' itself.

    Args:
        state_dict: keys of any origin.
        prefix: of the head's keys in it, '' or ending with a dot.

    Raises:
        ValueError: it is a decoder of transformers with keys left over.
    """
    weights = _under(state_dict, prefix)
    if 'conv.weight' in weights:
        _replace(state_dict, prefix, rename(weights, TRANSFORMERS_HEAD))
