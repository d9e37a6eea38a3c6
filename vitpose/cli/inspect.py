"""`vitpose inspect`: origin and content of a checkpoint; metadata of an exported file."""

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitpose_base.installed import missing_packages

from ..errors import printable
from ..plain_json import is_plain
from ..runs.table import print_table
from ..shipped import TOP
from .paths import check_readable

DESCRIPTION = """Show the origin and content of a checkpoint: size, decoders with their number of
keypoints and dataset, experts, token grid, dtype, parameters, what it records
about its training, and the configs that it fits. No code in the file runs.

FILE is a .pth or .safetensors file, the index of shards (*.index.json), a
folder of transformers, or an exported file (.onnx, .xml), whose metadata are
printed: crop, codec, keypoints, precision, and the source checkpoint."""

EPILOG = 'example: vitpose inspect work_dirs/RUN/epoch_210.pth --json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('checkpoint', type=Path, metavar='FILE', help='checkpoint or exported file')
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args: argparse.Namespace) -> None:
    check_readable(args.checkpoint, 'checkpoint or exported file', folder=True)
    from ..predict.models.exported import ExportedModel, is_exported

    if is_exported(args.checkpoint):
        info = asdict(ExportedModel(args.checkpoint, 'cpu').info)
        description = {key: value for key, value in info.items() if not key.endswith('_colors')}
    else:
        description = _describe_checkpoint(args.checkpoint)
    if args.json:
        print(json.dumps(description, indent=2))
        return
    rows = {key.replace('_', ' '): _shown(value) for key, value in description.items()}
    print_table(printable(str(args.checkpoint)), rows)


def _describe_checkpoint(path: Path) -> dict[str, Any]:
    from vitpose_mm.checkpoints.model_parts import split_parts
    from vitpose_mm.checkpoints.safe_load import find_non_finite_weights, load_checkpoint
    from vitpose_mm.networks.vit_sizes import SIZES

    loaded = load_checkpoint(path)
    notes: list[str] = []
    parts = split_parts(loaded.weights, loaded.meta, drop_unused=True, log=notes.append, keep_tokens=True)
    depth, width = parts.size
    name = next((name for name, size in SIZES.items() if (size.depth, size.embed_dim) == parts.size), None)
    dataset_meta = loaded.meta.get('dataset_meta')
    dataset = dataset_meta.get('dataset_name') if isinstance(dataset_meta, dict) else None
    heads = []
    for head_name, head in parts.heads.items():
        keypoints = len(head['final_layer.weight']) if 'final_layer.weight' in head else None
        decoder = 'classic' if 'deconv_layers.0.weight' in head else 'simple'
        shown_name = head_name or (dataset if isinstance(dataset, str) else None)
        heads.append(dict(dataset=shown_name, keypoints=keypoints, decoder=decoder))
    count, outputs = parts.expert_shape
    kind = 'vitpose-plus' if count else 'vitpose'
    patch = list(parts.vit['patch_embed.proj.weight'].shape[2:])
    training = {key: value for key, value in loaded.meta.items() if key not in ('cfg', 'config', 'dataset_meta')}
    return dict(
        origin=parts.origin.format.title,
        reason=parts.origin.reason,
        container=loaded.container,
        size=f'{name or "no name"}: {depth} blocks of width {width}',
        heads=heads,
        experts=dict(count=count, outputs=outputs, datasets=list(parts.experts)) if count else None,
        grid=list(parts.grid) if parts.grid else None,
        positions=parts.vit['pos_embed'].shape[1],
        patch=patch,
        dtype=sorted({str(value.dtype).removeprefix('torch.') for value in loaded.weights.values()}),
        parameters=sum(value.numel() for value in loaded.weights.values()),
        training={key: v for key, v in training.items() if is_plain(v, 100) and len(str(v)) < 200},
        notes=[*notes, *filter(None, [find_non_finite_weights(loaded.weights)])],
        # the patches of all shipped configs are 16x16
        configs=list(_find_configs(kind, name or '', parts.size, heads, parts.grid)) if patch == [16, 16] else [],
    )


def _find_configs(kind: str, name: str, size: tuple, heads: list[dict], grid: tuple[int, int] | None) -> Iterator[str]:
    """Find the shipped configs whose model has this depth and width, decoder, number of keypoints and image size."""
    if not heads or grid is None or missing_packages(('mmengine',)):
        return
    from mmengine.config import Config

    from vitpose_mm.networks.vit_sizes import parse_size

    image = f'{16 * grid[0]}x{16 * grid[1]}'
    wanted = sorted((head['keypoints'], head['decoder']) for head in heads)
    root = next(filter(Path.is_dir, (TOP / 'configs', TOP / 'vitpose_mm' / '.mim' / 'configs')), TOP / 'configs')
    for path in sorted(root.rglob(f'{kind}-{name}*{image}.py')):
        if not re.fullmatch(rf'{kind}-[a-z]+(-simple)?', path.stem.split('_')[0]):
            continue  # attention variants and students start from other models
        model = Config.fromfile(path).model
        arch, head = parse_size(model.backbone.arch), model.head
        parts = head['heads'].values() if 'heads' in head else [head]
        decoders = [(part.out_channels, 'simple' if part.type == 'SimpleHead' else 'classic') for part in parts]
        if (arch.depth, arch.embed_dim) == size and sorted(decoders) == wanted:
            yield str(path.relative_to(root.parent))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return '\n'.join(f'{printable(str(key))}: {_shown(part)}' for key, part in value.items()) or '-'
    if value and isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return '\n'.join(', '.join(f'{key} {_shown(item)}' for key, item in part.items()) for part in value)
    if isinstance(value, list):
        texts = (' '.join(map(str, part)) if isinstance(part, list) else str(part) for part in value)
        return printable(', '.join(texts)) or '-'
    return '-' if value is None else f'{value:,}' if type(value) is int else printable(str(value))
