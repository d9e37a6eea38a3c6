"""`vitpose convert`: write a checkpoint of any known origin in another format."""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from .paths import check_readable

DESCRIPTION = """Write a checkpoint in the format that others read:

  ours          a .pth file with the names of vitpose_mm
  mmpose        a .pth file for MMPose 1.x with mmpretrain
  official      a .pth file with the names of ViTPose's authors; easy_ViTPose
                has the same
  transformers  a folder that VitPoseForPoseEstimation.from_pretrained reads
  safetensors   the names of vitpose_mm in a .safetensors file

FILE is of any known origin, see `vitpose inspect`: a .pth or .safetensors file,
the index of shards, or a folder of transformers. No code in it runs. Each
change of a value is printed; all other weights keep every bit. Files of this
package need not be converted to be used: its models load every origin."""

EPILOG = """examples:
  vitpose convert vitpose-b.pth vitpose-b-hf --to transformers
  vitpose convert work_dirs/RUN/epoch_210.pth vitpose-b.pth --to official
  vitpose convert vitpose_base_coco_aic_mpii.pth coco --to transformers \\
      --dataset coco"""


def add_parser(subparsers: Any) -> None:
    """Add the parser of `vitpose convert`."""
    parser = subparsers.add_parser('convert', description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument('checkpoint', type=Path, metavar='FILE', help='checkpoint of any known origin')
    parser.add_argument('out', type=Path, metavar='OUT', help='file to write; for transformers a folder')
    parser.add_argument('--to', required=True, choices=('ours', 'mmpose', 'official', 'transformers', 'safetensors'))
    parser.add_argument('--dataset', metavar='NAME', help='for transformers: whose decoder, if there are several')
    parser.add_argument(
        '--img-size', type=int, nargs=2, metavar=('H', 'W'), help='for transformers: pixels, if not known from FILE'
    )
    parser.add_argument('--num-heads', type=int, metavar='N', help='for transformers: if the size has no name')
    parser.add_argument(
        '--drop-unused',
        action='store_true',
        help="drop experts that the authors' split script left beside a whole FFN, and other datasets' decoders",
    )


def run(args: argparse.Namespace) -> int:
    """Convert and print what was written and changed."""
    done = convert(args.checkpoint, args.out, args.to, args.dataset, args.img_size, args.num_heads, args.drop_unused)
    print(f'{args.out}: {done.weights} weights of {args.checkpoint.name} ({done.origin}) as {args.to}')
    for change in done.changes:
        print(f'  {change}')
    if done.faults:
        print(f'  warning: {done.faults}')
    return 0


class Converted(NamedTuple):
    """What was written: the number of weights, of which origin, what was changed, and how many are not finite."""

    weights: int
    origin: str
    changes: list[str]
    faults: str


def convert(
    checkpoint: Path,
    out: Path,
    to: str,
    dataset: str | None = None,
    img_size: tuple[int, int] | None = None,
    num_heads: int | None = None,
    drop_unused: bool = False,
) -> Converted:
    """Write a checkpoint in another format.

    Args:
        checkpoint: file or folder of any known origin.
        out: file to write; for transformers a folder, which may exist if it is empty.
        to: 'ours', 'mmpose', 'official', 'transformers' or 'safetensors'.
        dataset: for transformers: whose decoder, if there are several.
        img_size: for transformers: (h, w) in pixels, if the file does not say it.
        num_heads: for transformers: number of attention heads, if the size has no name.
        drop_unused: drop experts beside a whole FFN, and other datasets' decoders.

    Raises:
        ValueError: the file is of no known origin, or the format has no such model.
        OSError: a file is missing, exists already, or cannot be written.
        ImportError: safetensors is not installed.
    """
    suffix = {'transformers': '', 'safetensors': '.safetensors'}.get(to, '.pth')
    if suffix and out.suffix != suffix:
        raise InputError(f'{out}: expected a name that ends in {suffix} with --to {to}')
    if out.exists() and not (suffix == '' and out.is_dir() and not any(out.iterdir())):
        raise FileExistsError(f'{out} already exists: remove it or choose another name')
    check_readable(checkpoint, 'checkpoint', folder=True)

    from vitpose_mm.backbones.vit_sizes import SIZES
    from vitpose_mm.checkpoints import conversion
    from vitpose_mm.checkpoints.model_parts import split_parts
    from vitpose_mm.checkpoints.safe_load import find_non_finite_weights, load_checkpoint

    from ..plain_json import is_plain

    loaded = load_checkpoint(checkpoint)
    changes: list[str] = []
    parts = split_parts(loaded.weights, loaded.meta, drop_unused, changes.append)
    meta: dict[str, Any] = {**conversion.make_metadata(parts), 'file': checkpoint.name, 'changes': changes}
    if parts.experts and to in ('official', 'transformers'):
        meta['experts'] = [parts.experts[index] for index in conversion.expert_order(parts)]
    dataset_meta = loaded.meta.get('dataset_meta')
    named = dataset_meta.get('dataset_name') if isinstance(dataset_meta, dict) else None
    if isinstance(dataset_meta, dict) and dataset in (None, named) and is_plain(dataset_meta):
        meta['dataset_meta'] = dataset_meta
    if to == 'transformers':
        own = (next(iter(parts.heads)) or named) if len(parts.heads) == 1 else None
        if dataset and own not in (None, dataset):
            raise InputError(f'--dataset {dataset}: the only decoder of {checkpoint} is that of {own}')
        config = loaded.meta.get('config') or {}
        sizes = (size.num_heads for size in SIZES.values() if (size.depth, size.embed_dim) == parts.size)
        heads = num_heads or parts.num_heads or next(sizes, None)
        if heads is None:
            raise InputError('a ViT of depth {} and width {} has no name: give --num-heads N'.format(*parts.size))
        names = meta.get('dataset_meta') or {}
        labels = [str(name) for name in (names.get('keypoint_id2name') or config.get('id2label') or {}).values()]
        weights, config = conversion.to_transformers(parts, heads, img_size, dataset, labels)
        if dataset:
            meta['dataset'] = dataset
        conversion.write_folder(out, weights, config, meta)
    else:
        weights = getattr(conversion, f'to_{"ours" if to == "safetensors" else to}')(parts, changes.append)
        write = conversion.write_safetensors if to == 'safetensors' else conversion.write_torch
        write(out, weights, meta)
    return Converted(len(weights), parts.origin.format.title, changes, find_non_finite_weights(weights))
