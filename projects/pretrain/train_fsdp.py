"""Train a config with a strategy of MMEngine, such as FSDP: torchrun --nproc-per-node 8 train_fsdp.py CONFIG.

`mim train mmpose` always builds MMEngine's plain Runner, which ignores `runner_type` and `strategy`.
"""

import argparse
from pathlib import Path

from mmengine import Config
from mmengine.runner import FlexibleRunner

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=Path)
    parser.add_argument('--resume', action='store_true', help='continue from the last checkpoint of the work_dir')
    args = parser.parse_args()
    config = Config.fromfile(args.config)
    config.setdefault('work_dir', f'work_dirs/{args.config.stem}')
    config.resume = args.resume
    FlexibleRunner.from_cfg(config).train()
