"""Tables that map the weight names of other projects to ours.

None drops a key on purpose; a key that the table does not list is an error. `{n}` stands for a
block's number. Keys that share one of our names (query, key, value) are concatenated in the table's order.
"""

import re

import torch
from torch import Tensor

Table = tuple[tuple[str, str | None], ...]

# ViTPose's authors and MAE: timm's names. What becomes of the cls token depends on the model that loads it
AUTHORS: Table = (
    ('patch_embed.proj', 'patch_embed.proj'),
    ('pos_embed', 'pos_embed'),
    ('blocks.{n}', 'layers.{n}'),
    ('last_norm', 'last_norm'),
    ('norm', 'last_norm'),
    ('cls_token', 'cls_token'),
    ('mask_token', None),
    ('decoder_pos_embed', None),
    ('decoder_embed', None),
    ('decoder_blocks', None),
    ('decoder_norm', None),
    ('decoder_pred', None),
)

# what the authors' ViTPose has, for writing
OFFICIAL = tuple(row for row in AUTHORS if row[1] not in (None, 'cls_token') and row[0] != 'norm')

# timm's ViTs and DINOv2's; heads and norms that follow the pooling are of no use
TIMM: Table = (
    ('patch_embed.proj', 'patch_embed.proj'),
    ('pos_embed', 'pos_embed'),
    ('blocks.{n}.ls1.gamma', 'layers.{n}.attn.scale'),
    ('blocks.{n}.ls2.gamma', 'layers.{n}.mlp.scale'),
    ('blocks.{n}', 'layers.{n}'),
    ('norm', 'last_norm'),
    ('cls_token', 'cls_token'),
    ('register_tokens', 'register_tokens'),
    ('reg_token', 'register_tokens'),
    ('mask_token', None),
    ('fc_norm', None),
    ('head', None),
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
    ('cls_token', 'cls_token'),
)

# a block of transformers' ViTs
_LAYER = (
    ('layernorm_before', 'norm1'),
    ('attention.attention.query', 'attn.qkv'),
    ('attention.attention.key', 'attn.qkv'),
    ('attention.attention.value', 'attn.qkv'),
    ('attention.output.dense', 'attn.proj'),
    ('layernorm_after', 'norm2'),
    ('intermediate.dense', 'mlp.fc1'),
    ('output.dense', 'mlp.fc2'),
    ('mlp', 'mlp'),  # VitPose's
)

# VitPose, and the encoder of ViTMAE
TRANSFORMERS: Table = (
    ('embeddings.patch_embeddings.projection', 'patch_embed.proj'),
    ('embeddings.position_embeddings', 'pos_embed'),
    ('embeddings.cls_token', 'cls_token'),
    *((f'encoder.layer.{{n}}.{theirs}', f'layers.{{n}}.{ours}') for theirs, ours in _LAYER),
    ('layernorm', 'last_norm'),
)

# what VitPose has of it, for writing
VITPOSE = tuple(row for row in TRANSFORMERS if not row[0].endswith(('intermediate.dense', 'n}.output.dense', '_token')))

# Dinov2 and Dinov2WithRegisters
DINOV2_TRANSFORMERS: Table = (
    ('embeddings.patch_embeddings.projection', 'patch_embed.proj'),
    ('embeddings.position_embeddings', 'pos_embed'),
    ('embeddings.cls_token', 'cls_token'),
    ('embeddings.register_tokens', 'register_tokens'),
    ('embeddings.mask_token', None),
    ('encoder.layer.{n}.layer_scale1.lambda1', 'layers.{n}.attn.scale'),
    ('encoder.layer.{n}.layer_scale2.lambda1', 'layers.{n}.mlp.scale'),
    ('encoder.layer.{n}.norm1', 'layers.{n}.norm1'),
    ('encoder.layer.{n}.norm2', 'layers.{n}.norm2'),
    *(
        (f'encoder.layer.{{n}}.{theirs}', f'layers.{{n}}.{ours}')
        for theirs, ours in _LAYER
        if theirs[:9] == 'attention'
    ),
    ('encoder.layer.{n}.mlp', 'layers.{n}.mlp'),
    ('layernorm', 'last_norm'),
)

TRANSFORMERS_HEAD: Table = (
    ('deconv1', 'deconv_layers.0'),
    ('batchnorm1', 'deconv_layers.1'),
    ('deconv2', 'deconv_layers.3'),
    ('batchnorm2', 'deconv_layers.4'),
    ('conv', 'final_layer'),
)

# a masked autoencoder of facebookresearch's MAE
MAE: Table = (
    ('cls_token', 'cls_token'),
    ('patch_embed.proj', 'backbone.patch_embed.proj'),
    ('pos_embed', 'backbone.pos_embed'),
    ('blocks.{n}', 'backbone.layers.{n}'),
    ('norm', 'backbone.last_norm'),
    ('mask_token', 'decoder.mask_token'),
    ('decoder_pos_embed', 'decoder.pos_embed'),
    ('decoder_embed', 'decoder.embed'),
    ('decoder_blocks.{n}', 'decoder.layers.{n}'),
    ('decoder_norm', 'decoder.norm'),
    ('decoder_pred', 'decoder.pred'),
)

# transformers' ViTMAEForPreTraining
MAE_TRANSFORMERS: Table = (
    ('vit.embeddings.cls_token', 'cls_token'),
    ('vit.embeddings.patch_embeddings.projection', 'backbone.patch_embed.proj'),
    ('vit.embeddings.position_embeddings', 'backbone.pos_embed'),
    *((f'vit.encoder.layer.{{n}}.{theirs}', f'backbone.layers.{{n}}.{ours}') for theirs, ours in _LAYER),
    ('vit.layernorm', 'backbone.last_norm'),
    ('decoder.mask_token', 'decoder.mask_token'),
    ('decoder.decoder_pos_embed', 'decoder.pos_embed'),
    ('decoder.decoder_embed', 'decoder.embed'),
    *((f'decoder.decoder_layers.{{n}}.{theirs}', f'decoder.layers.{{n}}.{ours}') for theirs, ours in _LAYER),
    ('decoder.decoder_norm', 'decoder.norm'),
    ('decoder.decoder_pred', 'decoder.pred'),
)

# the ViT inside a ViTMAE
VITMAE: Table = (*((f'vit.{theirs}', ours) for theirs, ours in TRANSFORMERS), ('decoder', None))

# the ViT inside our own masked autoencoder
AUTOENCODER: Table = (
    ('backbone.patch_embed', 'patch_embed'),
    ('backbone.pos_embed', 'pos_embed'),
    ('backbone.layers.{n}', 'layers.{n}'),
    ('backbone.last_norm', 'last_norm'),
    ('cls_token', 'cls_token'),
    ('decoder', None),
)


def rename(weights: dict[str, Tensor], table: Table) -> dict[str, Tensor]:
    """Rename weights by a table.

    Raises:
        ValueError: keys that the table does not list.
    """
    patterns = [(_pattern(theirs), ours) for theirs, ours in table]
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
            f'the checkpoint has {len(unknown)} unknown keys: {", ".join(unknown[:5])}'
            f'{", ..." if len(unknown) > 5 else ""}; remove them from the file, or load the model that they were '
            'trained with'
        )
    return {
        name: torch.cat([value for _, value in sorted(found, key=lambda pair: pair[0])])
        if len(found) > 1
        else found[0][1]
        for name, found in parts.items()
    }


def rename_back(weights: dict[str, Tensor], table: Table) -> dict[str, Tensor]:
    """Rename our weights to the names of a table's left side; the inverse of `rename`.

    Weights with several names there (query, key, value) are cut into equal parts.

    Raises:
        ValueError: a key that the table does not list.
    """
    names: dict[str, list[str]] = {}
    for theirs, ours in table:
        if ours is not None:
            names.setdefault(ours, []).append(theirs)
    patterns = [(_pattern(ours), theirs) for ours, theirs in names.items()]
    renamed = {}
    for key, value in weights.items():
        match, others = next(((m, theirs) for pattern, theirs in patterns if (m := pattern.fullmatch(key))), (None, []))
        if match is None:
            raise ValueError(f'{key} has no name in the other format')
        *number, rest = match.groups()
        for theirs, part in zip(others, value.chunk(len(others)) if len(others) > 1 else [value], strict=True):
            renamed[theirs.replace('{n}', number[0] if number else '') + (rest or '')] = part
    return renamed


def _pattern(name: str) -> re.Pattern[str]:
    """Match a name of a table and all keys below it; groups: the block's number, if the name has one, and the rest."""
    return re.compile(re.escape(name).replace(r'\{n\}', r'(\d+)') + r'(\.\w+.*)?')


def take(state_dict: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Take the weights of one module out of a state dict, without their prefix ('' or ending with a dot)."""
    return {key[len(prefix) :]: state_dict.pop(key) for key in list(state_dict) if key.startswith(prefix)}


def bare_key(key: str) -> str:
    """A key without what DDP (`module.`) and torch.compile (`_orig_mod.`) add to it."""
    key = key.replace('_orig_mod.', '')
    while key.startswith('module.'):
        key = key.removeprefix('module.')
    return key


def rename_head(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a decoder of transformers to MMPose's names; MMPose renames the authors' decoders itself.

    Args:
        weights: of the decoder alone.

    Raises:
        ValueError: it is a decoder of transformers with unknown keys.
    """
    return rename(weights, TRANSFORMERS_HEAD) if 'conv.weight' in weights else weights
