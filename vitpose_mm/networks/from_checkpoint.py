"""The network of one dataset, described by a checkpoint's weights and built with them."""

from collections.abc import Mapping
from typing import Any

from ..checkpoints.experts_and_decoders import merge_expert
from ..checkpoints.key_maps import Weights
from ..checkpoints.model_parts import ModelParts
from ..checkpoints.validation import load_strictly
from .decoders import Decoder, classic_decoder, simple_decoder
from .pose_network import PoseNetwork
from .vit import PlainViT
from .vit_sizes import SIZES

HEATMAP_STRIDE = 4  # of the simple decoder, in input pixels


def head_datasets(parts: ModelParts) -> list[str]:
    """Return the dataset of each decoder; '' if the file does not tell.

    The single decoder of a file with experts is that of the first expert, as in transformers' files.
    """
    return [name or (parts.experts[0] if parts.experts else '') for name in parts.heads]


def build_network(parts: ModelParts, dataset: str, vit: Mapping[str, Any] | None = None, **options: Any) -> PoseNetwork:
    """Build the plain network of one dataset with its weights; its expert, if there are any, is merged into the FFNs.

    Args:
        parts: of the checkpoint.
        dataset: one of `head_datasets`.
        vit: `PlainViT`'s stride and attention, if they are known; else they are those of all published models, and the
            stride is that for which the decoder's heatmaps have a quarter of the input's size.
        **options: `PoseNetwork`'s.

    Raises:
        ValueError: there is no decoder, or the size of the input or the number of attention heads is unknown, or a
            weight is missing, left over or of another shape.
    """
    if dataset not in head_datasets(parts):
        raise ValueError(f'no decoder for dataset {dataset!r}: {", ".join(head_datasets(parts)) or "it has none"}')
    head = list(parts.heads.values())[head_datasets(parts).index(dataset)]
    weights = merge_expert(parts.vit, parts.experts.index(dataset)) if parts.expert_shape[0] else parts.vit
    if parts.grid is None:
        raise ValueError(f'the image size of a position table of {weights["pos_embed"].shape[1]} entries is unknown')
    if 'attention' not in (vit or {}) and any('.rel_pos.' in key for key in weights):
        raise ValueError('its attention is windowed, and its windows are not recorded')
    patch, deconvolutions = weights['patch_embed.proj.weight'].shape[2], _count_deconvolutions(head)
    known = dict(vit or {})
    stride = known.pop('stride', None) or (8 if deconvolutions == 1 else patch)
    size = parts.grid[0] * stride, parts.grid[1] * stride
    network = PlainViT(
        _arch(parts),
        size,
        stride,
        knowledge_token=_knowledge_token(weights),
        patch_size=patch,
        pretrain_img_size=size,
        **known,
    )
    factor = 2**deconvolutions if deconvolutions else (16 if patch == 14 else stride) // HEATMAP_STRIDE
    built = PoseNetwork(network, _build_decoder(head, network.embed_dim, factor), **options)
    whole = {f'backbone.{key}': value for key, value in weights.items()}
    load_strictly(built, whole | {f'head.{key}': value for key, value in head.items()})
    return built


def _arch(parts: ModelParts) -> dict[str, Any]:
    """Return `arch` of a `PlainViT`."""
    (depth, width), vit = parts.size, parts.vit
    usual = next((size.num_heads for size in SIZES.values() if (size.depth, size.embed_dim) == parts.size), None)
    num_heads = parts.num_heads or usual
    if num_heads is None:
        raise ValueError(f'the number of attention heads of {depth} blocks of width {width} is not recorded')
    return dict(
        depth=depth, embed_dim=width, num_heads=num_heads, mlp_ratio=len(vit['layers.0.mlp.fc1.weight']) / width
    )


def _knowledge_token(vit: Weights) -> dict[str, Any] | None:
    tokens = vit.get('knowledge_token.tokens')
    if tokens is None:
        return None
    return dict(count=tokens.shape[1], width=tokens.shape[2], pos_embed='knowledge_token.pos_embed' in vit)


def _count_deconvolutions(head: Weights) -> int:
    return sum(key.startswith('deconv_layers.') and value.ndim == 4 for key, value in head.items())


def _build_decoder(head: Weights, width: int, upsampling: int) -> Decoder:
    count, first = len(head.get('final_layer.weight', ())), head.get('deconv_layers.0.weight')
    return (
        simple_decoder(width, count, upsampling)
        if first is None
        else classic_decoder(width, count, upsampling, first.shape[1])
    )
