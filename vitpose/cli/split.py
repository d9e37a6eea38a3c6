"""`vitpose split`: one dataset's plain model out of a multi-dataset model."""

import argparse
import sys
from pathlib import Path
from typing import Any

HELP = "one dataset's plain model out of a multi-dataset model"
DESCRIPTION = """Make a plain single-dataset model of a multi-dataset model, with or without
ViTPose+ experts.

  OUT.pth  a plain ViT, into which the dataset's expert is merged, and the
           dataset's own head; no expert and no other head is left. Its heatmaps
           are those of the model it comes from, bit by bit. The dataset's
           metainfo is in it, so MMPoseInferencer knows keypoints and skeleton.
  OUT.py   its config: TopdownPoseEstimator, the dataset's own test loader and
           metric, and its test_cfg. It tests and predicts; to train on, use a
           single-dataset config with load_from=OUT.pth.

CHECKPOINT may be what `mim train` wrote or a file of the authors' ViTPose+
names: all that CONFIG's model loads. Nothing in the file is run: its tensors
are read, all else in it is passed over, and archives that torch would run or
unpack are refused."""

EPILOG = """examples:
  vitpose split configs/multi_dataset/vitpose-plus-base_six-sets-256x192.py \\
      CHECKPOINT --dataset mpii --out work_dirs/mpii.pth
  vitpose split CONFIG vitpose+_base.pth --dataset ap10k \\
      --out work_dirs/ap10k.pth

then:
  mim test mmpose work_dirs/mpii.py --checkpoint work_dirs/mpii.pth

and in Python, for one image, with no detector to download:
  inferencer = MMPoseInferencer('work_dirs/mpii.py', 'work_dirs/mpii.pth',
                                det_model='whole_image')"""


def add_parser(subparsers: Any) -> None:
    """Add ``vitpose split``."""
    parser = subparsers.add_parser(
        'split', help=HELP, description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, metavar='CONFIG', help='of the multi-dataset model')
    parser.add_argument('checkpoint', type=Path, metavar='CHECKPOINT', help='its weights')
    parser.add_argument(
        '--dataset',
        required=True,
        metavar='NAME',
        help='whose model to make, such as mpii: a name in model.head.heads of CONFIG',
    )
    parser.add_argument(
        '--out',
        required=True,
        type=Path,
        metavar='OUT.pth',
        help='checkpoint to write; the config goes beside it as OUT.py',
    )


def run(args: argparse.Namespace) -> int:
    """Split, and say what was written; 2 if the arguments do not fit."""
    try:
        print(split(args.config, args.checkpoint, args.dataset, args.out))
    except (ValueError, OSError) as problem:
        print(f'vitpose split: {problem}', file=sys.stderr)
        return 2
    return 0


def split(config: Path, checkpoint: Path, dataset: str, out: Path) -> str:
    """Write ``out`` and the config beside it, and return what to say about them.

    Raises:
        ValueError: the arguments do not fit each other.
        OSError: a file is missing, or cannot be written.
    """
    if out.suffix != '.pth':
        raise ValueError(f'--out {out}: give a name that ends in .pth; the config goes beside it')
    new_config = out.with_suffix('.py')
    for path in (out, new_config):
        if path.exists():
            raise ValueError(f'{path} is there already: remove it, or give another --out')
    if not config.is_file():
        raise FileNotFoundError(f'{config}: no such config')

    import numpy as np
    import torch
    from mmengine.config import Config

    from vitpose_mm.checkpoints.safe_load import load_weights
    from vitpose_mm.datasets.metainfo import metainfo
    from vitpose_mm.estimators.split import split_config, split_weights
    from vitpose_mm.files import replacing, write_text

    cfg = Config.fromfile(config)
    single = split_config(cfg, dataset)
    weights = split_weights(cfg, load_weights(checkpoint), dataset)
    # lists for arrays: such a file loads with torch's weights_only
    meta = {
        key: value.tolist() if isinstance(value, np.ndarray) else value
        for key, value in metainfo(single.test_dataloader.dataset).items()
    }
    with replacing(out) as part:
        torch.save({'meta': {'dataset_meta': meta, 'cfg': single.pretty_text}, 'state_dict': weights}, part)
    write_text(new_config, single.pretty_text)
    millions = sum(value.numel() for value in weights.values()) / 1e6
    return (
        f'{out}: plain ViT and the head of {dataset} ({meta["num_keypoints"]} keypoints), {millions:.1f} M '
        f'weights\n{new_config}: its config; to test it:\n  mim test mmpose {new_config} --checkpoint {out}'
    )
