"""Tables that map the weight names of other projects to ours, read in both directions.

`rename` reads a table from left to right: the first row that fits counts, and None drops a key on purpose.
`rename_back` reads it from right to left: of several rows with one of our names, the first counts.
`{n}` stands for a block's number, `{e}` for an expert's: experts are stacked. Neighbouring rows with one of our names
(query, key, value) are concatenated.
"""

import re
from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

Table = tuple[tuple[str, str | None], ...]


def _layers(theirs: str, ours: str, rows: Sequence[tuple[str, str]]) -> Table:
    return tuple((f'{theirs}.{{n}}.{left}', f'{ours}.{{n}}.{right}') for left, right in rows)


def _encoder(table: Table) -> Table:
    """What a ViT takes of a masked autoencoder's table."""
    return tuple(
        (theirs, None if ours is None or ours.startswith('decoder') else ours.removeprefix('backbone.'))
        for theirs, ours in table
    )


# facebookresearch's masked autoencoder
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

# timm's names: its ViTs, DINOv2's and MAE's; classifiers and norms that follow the pooling are of no use
TIMM: Table = (
    ('blocks.{n}.ls1.gamma', 'layers.{n}.attn.scale'),
    ('blocks.{n}.ls2.gamma', 'layers.{n}.mlp.scale'),
    ('blocks.{n}.mlp.experts.{e}', 'layers.{n}.mlp.experts'),
    *_encoder(MAE),
    ('register_tokens', 'register_tokens'),
    ('reg_token', 'register_tokens'),
    ('fc_norm', None),
    ('head', None),
)

# ViTPose's authors have the same, but for one name
AUTHORS: Table = (('last_norm', 'last_norm'), *TIMM)

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
)
_FFN = (('intermediate.dense', 'mlp.fc1'), ('output.dense', 'mlp.fc2'))
_VITPOSE_FFN = (('mlp.experts.{e}', 'mlp.experts'), ('mlp', 'mlp'))
_DINOV2 = (
    ('layer_scale1.lambda1', 'attn.scale'),
    ('layer_scale2.lambda1', 'mlp.scale'),
    ('norm1', 'norm1'),
    ('norm2', 'norm2'),
)

# transformers: VitPose, and what only ViT and Dinov2 have
TRANSFORMERS: Table = (
    ('embeddings.patch_embeddings.projection', 'patch_embed.proj'),
    ('embeddings.position_embeddings', 'pos_embed'),
    *_layers('encoder.layer', 'layers', (*_LAYER, *_VITPOSE_FFN, *_FFN, *_DINOV2)),
    ('layernorm', 'last_norm'),
    ('embeddings.cls_token', 'cls_token'),
    ('embeddings.register_tokens', 'register_tokens'),
    ('embeddings.mask_token', None),
)

TRANSFORMERS_HEAD: Table = (
    ('deconv1', 'deconv_layers.0'),
    ('batchnorm1', 'deconv_layers.1'),
    ('deconv2', 'deconv_layers.3'),
    ('batchnorm2', 'deconv_layers.4'),
    ('conv', 'final_layer'),
)

# transformers' ViTMAEForPreTraining
MAE_TRANSFORMERS: Table = (
    ('vit.embeddings.cls_token', 'cls_token'),
    ('vit.embeddings.patch_embeddings.projection', 'backbone.patch_embed.proj'),
    ('vit.embeddings.position_embeddings', 'backbone.pos_embed'),
    *_layers('vit.encoder.layer', 'backbone.layers', (*_LAYER, *_FFN)),
    ('vit.layernorm', 'backbone.last_norm'),
    ('decoder.mask_token', 'decoder.mask_token'),
    ('decoder.decoder_pos_embed', 'decoder.pos_embed'),
    ('decoder.decoder_embed', 'decoder.embed'),
    *_layers('decoder.decoder_layers', 'decoder.layers', (*_LAYER, *_FFN)),
    ('decoder.decoder_norm', 'decoder.norm'),
    ('decoder.decoder_pred', 'decoder.pred'),
)

# the ViT inside a ViTMAE, and inside our own masked autoencoder
VITMAE: Table = (*_encoder(MAE_TRANSFORMERS), ('decoder', None))
AUTOENCODER: Table = (('backbone', ''), ('cls_token', 'cls_token'), ('decoder', None))


def rename(weights: dict[str, Tensor], table: Table) -> tuple[dict[str, Tensor], list[str]]:
    """Rename weights by a table.

    Returns:
        The weights, those that the table does not list under their own name, and a message about each problem:
        unlisted keys, or experts whose numbers have a gap, which are left out.
    """
    patterns = [_pattern(theirs) for theirs, _ in table]
    renamed, problems, unknown = {}, [], []
    parts: dict[str, dict[tuple[int, int], Tensor]] = {}
    for key, value in weights.items():
        row, match = next(((row, m) for row, p in enumerate(patterns) if (m := p.fullmatch(key))), (0, None))
        if match is None:
            renamed[key] = value
            unknown.append(key)
        elif (ours := table[row][1]) is not None:
            groups = match.groupdict()
            name = (ours.replace('{n}', groups.get('n', '')) + (groups['rest'] or '')).lstrip('.')
            parts.setdefault(name, {})[row, int(groups.get('e', -1))] = value
    for name, found in parts.items():
        values, experts = [found[place] for place in sorted(found)], sorted(expert for _, expert in found)
        if experts[0] < 0:
            renamed[name] = torch.cat(values) if len(values) > 1 else values[0]
        elif experts == list(range(len(experts))):
            renamed[name] = torch.stack(values)
        else:
            problems.append(f'{name}: experts {", ".join(map(str, experts))}; expected 0 to {len(experts) - 1}')
    if unknown:
        keys = ', '.join(unknown[:5]) + (', ...' if len(unknown) > 5 else '')
        problems.append(
            f'the checkpoint has {len(unknown)} unknown keys: {keys}; remove them from the file, or load the model '
            'that they were trained with'
        )
    return renamed, problems


def rename_back(weights: dict[str, Tensor], table: Table) -> dict[str, Tensor]:
    """Rename our weights to the names of a table's left side; the inverse of `rename`.

    Raises:
        ValueError: a key that the table does not list.
    """
    rows = [(_pattern(ours), [row[0] for row in same]) for ours, same in groupby(table, lambda row: row[1]) if ours]
    renamed = {}
    for key, value in weights.items():
        match, names = next(((m, theirs) for pattern, theirs in rows if (m := pattern.fullmatch(key))), (None, ['']))
        if match is None:
            raise ValueError(f'{key} has no name in the other format')
        if '{e}' in names[0]:
            names = [names[0].replace('{e}', str(number)) for number in range(len(value))]
            values = value.unbind()
        else:
            values = value.chunk(len(names)) if len(names) > 1 else (value,)
        groups = match.groupdict()
        for name, part in zip(names, values, strict=True):
            renamed[name.replace('{n}', groups.get('n', '')) + (groups['rest'] or '')] = part
    return renamed


def _pattern(name: str) -> re.Pattern[str]:
    """Match a name of a table and all keys below it; groups: the numbers of block and expert, and the rest."""
    return re.compile(re.sub(r'\\\{([ne])\\\}', r'(?P<\1>\\d+)', re.escape(name)) + r'(?P<rest>\.\w+.*)?')


def take(state_dict: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Take the weights of one module out of a state dict, without their prefix ('' or ending with a dot)."""
    return {key[len(prefix) :]: state_dict.pop(key) for key in list(state_dict) if key.startswith(prefix)}


def bare_key(key: str) -> str:
    """A key without what DDP (`module.`) and torch.compile (`_orig_mod.`) add to it."""
    return re.sub(r'^(module\.)+', '', key.replace('_orig_mod.', ''))
