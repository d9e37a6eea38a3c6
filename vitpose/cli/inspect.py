"""`vitpose inspect`: who wrote a checkpoint, and what is in it; what an exported file says about itself."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from .paths import check_readable

DESCRIPTION = """Say who wrote a checkpoint and what is in it: origin, size, decoders with their
number of keypoints and dataset, experts, token grid, number type, parameters,
what is recorded of the training, and the configs that it fits. No code in the
file runs.

FILE is a .pth or .safetensors file, the index of shards (*.index.json), or a
folder of transformers. Of an exported file (.onnx, .xml) the metadata are
printed: crop, codec, keypoints, precision, and the source checkpoint."""

EPILOG = """examples:
  vitpose inspect vitpose-b.pth
  vitpose inspect work_dirs/RUN/epoch_210.pth --json
  vitpose inspect vitpose.onnx"""


def add_parser(subparsers: Any) -> None:
    """Add the parser of `vitpose inspect`."""
    parser = subparsers.add_parser('inspect', description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument('checkpoint', type=Path, metavar='FILE', help='checkpoint or exported file')
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args: argparse.Namespace) -> int:
    """Print what is in the file."""
    check_readable(args.checkpoint, 'checkpoint or exported file', folder=True)
    from ..predict.models.exported import is_exported

    found = inspect_exported(args.checkpoint) if is_exported(args.checkpoint) else inspect(args.checkpoint)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, title=str(args.checkpoint), title_justify='left')
    table.add_column(style='bold', no_wrap=True)
    table.add_column(overflow='fold')
    for key, value in found.items():
        table.add_row(key.replace('_', ' '), _shown(value))
    Console().print(table)
    return 0


def inspect_exported(path: Path) -> dict[str, Any]:
    """Describe an exported file, as JSON data.

    Raises:
        ValueError: it cannot be read, or `vitpose export` did not write it; or its runtime is not installed.
        OSError: there is no such file.
    """
    from dataclasses import asdict

    from ..predict.models.exported import ExportedModel

    found = asdict(ExportedModel(path, 'cpu').info)
    for key in ('keypoint_colors', 'skeleton_colors'):
        del found[key]
    return found


def inspect(path: Path) -> dict[str, Any]:
    """Describe a checkpoint, as JSON data.

    Raises:
        ValueError: it cannot be read or is of no known origin.
        OSError: there is no such file.
    """
    from vitpose_mm.backbones.vit_sizes import SIZES
    from vitpose_mm.checkpoints.model_parts import split_parts
    from vitpose_mm.checkpoints.safe_load import find_non_finite_weights, load_checkpoint

    from ..plain_json import is_plain

    loaded = load_checkpoint(path)
    notes: list[str] = []
    parts = split_parts(loaded.weights, loaded.meta, drop_unused=True, log=notes.append, keep_tokens=True)
    depth, width = parts.size
    names = [name for name, size in SIZES.items() if (size.depth, size.embed_dim) == parts.size]
    dataset_meta = loaded.meta.get('dataset_meta')
    dataset = dataset_meta.get('dataset_name') if isinstance(dataset_meta, dict) else None
    heads = [
        dict(
            dataset=name or (dataset if isinstance(dataset, str) else None),
            keypoints=len(head['final_layer.weight']) if 'final_layer.weight' in head else None,
            decoder='classic' if 'deconv_layers.0.weight' in head else 'simple',
        )
        for name, head in parts.heads.items()
    ]
    count, outputs = parts.expert_shape
    training = {
        key: value
        for key, value in loaded.meta.items()
        if key not in ('cfg', 'config', 'dataset_meta') and is_plain(value, 100) and len(str(value)) < 200
    }
    found = dict(
        origin=parts.origin.format.title,
        reason=parts.origin.reason,
        container=loaded.container,
        size=f'{names[0] if names else "no name"}: {depth} blocks of width {width}',
        heads=heads,
        experts=dict(count=count, outputs=outputs, datasets=list(parts.experts)) if count else None,
        grid=list(parts.grid) if parts.grid else None,
        positions=parts.vit['pos_embed'].shape[1],
        patch=list(parts.vit['patch_embed.proj.weight'].shape[2:]),
        dtype=sorted({str(value.dtype).removeprefix('torch.') for value in loaded.weights.values()}),
        parameters=sum(value.numel() for value in loaded.weights.values()),
        training=training,
        notes=[*notes, *filter(None, [find_non_finite_weights(loaded.weights)])],
    )
    shipped = found['patch'] == [16, 16]  # as in all shipped configs
    found['configs'] = matching_configs(parts.size, heads, parts.grid, bool(count)) if shipped else []
    return found


def matching_configs(
    size: tuple[int, int], heads: list[dict], grid: tuple[int, int] | None, experts: bool
) -> list[str]:
    """Shipped configs whose model has this depth and width, decoder, number of keypoints and image size."""
    if not heads or grid is None:
        return []
    from mmengine.config import Config

    from vitpose_mm.backbones.vit_sizes import parse_size

    from ..shipped import TOP

    image = '{}x{}'.format(*(16 * side for side in grid))
    kind = 'vitpose-plus' if experts else 'vitpose'
    roots = [root for root in (TOP / 'configs', TOP / 'vitpose_mm' / '.mim' / 'configs') if root.is_dir()]
    found = []
    for path in sorted(roots[0].rglob(f'{kind}-*{image}.py')) if roots else []:
        if not re.fullmatch(rf'{kind}-[a-z]+(-simple)?', path.stem.split('_')[0]):
            continue  # attention variants and students are trained from others
        model = Config.fromfile(path).model
        arch = parse_size(model.backbone.arch)
        if (arch.depth, arch.embed_dim) != size:
            continue
        head = model.head
        own = list(head['heads'].values()) if 'heads' in head else [head]
        wanted = sorted((part['keypoints'], part['decoder']) for part in heads)
        if wanted == sorted((part.out_channels, 'simple' if part.type == 'SimpleHead' else 'classic') for part in own):
            found.append(str(path.relative_to(roots[0].parent)))
    return found


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return '\n'.join(f'{key}: {_shown(part)}' for key, part in value.items()) or '-'
    if isinstance(value, list):
        value = [' '.join(map(str, part)) if isinstance(part, list) else part for part in value]
        flat = all(not isinstance(part, dict) for part in value)
        return (', ' if flat else '\n').join(
            str(part) if flat else ', '.join(f'{key} {item}' for key, item in part.items()) for part in value
        ) or '-'
    return '-' if value is None else f'{value:,}' if type(value) is int else str(value)
