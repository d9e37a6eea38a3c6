"""`vitpose bench --train`: speed of training."""

import argparse
from typing import Any

from ..errors import InputError, started
from .paths import check_readable
from .shared_options import parse_config_options


def run_training(args: argparse.Namespace) -> int:
    """Measure and print."""
    if (args.workers is not None and args.workers < 1) or args.rounds < 1 or not args.seconds > 0:
        raise InputError(
            f'--workers {args.workers} --rounds {args.rounds} --seconds {args.seconds}: expected numbers above 0'
        )
    check_readable(args.beside, 'config file', option='--beside')
    configs = _configs(args)
    with started():
        _measure(args, configs)
    return 0


def _configs(args: argparse.Namespace) -> dict[str, Any]:
    """Return the configs by name, with --cfg-options."""
    from mmengine.config import Config

    import vitpose_mm  # noqa: F401

    configs: dict[str, Any] = {}
    for path in filter(None, (args.train, args.beside)):
        name = path.stem if path.stem not in configs else f'{path.stem} (2)'
        configs[name] = Config.fromfile(str(path))
        configs[name].merge_from_dict(parse_config_options(args.cfg_options))
    return configs


def _measure(args: argparse.Namespace, configs: dict[str, Any]) -> None:
    import cv2
    import torch
    from rich.console import Console

    from ..bench.training import measure
    from ..bench.training_report import describe, table, transforms_table
    from ..runs.table import machine, usable_cores

    cv2.setNumThreads(0)  # as in training, with the configs' opencv_num_threads
    max_workers = args.workers or usable_cores()
    device = torch.device(('cuda' if torch.cuda.is_available() else 'cpu') if args.device == 'auto' else args.device)
    console = Console()
    with Console(stderr=True).status('building') as status:
        speeds = measure(
            configs,
            sorted({1, 2, max_workers} if max_workers > 1 else {1}),
            args.seconds,
            args.rounds,
            device,
            args.batch_size,
            not args.only_loading,
            status.update,
        )
    console.print(machine(), f'{torch.get_num_threads()} torch threads', sep=', ', highlight=False)
    console.print(transforms_table(speeds))
    console.print(table(speeds))
    for name, speed in speeds.items():
        console.print(f'{name}: {describe(speed, args.gpu)}', highlight=False, soft_wrap=True)
