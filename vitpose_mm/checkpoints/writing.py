"""Write checkpoints in the formats that others read."""

import json
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..files import replacing
from .adaptation import fold_extra_slot, source_grid
from .formats import recognise
from .key_maps import AUTHORS, MMPRETRAIN, TRANSFORMERS, TRANSFORMERS_HEAD, rename_back
from .multi_dataset import AUTHORS_ORDER, take_experts
from .parts import Parts
from .safe_load import RECORD

_SPLIT_HINT = 'extract the plain model of one dataset with `vitpose split`'


def to_ours(parts: Parts, log: Callable[[str], object]) -> dict[str, Tensor]:
    """State dict in our names."""
    prefixes = [f'head.heads.{name}' if name else 'head' for name in parts.heads]
    return _whole(_without_slot(parts, log), prefixes, parts.heads.values())


def to_mmpose(parts: Parts, log: Callable[[str], object]) -> dict[str, Tensor]:
    """State dict in the names of MMPose 1.x, with mmpretrain's backbone; ValueError if it has no such model."""
    if parts.expert_shape[0]:
        raise ValueError(f'MMPose has no experts: {_SPLIT_HINT}')
    if len(parts.heads) > 1:
        raise ValueError(f'MMPose has one decoder per model, the file {len(parts.heads)}: {_SPLIT_HINT}')
    return _whole(rename_back(_without_slot(parts, log), MMPRETRAIN), ['head'] * len(parts.heads), parts.heads.values())


def to_official(parts: Parts, log: Callable[[str], object]) -> dict[str, Tensor]:
    """State dict in the names of ViTPose's authors (MMPose 0.x), with a zero extra slot if there is none.

    Raises:
        ValueError: the authors' models have no such decoders or experts.
    """
    _check_patches(parts)
    names = [name or AUTHORS_ORDER[0] for name in parts.heads]
    if not set(names) <= set(AUTHORS_ORDER) or (len(names) > 1 and AUTHORS_ORDER[0] not in names):
        raise ValueError(
            f"decoders of {', '.join(names)}: the authors' names are those of {', '.join(AUTHORS_ORDER)}, the first "
            f'of which must be there; {_SPLIT_HINT}'
        )
    if parts.expert_shape[0] and sorted(parts.experts) != sorted(AUTHORS_ORDER):
        raise ValueError(
            f"{parts.expert_shape[0]} experts of {', '.join(parts.experts) or 'unknown datasets'}: the authors' models "
            f'have those of {", ".join(AUTHORS_ORDER)}; {_SPLIT_HINT}'
        )
    numbers = [AUTHORS_ORDER.index(name) - 1 if len(names) > 1 else -1 for name in names]
    prefixes = ['keypoint_head' if number < 0 else f'associate_keypoint_heads.{number}' for number in numbers]
    return _whole(rename_back(_with_slot(parts), AUTHORS), prefixes, parts.heads.values())


def to_transformers(
    parts: Parts,
    num_heads: int,
    img_size: tuple[int, int] | None = None,
    dataset: str | None = None,
    labels: list[str] | None = None,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """State dict and config of transformers' `VitPoseForPoseEstimation`.

    Weights do not tell `num_heads`. `img_size` is (h, w) in pixels, None for that of the position table. `dataset`
    chooses one of several decoders; `labels` are the names of its keypoints.

    Raises:
        ValueError: transformers has no such model, or the size is not known.
    """
    if not parts.heads:
        raise ValueError("the file has no decoder: transformers' VitPose needs one")
    _check_patches(parts)
    if len(parts.heads) > 1 and dataset not in parts.heads:
        raise ValueError(
            f'transformers has one decoder per model: choose one of {", ".join(parts.heads)} with --dataset'
        )
    head = parts.heads[dataset] if dataset in parts.heads else next(iter(parts.heads.values()))
    vit, (experts, expert_dim), (depth, width) = parts.vit, parts.expert_shape, parts.size
    grid = (img_size[0] // 16, img_size[1] // 16) if img_size else parts.grid
    if grid is None:
        raise ValueError(
            f'the image size of a position table of {vit["pos_embed"].shape[1]} entries is not known: give it with '
            '--img-size H W'
        )
    source_grid(vit['pos_embed'].shape[1], [grid])
    classic = 'deconv_layers.0.weight' in head
    if classic and head['deconv_layers.0.weight'].shape[1] != 256:
        channels = head['deconv_layers.0.weight'].shape[1]
        raise ValueError(f"deconvolutions of {channels} channels: transformers' have 256")
    numbers = range(len(head['final_layer.weight']))
    labels = labels if labels and len(labels) == len(numbers) else [f'LABEL_{number}' for number in numbers]
    backbone = dict(
        model_type='vitpose_backbone',
        image_size=[grid[0] * 16, grid[1] * 16],
        patch_size=[16, 16],
        num_channels=vit['patch_embed.proj.weight'].shape[1],
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=num_heads,
        mlp_ratio=len(vit['layers.0.mlp.fc1.weight']) // width,
        num_experts=max(experts, 1),
        part_features=expert_dim,
        layer_norm_eps=1e-6,
        out_indices=[depth],
        out_features=[f'stage{depth}'],
    )
    config = dict(
        architectures=['VitPoseForPoseEstimation'],
        model_type='vitpose',
        backbone_config=backbone,
        use_simple_decoder=not classic,
        scale_factor=4,
        id2label={str(number): label for number, label in enumerate(labels)},
        label2id={label: number for number, label in enumerate(labels)},
        torch_dtype=str(vit['pos_embed'].dtype).removeprefix('torch.'),
    )
    heads = [rename_back(head, TRANSFORMERS_HEAD)]
    return _whole(rename_back(_with_slot(parts), TRANSFORMERS), ['head'], heads), config


def _check_patches(parts: Parts) -> None:
    """Refuse a pose model with other patches than those of 16 pixels; a ViT alone is padded where it is loaded."""
    side = parts.vit['patch_embed.proj.weight'].shape[2]
    if parts.heads and side != 16:
        raise ValueError(
            f'patches of {side} pixels without padding: the format has 16 with padding 2; write ours instead'
        )


def expert_order(parts: Parts) -> list[int]:
    """Indices of the experts in the order in which others have them: the authors', where these are their datasets."""
    if parts.experts and sorted(parts.experts) == sorted(AUTHORS_ORDER):
        return [parts.experts.index(name) for name in AUTHORS_ORDER]
    return list(range(parts.expert_shape[0]))


def describe(parts: Parts) -> dict[str, Any]:
    """What weights do not tell, as JSON data, to be recorded beside them."""
    return dict(
        origin=parts.origin.format.name,
        grid=list(parts.grid) if parts.grid and (parts.recorded or len({*parts.grid}) == 1) else None,
        experts=list(parts.experts),
        expert_order=list(parts.experts),
        dataset=next(iter(parts.heads)) or None if len(parts.heads) == 1 else None,
    )


def write_torch(path: Path, weights: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write {'state_dict', 'meta'} with torch.save, atomically; grid and experts also where load hooks look."""
    own = OrderedDict(_own(weights))
    origin = recognise(own)
    if origin is not None:
        recorded = {key: tuple(meta[key]) for key in ('grid', 'experts') if meta.get(key)}
        own._metadata = {origin.prefix.rstrip('.'): recorded}  # type: ignore[attr-defined]
    with replacing(path) as part:
        torch.save({'meta': meta, 'state_dict': own}, part)


def write_safetensors(path: Path, weights: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write safetensors atomically, with `meta` as JSON text; ValueError if the package is not installed."""
    try:
        from safetensors.torch import save_file
    except ImportError as problem:
        raise ValueError('writing safetensors needs the package safetensors: pip install safetensors') from problem
    with replacing(path) as part:
        save_file(_own(weights), part, metadata={'format': 'pt', RECORD: json.dumps(meta)})


def write_folder(path: Path, weights: dict[str, Tensor], config: dict[str, Any], meta: dict[str, Any]) -> None:
    """Write a folder that `VitPoseForPoseEstimation.from_pretrained` reads, atomically, unless it has files."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f'{path} already exists: remove it or choose another folder')
    part = path.with_name(path.name + '.part')
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        write_safetensors(part / 'model.safetensors', weights, meta)
        height, width = config['backbone_config']['image_size']
        pixels = dict(rescale_factor=1 / 255, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
        steps = dict.fromkeys(('do_affine_transform', 'do_normalize', 'do_rescale'), True)
        name, size = 'VitPoseImageProcessor', dict(height=height, width=width)
        processor = dict(image_processor_type=name, size=size, **steps, **pixels, normalize_factor=200.0)
        for name, content in (('config.json', config), ('preprocessor_config.json', processor)):
            (part / name).write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
        os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_plain(content: object, most: int = 100_000) -> bool:
    """Whether something is JSON data of at most `most` items: a file may hold lists that contain themselves."""
    todo, seen = [content], 0
    while todo and seen <= most:
        item, seen = todo.pop(), seen + 1
        if isinstance(item, dict):
            item = [*item.keys(), *item.values()]
        if isinstance(item, list | tuple):
            todo += item[:most]
        elif not (item is None or isinstance(item, str | int | float)):
            return False
    return not todo


def _whole(vit: dict[str, Tensor], prefixes: list[str], heads: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """A state dict of a ViT and its decoders with their prefixes; a ViT alone has no prefix."""
    parts = {'backbone': vit, **dict(zip(prefixes, heads, strict=True))} if prefixes else {}
    return {f'{prefix}.{key}': value for prefix, part in parts.items() for key, value in part.items()} or vit


def _has_slot(parts: Parts) -> bool:
    if parts.grid is None:  # the authors' and transformers' VitPose always have it, the others never
        return parts.origin.format.name.startswith(('authors', 'transformers'))
    return parts.vit['pos_embed'].shape[1] == parts.grid[0] * parts.grid[1] + 1


def _without_slot(parts: Parts, log: Callable[[str], object]) -> dict[str, Tensor]:
    vit = dict(parts.vit)
    if _has_slot(parts):
        if vit['pos_embed'][:, :1].any():
            log('position table: its extra slot is added to every position')
        vit['pos_embed'] = fold_extra_slot(vit['pos_embed'])
    return vit


def _with_slot(parts: Parts) -> dict[str, Tensor]:
    """The ViT as others have it: with the slot, and experts in the authors' order if these are their datasets."""
    vit = take_experts(parts.vit, expert_order(parts))
    if not _has_slot(parts):
        vit['pos_embed'] = F.pad(vit['pos_embed'], (0, 0, 1, 0))
    return vit


def _own(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of what is only a part of a storage: files would hold all of it, or refuse to."""
    return {
        key: value.detach()
        if value.is_contiguous() and value.untyped_storage().nbytes() == value.numel() * value.element_size()
        else value.contiguous().clone()
        for key, value in weights.items()
    }
