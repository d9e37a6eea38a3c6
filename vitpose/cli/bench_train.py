"""`vitpose bench --train`: speed of training."""

import argparse
from typing import Any


def read_configs(args: argparse.Namespace) -> dict[str, Any]:
    """The configs of --train and --beside by name, with --cfg-options.

    Raises:
        OSError: there is no such file.
        ValueError: a number is not accepted.
    """
    from mmengine.config import Config, DictAction

    import vitpose_mm  # noqa: F401

    if (args.workers is not None and args.workers < 1) or args.rounds < 1 or not args.seconds > 0:
        raise ValueError(
            f'--workers {args.workers} --rounds {args.rounds} --seconds {args.seconds}: expected numbers above 0'
        )
    reader = argparse.ArgumentParser()
    reader.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    options = reader.parse_args(['--cfg-options', *args.cfg_options] if args.cfg_options else []).cfg_options
    configs = {}
    for path in (args.train, args.beside):
        if path is None:
            continue
        if not path.is_file():
            raise FileNotFoundError(f'{path}: no such config')
        name = path.stem if path.stem not in configs else f'{path.stem} (2)'
        configs[name] = Config.fromfile(str(path))
        configs[name].merge_from_dict(options)
    return configs


def measure_training(args: argparse.Namespace, configs: dict[str, Any]) -> None:
    """Measure and print."""
    import cv2
    import torch
    from rich.console import Console

    from ..bench.training import measure
    from ..bench.training_report import describe, table, transforms_table
    from ..runs.table import machine, usable_cores

    cv2.setNumThreads(0)  # as in training, with the configs' opencv_num_threads
    most = args.workers or usable_cores()
    device = torch.device(('cuda' if torch.cuda.is_available() else 'cpu') if args.device == 'auto' else args.device)
    console = Console()
    with Console(stderr=True).status('building') as status:
        speeds = measure(
            configs,
            sorted({1, 2, most} if most > 1 else {1}),
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
