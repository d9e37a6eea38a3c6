"""The network of one dataset, described by a checkpoint's weights and built with them."""

from collections.abc import Mapping
from typing import Any

from ..checkpoints.experts_and_decoders import merge_expert
from ..checkpoints.model_parts import ModelParts
from ..checkpoints.validation import load_strictly
from .decoders import classic_decoder, simple_decoder, upsampling_factor
from .pose_network import PoseNetwork
from .vit import PlainViT
from .vit_sizes import SIZES

HEATMAP_STRIDE = 4  # of the simple decoder, in input pixels


def head_datasets(parts: ModelParts) -> list[str]:
    """Return the dataset of each decoder; without a name that of the first expert, as in transformers' files, or ''."""
    return [name or (parts.experts[0] if parts.experts else '') for name in parts.heads]


def build_network(
    parts: ModelParts,
    dataset: str,
    vit: Mapping[str, Any] | None = None,
    heatmap_size: tuple[int, int] | None = None,
    **options: Any,
) -> PoseNetwork:
    """Build the plain network of one dataset with its weights; its expert, if there are any, is merged into the FFNs.

    Args:
        parts: the checkpoint's.
        dataset: one of `head_datasets`.
        vit: `PlainViT`'s stride and attention, if they are known; else they are those of all published models, and the
            stride is that for which the decoder's heatmaps have a quarter of the input's size.
        heatmap_size: (w, h) in cells, if it is known; else a quarter of the input's size for the simple decoder.
        **options: `PoseNetwork`'s.

    Raises:
        ValueError: the image size, the attention or an expert's dataset is not recorded; or a weight is missing, left
            over or of another shape.
    """
    head = list(parts.heads.values())[head_datasets(parts).index(dataset)]
    count, known = parts.expert_shape[0], dict(vit or {})
    missing = {
        f'the datasets of its {count} experts': count and dataset not in parts.experts,
        f'the image size of its position table of {parts.vit["pos_embed"].shape[1]} entries': parts.grid is None,
        'the windows of its attention': 'attention' not in known and any('.rel_pos.' in key for key in parts.vit),
    }
    for what, is_missing in missing.items():
        if is_missing:
            raise ValueError(f'{what} cannot be told from the file: predict with its config')
    assert parts.grid is not None
    weights = merge_expert(parts.vit, parts.experts.index(dataset)) if count else parts.vit
    patch, first = weights['patch_embed.proj.weight'].shape[2], head.get('deconv_layers.0.weight')
    doublings = sum(key.startswith('deconv_layers.') and value.ndim == 4 for key, value in head.items())
    stride = known.pop('stride', None) or (8 if doublings == 1 else patch)
    size = parts.grid[0] * stride, parts.grid[1] * stride
    token = None
    if (tokens := weights.get('knowledge_token.tokens')) is not None:
        has_positions = 'knowledge_token.pos_embed' in weights
        token = dict(count=tokens.shape[1], width=tokens.shape[2], pos_embed=has_positions)
    backbone = PlainViT(
        _arch(parts), size, stride, knowledge_token=token, patch_size=patch, pretrain_img_size=size, **known
    )
    channels = backbone.embed_dim, len(head.get('final_layer.weight', ()))
    if first is None:
        usual = upsampling_factor(stride, HEATMAP_STRIDE)
        decoder = simple_decoder(*channels, heatmap_size[1] // parts.grid[0] if heatmap_size else usual)
    else:
        decoder = classic_decoder(*channels, 2**doublings, first.shape[1])
    network = PoseNetwork(backbone, decoder, **options)
    whole = {f'backbone.{key}': value for key, value in weights.items()}
    load_strictly(network, whole | {f'head.{key}': value for key, value in head.items()})
    return network


def _arch(parts: ModelParts) -> dict[str, Any]:
    """Return `arch` of a `PlainViT`."""
    depth, width = parts.size
    usual = next((size.num_heads for size in SIZES.values() if (size.depth, size.embed_dim) == parts.size), None)
    num_heads = parts.num_heads or usual
    if num_heads is None:
        raise ValueError(f'the number of attention heads of {depth} blocks of width {width} is not recorded')
    mlp_ratio = len(parts.vit['layers.0.mlp.fc1.weight']) / width
    return dict(depth=depth, embed_dim=width, num_heads=num_heads, mlp_ratio=mlp_ratio)
