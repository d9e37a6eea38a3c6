"""`vitpose split`: extract the plain model of one dataset from a multi-dataset model."""

import argparse
from pathlib import Path

from ..errors import InputError
from ..shipped import find_config
from .paths import check_readable

DESCRIPTION = """Extract the plain model of one dataset from a multi-dataset model.

  OUT.pth  a plain ViT with the dataset's expert merged into it, and the
           dataset's own head, without any other expert or head. Its heatmaps
           are bit-identical to those of the original model. It contains the
           dataset's metainfo, so MMPoseInferencer knows keypoints and skeleton.
  OUT.py   its config: TopdownPoseEstimator with the dataset's own test loader,
           metric and test_cfg. It is for testing and prediction; to fine-tune,
           use a single-dataset config with load_from=OUT.pth.

CHECKPOINT is any file that CONFIG's model loads: written by `mim train`, or
with the key names of the authors' ViTPose+ release. No code in the file runs."""

EPILOG = """example:
  vitpose split configs/multi_dataset/vitpose-plus-base_six-sets-256x192.py \\
      CHECKPOINT --dataset mpii --out work_dirs/mpii.pth
  mim test mmpose work_dirs/mpii.py --checkpoint work_dirs/mpii.pth"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('config', type=find_config, metavar='CONFIG', help='config of the multi-dataset model')
    add('checkpoint', type=Path, metavar='CHECKPOINT', help='checkpoint of the model')
    add('--dataset', required=True, metavar='NAME', help='such as mpii: a key of model.head.heads in CONFIG')
    add('--out', required=True, type=Path, metavar='OUT.pth', help='file to write; the config is written as OUT.py')


def run(args: argparse.Namespace) -> None:
    if args.out.suffix != '.pth':
        raise InputError(f'--out {args.out}: expected a name that ends in .pth; the config is written next to it')
    config_file = args.out.with_suffix('.py')
    for path in (args.out, config_file):
        if path.exists():
            raise InputError(f'{path} already exists: remove it or pass another --out')
    check_readable(args.config, 'config file')
    check_readable(args.checkpoint, 'checkpoint', folder=True)

    import numpy as np
    import torch

    from vitpose_base.files import replacing, write_text
    from vitpose_mm.checkpoints.safe_load import load_weights
    from vitpose_mm.datasets.metainfo import parse_metainfo
    from vitpose_mm.estimators.plain_model import split_config, split_model

    from ..predict.models.torch_model import read_config

    cfg, _ = read_config(args.config)
    single = split_config(cfg, args.dataset)
    weights = split_model(cfg, load_weights(args.checkpoint), args.dataset).state_dict()
    metainfo = parse_metainfo(single.test_dataloader.dataset)
    # lists instead of arrays, so that torch.load(weights_only=True) accepts the file
    metainfo = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in metainfo.items()}
    with replacing(args.out) as temporary:
        torch.save({'meta': {'dataset_meta': metainfo, 'cfg': single.pretty_text}, 'state_dict': weights}, temporary)
    write_text(config_file, single.pretty_text)
    parameters = sum(value.numel() for value in weights.values()) / 1e6
    keypoints = f'{metainfo["num_keypoints"]} keypoints'
    print(f'{args.out}: plain ViT and head of {args.dataset} ({keypoints}), {parameters:.1f} M parameters')
    print(f'{config_file}: its config; to test it:\n  mim test mmpose {config_file} --checkpoint {args.out}')
