"""`vitpose split`: extract the plain model of one dataset from a multi-dataset model."""

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError
from .paths import check_readable

DESCRIPTION = """Extract the plain single-dataset model of one dataset from a multi-dataset
model, with or without ViTPose+ experts.

  OUT.pth  a plain ViT with the dataset's expert merged into it, and the
           dataset's own head, without any other expert or head. Its heatmaps
           are bit-identical to those of the original model. It contains the
           dataset's metainfo, so MMPoseInferencer knows keypoints and skeleton.
  OUT.py   its config: TopdownPoseEstimator with the dataset's own test loader,
           metric and test_cfg. It is for testing and prediction; to fine-tune,
           use a single-dataset config with load_from=OUT.pth.

CHECKPOINT is any file that CONFIG's model loads: written by `mim train`, or
with the key names of the authors' ViTPose+ release. No code in the file is
executed: only its tensors are read, and archives that torch would execute or
unpack are refused."""

EPILOG = """examples:
  vitpose split configs/multi_dataset/vitpose-plus-base_six-sets-256x192.py \\
      CHECKPOINT --dataset mpii --out work_dirs/mpii.pth
  vitpose split CONFIG vitpose+_base.pth --dataset ap10k \\
      --out work_dirs/ap10k.pth

then:
  mim test mmpose work_dirs/mpii.py --checkpoint work_dirs/mpii.pth

in Python, on a whole image without a detector:
  inferencer = MMPoseInferencer('work_dirs/mpii.py', 'work_dirs/mpii.pth',
                                det_model='whole_image')"""


def add_parser(subparsers: Any) -> None:
    """Add the parser of `vitpose split`."""
    parser = subparsers.add_parser('split', description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument('config', type=Path, metavar='CONFIG', help='config of the multi-dataset model')
    parser.add_argument('checkpoint', type=Path, metavar='CHECKPOINT', help='checkpoint of the model')
    parser.add_argument(
        '--dataset',
        required=True,
        metavar='NAME',
        help='dataset to extract, such as mpii: a key of model.head.heads in CONFIG',
    )
    parser.add_argument(
        '--out',
        required=True,
        type=Path,
        metavar='OUT.pth',
        help='checkpoint to write; the config is written next to it as OUT.py',
    )


def run(args: argparse.Namespace) -> int:
    """Split the model and print what was written."""
    keypoints, parameters = split(args.config, args.checkpoint, args.dataset, args.out)
    config = args.out.with_suffix('.py')
    print(
        f'{args.out}: plain ViT and head of {args.dataset} ({keypoints} keypoints), {parameters / 1e6:.1f} M '
        f'parameters\n{config}: its config; to test it:\n  mim test mmpose {config} --checkpoint {args.out}'
    )
    return 0


def split(config: Path, checkpoint: Path, dataset: str, out: Path) -> tuple[int, int]:
    """Write the checkpoint of one dataset and its config.

    Args:
        config: Config of the multi-dataset model.
        checkpoint: Checkpoint of the multi-dataset model.
        dataset: Name of the dataset to extract.
        out: Checkpoint to write; the config is written next to it with the suffix .py.

    Returns:
        How many keypoints and parameters the written model has.

    Raises:
        ValueError: If the arguments or the checkpoint do not match the config, or an output file exists.
        OSError: If a file is missing or cannot be written.
    """
    if out.suffix != '.pth':
        raise InputError(f'--out {out}: expected a name that ends in .pth; the config is written next to it')
    new_config = out.with_suffix('.py')
    for path in (out, new_config):
        if path.exists():
            raise InputError(f'{path} already exists: remove it or pass another --out')
    check_readable(config, 'config file')
    check_readable(checkpoint, 'checkpoint', folder=True)

    import numpy as np
    import torch
    from mmengine.config import Config

    from vitpose_base.files import replacing, write_text
    from vitpose_mm.checkpoints.safe_load import load_weights
    from vitpose_mm.datasets.metainfo import parse_metainfo
    from vitpose_mm.estimators.plain_model import split_config, split_weights

    cfg = Config.fromfile(config)
    single = split_config(cfg, dataset)
    weights = split_weights(cfg, load_weights(checkpoint), dataset)
    # lists instead of arrays, so that torch.load(weights_only=True) accepts the file
    meta = {
        key: value.tolist() if isinstance(value, np.ndarray) else value
        for key, value in parse_metainfo(single.test_dataloader.dataset).items()
    }
    with replacing(out) as temporary:
        torch.save({'meta': {'dataset_meta': meta, 'cfg': single.pretty_text}, 'state_dict': weights}, temporary)
    write_text(new_config, single.pretty_text)
    return meta['num_keypoints'], sum(value.numel() for value in weights.values())
