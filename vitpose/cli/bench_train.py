"""`vitpose bench --train`: speed of training."""

import argparse
from typing import Any

from ..errors import InputError, started
from .paths import check_readable
from .shared_options import check_positive, parse_config_options


def run_training(args: argparse.Namespace) -> None:
    check_positive(args, 'workers', 'rounds')
    if not args.seconds > 0:
        raise InputError(f'--seconds {args.seconds}: expected a number above 0')
    check_readable(args.beside, 'config file', option='--beside')
    import cv2
    import torch
    from rich.console import Console

    from ..bench.training_report import describe, table, transforms_table
    from ..bench.training_speed import measure
    from ..predict.models.torch_model import read_config
    from ..runs.table import machine, usable_cores

    configs: dict[str, Any] = {}
    for path in filter(None, (args.train, args.beside)):
        name = path.stem if path.stem not in configs else f'{path.stem} (2)'
        configs[name], _ = read_config(path, parse_config_options(args.cfg_options))
    cv2.setNumThreads(0)  # as in training, with the configs' opencv_num_threads
    most = args.workers or usable_cores()
    workers = sorted({1, 2, most} if most > 1 else {1})
    device = torch.device(('cuda' if torch.cuda.is_available() else 'cpu') if args.device == 'auto' else args.device)
    settings = (args.seconds, args.rounds, device, args.batch_size, not args.only_loading)
    with started(), Console(stderr=True).status('building') as status:
        speeds = measure(configs, workers, *settings, status.update)
    console = Console()
    console.print(machine(), f'{torch.get_num_threads()} torch threads', sep=', ', highlight=False)
    console.print(transforms_table(speeds), table(speeds))
    for name, speed in speeds.items():
        console.print(f'{name}: {describe(speed, args.gpu)}', highlight=False, soft_wrap=True)
