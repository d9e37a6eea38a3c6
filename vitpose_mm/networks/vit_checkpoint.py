"""How a ViT loads a checkpoint: rename its keys, resize its tensors, store what does not fit."""

import logging
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..checkpoints.adaptation import Grid, fit_pos_embed, fold_layer_scale, pad_kernel, resize_rel_pos
from ..checkpoints.experts_and_decoders import AUTHORS_ORDER, rename_experts
from ..checkpoints.key_maps import pop_prefix
from ..checkpoints.origins import POSE_GRIDS, Format, rename_vit, unwrap, usual_num_heads
from ..checkpoints.validation import store_load_problem
from ..layers import KnowledgeToken, PatchEmbed
from ..layers.patch_embed import PADDING
from ..logs import log

PATCH_KERNEL = 'patch_embed.proj.weight'
TOKENS = 'knowledge_token.tokens'
HALF_PRECISION = (torch.float16, torch.bfloat16)


class LoadingViT(Protocol):
    """What a checkpoint is adapted to: attributes of `ViT`."""

    depth: int
    embed_dim: int
    grid: Grid
    layers: nn.ModuleList
    patch_embed: PatchEmbed
    pos_embed: nn.Parameter
    last_norm: nn.LayerNorm
    experts: tuple[str, ...]
    expert_dim: int
    new_from: str | None
    knowledge_token: KnowledgeToken | None
    token_file: str | None
    init_blocks: str | None
    pretrain_img_size: tuple[int, int] | None

    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102
    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...  # noqa: D102


def adapt_to_vit(
    vit: LoadingViT, state_dict: dict[str, Tensor], prefix: str, metadata: dict | None = None, *_: object
) -> None:
    """Rename a checkpoint's keys and resize its tensors for a ViT, in place; the pre-hook of its `load_state_dict`.

    A checkpoint is never refused here: what cannot be adapted stays unchanged, so that torch reports it, and
    `store_load_problem` stores why. A missing last norm is accepted only from the file of a backbone that was
    pre-trained without one: the norm then starts untrained, and this is logged.

    `prefix` is that of the ViT's keys, '' or ending with a dot. `metadata` is what `add_vit_metadata` added: 'grid' of
    the position table, 'experts' by name, 'num_heads'.
    """
    popped = pop_prefix(state_dict, prefix)
    weights, form, problems = rename_vit(popped if prefix else unwrap(popped)[0])
    if not any(key in weights for key in vit.state_dict()):
        keys = f'its keys begin with {", ".join(sorted(weights)[:3])}, ...' if weights else 'none has this prefix'
        store_load_problem(vit, weights, [f'no checkpoint key matches {prefix or "this ViT"}: {keys}'])
        state_dict.update({prefix + key: value for key, value in weights.items()})
        return
    recorded = {**getattr(vit, 'recorded', {}), **(metadata or {})}
    dtype = vit.pos_embed.dtype  # adapting in the half precision of a file would round
    weights = {key: value.to(dtype) if value.dtype in HALF_PRECISION else value for key, value in weights.items()}
    whole = PATCH_KERNEL in weights  # else a part of a ViT, such as an adapter's
    if whole:
        problems += _fit_size(vit, weights) + _find_head_problems(vit, form, recorded.get('num_heads'))
    experts = recorded.get('experts') or (AUTHORS_ORDER if form is not None and form.table is not None else ())
    grids = possible_grids(vit, form, recorded.get('grid'), weights[PATCH_KERNEL].shape[2] if whole else 16)
    fold_layer_scale(weights, log)
    try:
        weights = rename_experts(weights, vit.experts, vit.expert_dim, log, experts, vit.new_from)
    except ValueError as problem:
        problems.append(str(problem))
    try:
        if whole:
            weights[PATCH_KERNEL] = pad_kernel(weights[PATCH_KERNEL], vit.patch_embed.patch_size, log)
    except ValueError as problem:
        problems.append(str(problem))
    try:
        if 'pos_embed' in weights:
            fit_pos_embed(weights, 'pos_embed', vit.grid, grids, log)
    except ValueError as problem:
        problems.append(str(problem))
        if weights['pos_embed'].shape == vit.pos_embed.shape:  # torch would load it
            del weights['pos_embed']
    problems += _convert_tokens(vit, weights)
    _fit_rel_pos(vit, weights, whole)
    optional = ['knowledge_token.']
    if not prefix and whole and 'last_norm.weight' not in weights:
        optional.append('last_norm.')
        log('the checkpoint has no last norm: it starts with weight 1 and bias 0')
    store_load_problem(vit, weights, problems, tuple(optional))
    state_dict.update({prefix + key: value for key, value in weights.items()})


def add_vit_metadata(vit: nn.Module, state_dict: dict, prefix: str, metadata: dict) -> None:
    """Add what the weights do not tell to a state dict's metadata; the hook of a model's `state_dict`."""
    metadata['grid'] = vit.grid
    if hasattr(vit, 'layers'):  # an autoencoder has none
        metadata['num_heads'] = _num_heads(vit)
    if getattr(vit, 'experts', ()):
        metadata['experts'] = tuple(vit.experts)  # type: ignore[arg-type]


def _fit_size(vit: LoadingViT, weights: dict[str, Tensor]) -> list[str]:
    """Drop surplus blocks in place with `init_blocks`; return a message for a different width or depth."""
    norm = weights.get('last_norm.weight')
    width = vit.embed_dim if norm is None else len(norm)
    blocks = {key: int(key.split('.')[1]) for key in weights if key.startswith('layers.')}
    depth = len(set(blocks.values()))
    if vit.init_blocks == 'first' and depth > vit.depth:
        for key in [key for key, block in blocks.items() if block >= vit.depth]:
            del weights[key]
        weights['last_norm.weight'] = torch.ones_like(vit.last_norm.weight)
        weights['last_norm.bias'] = torch.zeros_like(vit.last_norm.bias)
        log(
            f"using the first {vit.depth} of the checkpoint's {depth} blocks; the last norm, which belongs to its last "
            'block, starts with weight 1 and bias 0'
        )
        depth = vit.depth
    first = "take its first blocks with ViT(init_blocks='first')"
    return [
        f'the checkpoint has {name} {theirs}, this model {ours}: choose the arch that the checkpoint was trained with, '
        f'or {first if name == "depth" and theirs > ours else "another checkpoint"}'
        for name, theirs, ours in (('width', width, vit.embed_dim), ('depth', depth, vit.depth))
        if theirs != ours
    ]


def possible_grids(vit: LoadingViT, form: Format | None, recorded: Grid | None, patch: int = 16) -> list[Grid]:
    """Return grids that a position table may have: the recorded, else the configured, else its format's usual ones."""
    if recorded:
        return [recorded]
    if vit.pretrain_img_size:  # at any stride that these patches can have
        height, width = vit.pretrain_img_size
        return [(height // stride, width // stride) for stride in PADDING.get(patch, (patch,))]
    return [vit.grid, *(POSE_GRIDS if form is None else form.grids)]


def _num_heads(vit: Any) -> int:
    return vit.layers[0].attn.num_heads


def _find_head_problems(vit: LoadingViT, form: Format | None, recorded: int | None) -> list[str]:
    """Return a message if the recorded number of attention heads, or DINOv2's, differs; warn of a usual one."""
    count, width, usual = _num_heads(vit), vit.embed_dim, form and usual_num_heads(form, vit.embed_dim)
    arch = f'set arch=dict(depth={vit.depth}, embed_dim={width}, num_heads={recorded or usual})'
    if recorded not in (None, count):
        return [f'the checkpoint was trained with {recorded} attention heads, this model has {count}: {arch}']
    if form and recorded is None and usual not in (None, count):
        usually = f'its ViT of width {width} usually has {usual} attention heads, this one {count}'
        problem = f'{form.title}: {usually}: {arch}'
        if form.name.startswith('dinov2'):  # there are no others
            return [problem]
        log(problem, logging.WARNING)
    return []


def _convert_tokens(vit: LoadingViT, weights: dict[str, Tensor]) -> list[str]:
    """Turn the cls token and registers into knowledge tokens, in place, if the ViT is configured for it.

    Tokens beside the grid take part in attention, so a ViT without them computes something different. Otherwise the
    cls token is dropped, as the authors drop MAE's; registers are never dropped. Returns a message if registers would
    be lost, or the ViT has a different number of tokens: all tokens then stay.
    """
    if TOKENS in weights and vit.knowledge_token is None:
        count, width = weights[TOKENS].shape[1:]
        return [
            f'the checkpoint has a knowledge token, this ViT none: set '
            f'knowledge_token=dict(count={count}, width={width}, frozen=True)'
        ]
    extra = {key: weights[key] for key in ('cls_token', 'register_tokens') if key in weights}
    if not extra or any(part.shape[-1] != vit.embed_dim for part in extra.values()):  # `_fit_size` names the widths
        return []
    tokens = torch.cat([part.reshape(1, -1, vit.embed_dim) for part in extra.values()], dim=1)
    count = tokens.shape[1]
    keep = f"knowledge_token=dict(count={count}, init='checkpoint')"
    shape = None if vit.knowledge_token is None else vit.knowledge_token.tokens.shape
    keeps_tokens = vit.token_file == 'checkpoint' and shape is not None
    if shape is not None and keeps_tokens and shape != tokens.shape:
        return [f'the checkpoint has {count} tokens beside the grid, this ViT {shape[1]}: set {keep}']
    if not keeps_tokens and (len(extra) > 1 or count > 1):
        return [
            f'the checkpoint has {count - 1} register tokens, which take part in attention: without them the ViT '
            f'computes something different. Keep them, and the cls token, with {keep}'
        ]
    for key in extra:
        del weights[key]
    if keeps_tokens:
        weights[TOKENS] = tokens
        log(f'{count} tokens beside the grid (cls token, registers) become knowledge tokens')
    else:
        log(f'the cls token is dropped, so the features differ from those of the original; {keep} keeps it')
    return []


def _fit_rel_pos(vit: LoadingViT, weights: dict[str, Tensor], whole: bool) -> None:
    """Resize relative position tables, drop surplus ones, and add zeros where a whole ViT has no table."""
    tables = {name: value for name, value in vit.named_parameters() if '.rel_pos.' in name}
    surplus = [key for key in weights if '.rel_pos.' in key and key not in tables]
    for key in surplus:
        del weights[key]
    if count := len(surplus):
        log(f'dropped {count} relative position tables of the checkpoint: in this layout their blocks have none')
    for key, value in tables.items():
        if key in weights or whole:
            weights[key] = resize_rel_pos(weights[key], len(value)) if key in weights else torch.zeros_like(value)
