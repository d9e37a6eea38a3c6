"""Tables that map the weight names of other projects to ours, read in both directions.

`rename` reads left to right: the first matching row counts, None drops a key on purpose. `rename_back` reads right to
left: the first row with one of our names counts. `{n}` stands for the index of a block, `{e}` for that of an expert;
experts are stacked. Neighboring rows with the same name on our side (query, key, value) are concatenated.
"""

import re
from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor

Weights = dict[str, Tensor]
Log = Callable[[str], object]  # called with each change
Rows = tuple[tuple[str, str], ...]
Table = tuple[tuple[str, str | None], ...]


def _with_prefixes(theirs: str, ours: str, rows: Rows) -> Rows:
    """Add a prefix to either side of rows; the cls token of a masked autoencoder keeps its name."""
    return tuple((theirs + left, right if right == 'cls_token' else ours + right) for left, right in rows)


def _unchanged(*names: str) -> Rows:
    return tuple((name, name) for name in names)


# common to the ViTs of timm, DINOv2 and MAE, and MAE's decoder
_TIMM = (*_unchanged('cls_token', 'pos_embed', 'patch_embed.proj'), ('blocks.{n}', 'layers.{n}'), ('norm', 'last_norm'))
_DECODER = _with_prefixes('decoder_', 'decoder.', _unchanged('pos_embed', 'embed', 'norm', 'pred'))
_MAE_DECODER = (('mask_token', 'decoder.mask_token'), *_DECODER)

# facebookresearch's masked autoencoder
MAE: Table = (*_with_prefixes('', 'backbone.', _TIMM), *_MAE_DECODER, ('decoder_blocks.{n}', 'decoder.layers.{n}'))

# drops classifiers, norms after pooling and decoders of masked autoencoders
TIMM: Table = (
    ('blocks.{n}.ls1.gamma', 'layers.{n}.attn.scale'),
    ('blocks.{n}.ls2.gamma', 'layers.{n}.mlp.scale'),
    ('blocks.{n}.mlp.experts.{e}', 'layers.{n}.mlp.experts'),
    *_TIMM,
    *_unchanged('register_tokens'),
    ('reg_token', 'register_tokens'),
    *((theirs, None) for theirs, ours in MAE if str(ours).startswith('decoder')),
    ('fc_norm', None),
    ('head', None),
)

# ViTPose's authors: the same except for one name
AUTHORS: Table = (('last_norm', 'last_norm'), *TIMM)

# mmpretrain's VisionTransformer, which MMPose's own ViTPose configs use
_MMPRETRAIN_BLOCK = (('ln1', 'norm1'), ('ln2', 'norm2'), ('ffn.layers.0.0', 'mlp.fc1'), ('ffn.layers.1', 'mlp.fc2'))
MMPRETRAIN: Table = (
    *_unchanged('cls_token', 'pos_embed', 'layers.{n}.attn'),
    ('patch_embed.projection', 'patch_embed.proj'),
    *_with_prefixes('layers.{n}.', 'layers.{n}.', _MMPRETRAIN_BLOCK),
    ('ln1', 'last_norm'),
)

# a block of transformers' ViTs
_QKV = tuple((f'attention.attention.{part}', 'attn.qkv') for part in ('query', 'key', 'value'))
_NORMS_AND_PROJ = (('layernorm_before', 'norm1'), ('layernorm_after', 'norm2'), ('attention.output.dense', 'attn.proj'))
_BLOCK = (*_QKV, *_NORMS_AND_PROJ, ('intermediate.dense', 'mlp.fc1'), ('output.dense', 'mlp.fc2'))
_VITPOSE_BLOCK = (('mlp.experts.{e}', 'mlp.experts'), *_unchanged('mlp'))
_DINOV2_SCALES = (('layer_scale1.lambda1', 'attn.scale'), ('layer_scale2.lambda1', 'mlp.scale'))
_DINOV2_BLOCK = (*_DINOV2_SCALES, *_unchanged('norm1', 'norm2'))

# common to all ViTs of transformers
_VIT = (
    ('embeddings.cls_token', 'cls_token'),
    ('embeddings.patch_embeddings.projection', 'patch_embed.proj'),
    ('embeddings.position_embeddings', 'pos_embed'),
    *_with_prefixes('encoder.layer.{n}.', 'layers.{n}.', _BLOCK),
    ('layernorm', 'last_norm'),
)

# transformers' VitPose, and names that only its ViT and Dinov2 have
TRANSFORMERS: Table = (
    *_with_prefixes('encoder.layer.{n}.', 'layers.{n}.', _VITPOSE_BLOCK),
    *_VIT,
    *_with_prefixes('encoder.layer.{n}.', 'layers.{n}.', _DINOV2_BLOCK),
    ('embeddings.register_tokens', 'register_tokens'),
    ('embeddings.mask_token', None),
    ('pooler', None),
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
    *_with_prefixes('vit.', 'backbone.', _VIT),
    *_with_prefixes('decoder.', '', _MAE_DECODER),
    *_with_prefixes('decoder.decoder_layers.{n}.', 'decoder.layers.{n}.', _BLOCK),
)

# the ViT inside a ViTMAE, and inside our own masked autoencoder
VITMAE: Table = (*_with_prefixes('vit.', '', _VIT), ('decoder', None))
AUTOENCODER: Table = (('backbone', ''), ('cls_token', 'cls_token'), ('decoder', None))


def rename(weights: Weights, table: Table) -> tuple[Weights, list[str]]:
    """Rename weights by a table; return messages about unlisted keys, which stay, and missing experts, which do not."""
    patterns = [_pattern(theirs) for theirs, _ in table]
    renamed, problems, unknown = {}, [], []
    parts: dict[str, dict[tuple[int, int], Tensor]] = {}
    for key, value in weights.items():
        row, match = next(((row, m) for row, p in enumerate(patterns) if (m := p.fullmatch(key))), (0, None))
        if match is None:
            renamed[key] = value
            unknown.append(key)
        elif (ours := table[row][1]) is not None:
            name = _fill(ours, match).lstrip('.')
            parts.setdefault(name, {})[row, int(match.groupdict().get('e', -1))] = value
    for name, rows in parts.items():
        values, experts = [rows[index] for index in sorted(rows)], sorted(expert for _, expert in rows)
        if experts[0] < 0:
            renamed[name] = torch.cat(values) if len(values) > 1 else values[0]
        elif experts == list(range(len(experts))):
            renamed[name] = torch.stack(values)
        else:
            problems.append(f'{name}: experts {", ".join(map(str, experts))}; expected 0 to {len(experts) - 1}')
    if unknown:
        fix = 'remove them from the file, or load the model that they were trained with'
        problems.append(f'the checkpoint has {len(unknown)} unknown keys: {first_keys(unknown, 5)}; {fix}')
    return renamed, problems


def rename_back(weights: Weights, table: Table) -> Weights:
    """Rename our weights to the left side of a table, the inverse of `rename`. ValueError for an unlisted key."""
    rows = [(_pattern(ours), [row[0] for row in group]) for ours, group in groupby(table, lambda row: row[1]) if ours]
    renamed: Weights = {}
    for key, value in weights.items():
        match, names = next(((m, theirs) for pattern, theirs in rows if (m := pattern.fullmatch(key))), (None, ['']))
        if match is None or '.rel_pos.' in key:  # only we have these, below the attention of a block
            raise ValueError(f'{key} has no name in the other format')
        if '{e}' in names[0]:
            names = [names[0].replace('{e}', str(number)) for number in range(len(value))]
            values = value.unbind()
        else:
            values = value.chunk(len(names)) if len(names) > 1 else (value,)
        renamed |= {_fill(name, match): part for name, part in zip(names, values, strict=True)}
    return renamed


def _pattern(name: str) -> re.Pattern[str]:
    """Match a name in a table and all keys below it; the groups are the indices of block and expert, and the rest."""
    return re.compile(re.sub(r'\\\{([ne])\\\}', r'(?P<\1>\\d+)', re.escape(name)) + r'(?P<rest>\.\w+.*)?')


def _fill(name: str, match: re.Match[str]) -> str:
    """Fill a name with the index and the rest of a matched key."""
    return name.replace('{n}', match.groupdict().get('n', '')) + (match['rest'] or '')


def pop_prefix(state_dict: Weights, prefix: str) -> Weights:
    """Remove the weights of one module from a state dict; return them without the prefix ('' or ending with a dot)."""
    return {key[len(prefix) :]: state_dict.pop(key) for key in list(state_dict) if key.startswith(prefix)}


def bare_key(key: str) -> str:
    """Strip what DDP (`module.`) and torch.compile (`_orig_mod.`) add to a key."""
    return re.sub(r'^(module\.)+', '', key.replace('_orig_mod.', ''))


def first_keys(keys: Sequence[str], count: int = 3) -> str:
    """List the first keys, for a message."""
    return ', '.join(keys[:count]) + (', ...' if len(keys) > count else '')
