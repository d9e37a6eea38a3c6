"""`vitpose convert`: write a checkpoint of any known origin in another format."""

import argparse
from pathlib import Path
from typing import Any

from ..errors import ExistingFileError, InputError
from ..plain_json import is_plain
from .paths import check_readable
from .shared_options import check_positive

DESCRIPTION = """Write a checkpoint in the format that others read:

  ours          a .pth file with the names of vitpose_mm
  mmpose        a .pth file for MMPose 1.x with mmpretrain
  official      a .pth file with the names of ViTPose's authors; easy_ViTPose
                has the same
  transformers  a folder that VitPoseForPoseEstimation.from_pretrained reads
  safetensors   the names of vitpose_mm in a .safetensors file

FILE is of any known origin, see `vitpose inspect`. No code in it runs. Each
changed value is printed; all other weights stay bit-identical. Models of this
package load every origin, without conversion."""

EPILOG = """examples:
  vitpose convert vitpose-b.pth vitpose-b-hf --to transformers
  vitpose convert vitpose_base_coco_aic_mpii.pth coco --to transformers \\
      --dataset coco"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('checkpoint', type=Path, metavar='FILE', help='checkpoint of any known origin')
    add('out', type=Path, metavar='OUT', help='file to write; for transformers a folder')
    add('--to', required=True, choices=('ours', 'mmpose', 'official', 'transformers', 'safetensors'))
    add('--dataset', metavar='NAME', help='for transformers: whose decoder, if there are several')
    add('--img-size', type=int, nargs=2, metavar=('H', 'W'), help='for transformers: image size, if FILE has none')
    add('--num-heads', type=int, metavar='N', help='for transformers: attention heads, if the size has no name')
    text = "drop experts that the authors' split script left beside a whole FFN, and other datasets' decoders"
    add('--drop-unused', action='store_true', help=text)


def run(args: argparse.Namespace) -> None:
    suffix = {'transformers': '', 'safetensors': '.safetensors'}.get(args.to, '.pth')
    if suffix and args.out.suffix != suffix:
        raise InputError(f'{args.out}: expected a name that ends in {suffix} with --to {args.to}')
    if args.out.exists() and (suffix or not args.out.is_dir() or any(args.out.iterdir())):
        raise ExistingFileError(f'{args.out} already exists: remove it or choose another name')
    check_readable(args.checkpoint, 'checkpoint', folder=True)
    given = [name for name in ('dataset', 'img_size', 'num_heads') if getattr(args, name) is not None]
    if given and args.to != 'transformers':
        hint = '; `vitpose split` extracts the plain model of one dataset' if given[0] == 'dataset' else ''
        raise InputError(f'--{given[0].replace("_", "-")}: only with --to transformers{hint}')
    check_positive(args, 'num_heads')

    import numpy as np

    from vitpose_mm.checkpoints import conversion
    from vitpose_mm.checkpoints.model_parts import split_parts
    from vitpose_mm.checkpoints.safe_load import find_non_finite_weights, load_checkpoint
    from vitpose_mm.networks.vit_sizes import SIZES

    from ..predict.models.description import read_recorded_config, recorded_vit

    loaded = load_checkpoint(args.checkpoint)
    changes: list[str] = []
    parts = split_parts(loaded.weights, loaded.meta, args.drop_unused, changes.append)
    if any('.confidence.' in key or '.presence.' in key for key in loaded.weights):
        changes.append('calibration and presence are dropped')
    if args.to not in ('ours', 'safetensors'):
        expressible = dict(stride=(None, parts.vit['patch_embed.proj.weight'].shape[2]), attention=('full',))
        for key, value in recorded_vit(read_recorded_config(loaded.meta)).items():
            if value not in expressible[key]:
                raise InputError(f'{args.checkpoint}: its ViT has {key}={value!r}, which {args.to} cannot express')
    meta: dict[str, Any] = {**conversion.make_metadata(parts), 'file': args.checkpoint.name, 'changes': changes}
    if parts.experts and args.to in ('official', 'transformers'):
        meta['experts'] = [parts.experts[index] for index in conversion.expert_order(parts)]
    dataset_meta = loaded.meta.get('dataset_meta')
    named = dataset_meta.get('dataset_name') if isinstance(dataset_meta, dict) else None
    if isinstance(dataset_meta, dict) and args.dataset in (None, named):
        plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in dataset_meta.items()}
        if is_plain(plain):
            meta['dataset_meta'] = plain
    if args.to == 'transformers':
        only = (next(iter(parts.heads)) or named) if len(parts.heads) == 1 else None
        if args.dataset and only not in (None, args.dataset):
            raise InputError(f'--dataset {args.dataset}: the only decoder of {args.checkpoint} is that of {only}')
        config = loaded.meta.get('config') or {}
        sizes = (size.num_heads for size in SIZES.values() if (size.depth, size.embed_dim) == parts.size)
        heads = args.num_heads or parts.num_heads or next(sizes, None)
        if heads is None:
            raise InputError('a ViT of depth {} and width {} has no name: give --num-heads N'.format(*parts.size))
        if parts.num_heads not in (None, heads):
            raise InputError(f'--num-heads {heads}: {args.checkpoint} records {parts.num_heads}')
        names = meta.get('dataset_meta') or {}
        by_index = names.get('keypoint_id2name') or config.get('id2label') or {}
        by_index = {str(number): str(name) for number, name in by_index.items()}
        labels = [by_index[number] for number in map(str, range(len(by_index))) if number in by_index]
        weights, config = conversion.to_transformers(parts, heads, args.img_size, args.dataset, labels)
        if args.dataset:
            meta['dataset'] = args.dataset
        conversion.write_folder(args.out, weights, config, meta)
    else:
        weights = getattr(conversion, f'to_{"ours" if args.to == "safetensors" else args.to}')(parts, changes.append)
        write = conversion.write_safetensors if args.to == 'safetensors' else conversion.write_torch
        write(args.out, weights, meta)
    print(f'{args.out}: {len(weights)} weights of {args.checkpoint.name} ({parts.origin.format.title}) as {args.to}')
    problem = find_non_finite_weights(weights)
    for line in [*changes, *([f'warning: {problem}'] if problem else [])]:
        print(f'  {line}')
