"""Convert checkpoints to the formats of other projects and write them."""

import json
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vitpose_base.files import replacing

from .adaptation import fold_extra_slot, source_grid
from .experts_and_decoders import AUTHORS_ORDER, select_experts
from .key_maps import AUTHORS, MMPRETRAIN, TRANSFORMERS, TRANSFORMERS_HEAD, Log, Weights, rename_back
from .model_parts import ModelParts
from .safe_load import METADATA_KEY, add_metadata

_SPLIT_HINT = 'extract the plain model of one dataset with `vitpose split`'


def to_ours(parts: ModelParts, log: Log) -> Weights:
    """Make a state dict in our names."""
    heads = {f'head.heads.{name}' if name else 'head': head for name, head in parts.heads.items()}
    return _merge(_without_slot(parts, log), heads)


def to_mmpose(parts: ModelParts, log: Log) -> Weights:
    """Make a state dict in the names of MMPose 1.x, with mmpretrain's backbone. ValueError if it has no such model."""
    if parts.expert_shape[0] or len(parts.heads) > 1:
        raise ValueError(f'MMPose has no experts and one decoder per model: {_SPLIT_HINT}')
    heads = dict(zip(['head'], parts.heads.values(), strict=False))
    return _merge(rename_back(_without_slot(parts, log), MMPRETRAIN), heads)


def to_official(parts: ModelParts, log: Log) -> Weights:
    """Make a state dict in the names of ViTPose's authors (MMPose 0.x). ValueError if they have no such model."""
    _check_patches(parts)
    names, experts = [name or AUTHORS_ORDER[0] for name in parts.heads], parts.expert_shape[0]
    known = set(names) <= set(AUTHORS_ORDER) and (len(names) < 2 or AUTHORS_ORDER[0] in names)
    if not known or (experts and sorted(parts.experts) != sorted(AUTHORS_ORDER)):
        raise ValueError(
            f'decoders of {", ".join(names)}, {experts} experts of {", ".join(parts.experts) or "unknown datasets"}: '
            f"the authors' models have {', '.join(AUTHORS_ORDER)}, and always the first decoder; {_SPLIT_HINT}"
        )
    numbers = [AUTHORS_ORDER.index(name) if len(names) > 1 else 0 for name in names]
    prefixes = [f'associate_keypoint_heads.{number - 1}' if number else 'keypoint_head' for number in numbers]
    return _merge(rename_back(_with_slot(parts), AUTHORS), dict(zip(prefixes, parts.heads.values(), strict=True)))


def to_transformers(
    parts: ModelParts,
    num_heads: int,
    img_size: tuple[int, int] | None = None,
    dataset: str | None = None,
    labels: list[str] | None = None,
) -> tuple[Weights, dict[str, Any]]:
    """Make a state dict and config of transformers' `VitPoseForPoseEstimation`. ValueError if it has no such model.

    `num_heads` cannot be derived from the weights. `img_size` is (h, w) in pixels, by default that of the position
    table, which it must equal if the file records it. `dataset` selects one of several decoders; `labels` are the names
    of its keypoints.
    """
    _check_patches(parts)
    if not parts.heads:
        raise ValueError("the file has no decoder: transformers' VitPose needs one")
    if len(parts.heads) > 1 and dataset not in parts.heads:
        raise ValueError(f'the file has several decoders: choose one of {", ".join(parts.heads)} with --dataset')
    head = parts.heads.get(dataset or '') or next(iter(parts.heads.values()))
    deconv, count = head.get('deconv_layers.0.weight'), len(head['final_layer.weight'])
    channels = [value.shape[1] for key, value in head.items() if key.startswith('deconv_layers.') and value.ndim == 4]
    if channels not in ([], [256, 256]):
        raise ValueError(f"deconvolutions of {', '.join(map(str, channels))} channels: transformers' are two of 256")
    vit, (experts, expert_dim), (depth, width) = parts.vit, parts.expert_shape, parts.size
    positions, grid = vit['pos_embed'].shape[1], parts.grid
    if width % num_heads:
        raise ValueError(f'--num-heads {num_heads}: expected a divisor of the width {width}')
    if img_size:
        grid, _ = source_grid(positions, [(img_size[0] // 16, img_size[1] // 16)])
        known = parts.grid if parts.recorded and parts.grid else grid
        if (known[0] * 16, known[1] * 16) != tuple(img_size):
            expected = f'{known[0] * 16} {known[1] * 16}' + (', as the file records' if parts.recorded else '')
            raise ValueError(f'--img-size {img_size[0]} {img_size[1]}: expected {expected}')
    if grid is None:
        raise ValueError(f'the image size of a table of {positions} entries is not known: give it with --img-size H W')
    backbone = dict(
        model_type='vitpose_backbone',
        image_size=[grid[0] * 16, grid[1] * 16],
        patch_size=[16, 16],
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=num_heads,
        mlp_ratio=len(vit['layers.0.mlp.fc1.weight']) // width,
        num_experts=max(experts, 1),
        part_features=expert_dim,
        layer_norm_eps=1e-6,
        out_indices=[depth],
    )
    labels = labels if labels and len(labels) == count else [f'LABEL_{number}' for number in range(count)]
    config = dict(
        architectures=['VitPoseForPoseEstimation'],
        model_type='vitpose',
        backbone_config=backbone,
        use_simple_decoder=deconv is None,
        id2label={str(number): label for number, label in enumerate(labels)},
        label2id={label: number for number, label in enumerate(labels)},
    )
    return _merge(rename_back(_with_slot(parts), TRANSFORMERS), {'head': rename_back(head, TRANSFORMERS_HEAD)}), config


def _check_patches(parts: ModelParts) -> None:
    """Refuse a pose model whose patches are not 16 pixels wide; the patches of a ViT alone are padded on loading."""
    side = parts.vit['patch_embed.proj.weight'].shape[2]
    if parts.heads and side != 16:
        raise ValueError(f'patches of {side} pixels without padding: the format has padding; write ours instead')


def expert_order(parts: ModelParts) -> list[int]:
    """Return the indices of the experts in the order of other formats: the authors' order for their datasets."""
    if parts.experts and sorted(parts.experts) == sorted(AUTHORS_ORDER):
        return [parts.experts.index(name) for name in AUTHORS_ORDER]
    return list(range(parts.expert_shape[0]))


def make_metadata(parts: ModelParts) -> dict[str, Any]:
    """Collect what the weights do not tell, as JSON data that is recorded beside them."""
    return dict(
        origin=parts.origin.format.name,
        grid=list(parts.grid) if parts.grid and (parts.recorded or len({*parts.grid}) == 1) else None,
        experts=list(parts.experts),
        num_heads=parts.num_heads,
        expert_order=list(parts.experts),
        dataset=next(iter(parts.heads)) or None if len(parts.heads) == 1 else None,
    )


def write_torch(path: Path, weights: Weights, meta: dict[str, Any]) -> None:
    """Write {'state_dict', 'meta'} with torch.save, atomically; grid and experts are also stored for load hooks."""
    state_dict = _copy_weights(weights)
    add_metadata(state_dict, meta)
    with replacing(path) as part:
        torch.save({'meta': meta, 'state_dict': state_dict}, part)


def write_safetensors(path: Path, weights: Weights, meta: dict[str, Any]) -> None:
    """Write safetensors atomically, with `meta` as JSON text. ImportError if the package is not installed."""
    from safetensors.torch import save_file

    with replacing(path) as part:
        save_file(_copy_weights(weights), part, metadata={'format': 'pt', METADATA_KEY: json.dumps(meta)})


def write_folder(path: Path, weights: Weights, config: dict[str, Any], meta: dict[str, Any]) -> None:
    """Write a folder that `VitPoseForPoseEstimation.from_pretrained` reads, atomically; it must be new or empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        part = Path(temporary, path.name)
        write_safetensors(part / 'model.safetensors', weights, meta)
        size = dict(zip(('height', 'width'), config['backbone_config']['image_size'], strict=True))
        pixels = dict(rescale_factor=1 / 255, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
        steps = dict.fromkeys(('do_affine_transform', 'do_normalize', 'do_rescale'), True)
        kind = dict(image_processor_type='VitPoseImageProcessor', size=size, normalize_factor=200.0)
        for name, content in (('config.json', config), ('preprocessor_config.json', {**kind, **steps, **pixels})):
            (part / name).write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
        part.replace(path)


def _merge(vit: Weights, heads: dict[str, Weights]) -> Weights:
    """Merge a ViT and its decoders into one state dict, with prefixes unless there is only a ViT."""
    parts = {'backbone': vit, **heads}
    return {f'{name}.{key}': value for name, part in parts.items() for key, value in part.items()} if heads else vit


def _has_slot(parts: ModelParts) -> bool:
    if parts.grid is None:  # files of the authors and of transformers' VitPose always have it, others never
        return parts.origin.format.name.startswith(('authors', 'transformers'))
    return parts.vit['pos_embed'].shape[1] == parts.grid[0] * parts.grid[1] + 1


def _without_slot(parts: ModelParts, log: Log) -> Weights:
    if not _has_slot(parts):
        return parts.vit
    if parts.vit['pos_embed'][:, :1].any():
        log('position table: its extra slot is added to every position')
    return {**parts.vit, 'pos_embed': fold_extra_slot(parts.vit['pos_embed'])}


def _with_slot(parts: ModelParts) -> Weights:
    """Return the ViT as in other formats: with the extra slot, and experts in the authors' order for their datasets."""
    vit = select_experts(parts.vit, expert_order(parts))
    return vit if _has_slot(parts) else {**vit, 'pos_embed': F.pad(vit['pos_embed'], (0, 0, 1, 0))}


def _copy_weights(weights: Weights) -> OrderedDict[str, Tensor]:
    """Copy weights, because files would contain the whole storage of a view, or refuse it."""
    return OrderedDict((k, v.detach().clone(memory_format=torch.contiguous_format)) for k, v in weights.items())
