"""`vitpose cost`: parameters, MACs, and measured time and memory of configs."""

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

HELP = 'parameters, MACs by part, and measured time and memory of configs'
EXAMPLES = """examples:
  vitpose cost configs/coco/vitpose-base_coco-256x192.py
  vitpose cost --measure --batch 4 configs/coco/vitpose-base_coco-256x192.py
  vitpose cost --compare configs/attention/*.py --json cost.json

MACs are multiply-accumulates of one image, counted from the model as built;
papers often print them as GFLOPs. Trainable MACs are those of the backbone's
parts that train. Time and memory are of one training step (forward, backward,
AdamW) and of inference, on random images. Of a distiller's config all figures
are the student's."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        'cost', help=HELP, description=HELP, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='config files')
    parser.add_argument('--compare', action='store_true', help='print ratios to the first config')
    parser.add_argument('--measure', action='store_true', help='also measure time and peak memory, of both')
    parser.add_argument('--only', choices=('train', 'inference'), help='measure nothing else')
    parser.add_argument('--batch', type=int, default=1, help='images a measured step (default 1)')
    parser.add_argument('--device', default='cpu', help="'cpu' or 'cuda' (default cpu)")
    parser.add_argument(
        '--dtype',
        choices=('float32', 'bfloat16'),
        default='float32',
        help='bfloat16 measures under autocast (default float32)',
    )
    parser.add_argument(
        '--steps',
        type=int,
        default=5,
        metavar='N',
        help='measured steps a config, in turns; the median counts (default 5)',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures here, too')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Count, measure, print; 2 if arguments or configs do not fit, 1 if measuring fails."""
    from rich.console import Console

    from vitpose_mm.files import write_text

    names = [Path(path).stem for path in args.configs]
    try:
        figures = _figures(args)
        Console().print(_table(names, figures, args.compare))
        if args.json:
            write_text(args.json, json.dumps(dict(zip(names, figures, strict=True)), indent=2))
    except (ValueError, OSError, RuntimeError) as problem:
        print('vitpose cost:', ' '.join(str(problem).split()), file=sys.stderr)
        return 1 if isinstance(problem, RuntimeError) else 2
    return 0


def _figures(args: argparse.Namespace) -> list[dict[str, float]]:
    """The figures of each config."""
    import torch
    from mmengine.registry import init_default_scope

    import vitpose_mm  # noqa: F401

    for name in ('batch', 'steps'):
        if getattr(args, name) < 1:
            raise ValueError(f'--{name} {getattr(args, name)}: expected at least 1')
    if args.device != 'cpu' and not (args.device.startswith('cuda') and torch.cuda.is_available()):
        raise ValueError(f"--device {args.device}: expected 'cpu', or 'cuda' where torch finds a GPU")
    init_default_scope('mmpose')
    models = [_read_model(path) for path in args.configs]
    figures = [_counted(path, model) for path, model in zip(args.configs, models, strict=True)]
    if args.measure or args.only:
        for row, measured in zip(figures, _measured(models, args), strict=True):
            row.update(measured)
    return figures


def _read_model(path: str) -> Any:
    """A config's model, without the weights it starts from, which do not change its cost.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no config, or has no model of a backbone and a head.
    """
    from mmengine import Config

    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such config file')
    if Path(path).suffix not in ('.py', '.json', '.yml', '.yaml'):
        raise ValueError(f'{path}: expected a config, .py, .json or .yml; a checkpoint does not say what its model is')
    try:
        model: Any = Config.fromfile(path).get('model')
    except Exception as problem:  # a config is a program, and may raise anything
        raise ValueError(f'{path}: {type(problem).__name__}: {problem}') from problem
    if not isinstance(model, dict) or not all(isinstance(model.get(part), dict) for part in ('backbone', 'head')):
        raise ValueError(f'{path}: expected model=dict(backbone=dict(...), head=dict(...), ...) in it')
    model['backbone'].pop('init_cfg', None)
    return model


def _counted(path: str, model: Any) -> dict[str, float]:
    from vitpose_mm.cost import count

    try:
        counted = count(model)
    except (ValueError, TypeError, KeyError) as problem:
        raise ValueError(f'{path}: {problem.args[0]}') from problem
    return {
        'parameters, M': counted.parameters / 1e6,
        'trainable parameters, M': counted.trainable_parameters / 1e6,
        'backbone GMACs': counted.backbone_macs / 1e9,
        'trainable GMACs': counted.trainable_macs / 1e9,
        **{f'{part} GMACs': macs / 1e9 for part, macs in counted.macs.items()},
    }


def _measured(models: list, args: argparse.Namespace) -> list[dict[str, float]]:
    from rich.progress import Progress

    from vitpose_mm.cost import measure
    from vitpose_mm.cost.measure import MODES

    modes = (args.only,) if args.only else MODES
    rows: list[dict[str, float]] = [{} for _ in models]
    with Progress(transient=True) as progress:
        task = progress.add_task('measuring', total=len(modes) * len(models) * (args.steps + 2))
        for mode in modes:
            measured = measure(
                models, mode, args.batch, args.device, args.dtype, args.steps, lambda: progress.advance(task)
            )
            for row, figures in zip(rows, measured, strict=True):
                row[f'{mode}, s a step of {args.batch}'] = figures.seconds
                row[f'{mode}, peak MiB'] = figures.peak_bytes / 2**20
    return rows


def _table(names: list[str], figures: list[dict[str, float]], compare: bool) -> Any:
    from rich.table import Table

    start = re.sub('[^-_]*$', '', os.path.commonprefix(names))  # whole words
    end = re.sub('^[^-_]*', '', os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1])
    several = len(names) > 1
    table = Table(title=f'{start}...{end}' if several else names[0])
    table.add_column('')
    for name in names:
        table.add_column(name[len(start) : len(name) - len(end)] if several else '', justify='right', overflow='fold')
    for key, first in figures[0].items():
        cells = []
        for row in figures:
            ratio = f' (x{row[key] / first:.2f})' if compare and first and row is not figures[0] else ''
            cells.append(f'{row[key]:,.2f}{ratio}')
        table.add_row(key, *cells)
    return table
