"""`vitpose cost`: parameters, MACs, and measured time and memory of configs."""

import argparse
import json
import os
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError, started
from .paths import check_readable
from .shared_options import add_device, check_positive

WHOLE = ('parameters, M', 'trainable parameters, M', 'backbone GMACs', 'trainable GMACs')  # figures of the whole model
DESCRIPTION = 'Parameters, MACs by part, and measured time and memory of configs.'
EPILOG = """examples:
  vitpose cost configs/coco/vitpose-base_coco-256x192.py
  vitpose cost --measure --batch 4 configs/coco/vitpose-base_coco-256x192.py
  vitpose cost --compare configs/attention/*.py --json cost.json

MACs are multiply-accumulates of one image, counted from the model as built;
papers often call them FLOPs. Trainable MACs belong to the parts of the backbone
that train. Time and memory are measured for one training step (forward,
backward, AdamW) and for inference, on random images. For a distillation config
all figures are the student's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `vitpose cost`."""
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='config files')
    parser.add_argument('--compare', action='store_true', help='print ratios to the first config')
    parser.add_argument('--measure', action='store_true', help='also measure time and peak memory')
    parser.add_argument('--only', choices=('train', 'inference'), help='measure only this')
    parser.add_argument('--batch', type=int, default=1, help='images per measured step (default 1)')
    add_device(parser, 'cpu')
    text = 'bfloat16 measures under autocast (default float32)'
    parser.add_argument('--dtype', choices=('float32', 'bfloat16'), default='float32', help=text)
    text = 'measured steps per config, in turns; the median is shown (default 5)'
    parser.add_argument('--steps', type=int, default=5, metavar='N', help=text)
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures to this file')


def run(args: argparse.Namespace) -> int:
    """Count, measure, print."""
    check_positive(args, 'batch', 'steps')
    for path in args.configs:
        check_readable(path, 'config file')
        if Path(path).suffix not in ('.py', '.json', '.yml', '.yaml'):
            raise InputError(
                f'{path}: expected a config, .py, .json or .yml; a checkpoint does not say what its model is'
            )
    from rich.console import Console

    from vitpose_base.files import write_text

    names = [Path(path).stem for path in args.configs]
    figures = _figures(args)
    Console().print(*_tables(names, figures, args.compare))
    if args.json:
        write_text(args.json, json.dumps(dict(zip(names, figures, strict=True)), indent=2))
    return 0


def _figures(args: argparse.Namespace) -> list[dict[str, float]]:
    """Return the figures of each config."""
    import torch
    from mmengine.registry import init_default_scope

    import vitpose_mm  # noqa: F401

    if args.device != 'cpu' and not (args.device.startswith('cuda') and torch.cuda.is_available()):
        raise ValueError(f"--device {args.device}: expected 'cpu', or 'cuda' where torch finds a GPU")
    init_default_scope('mmpose')
    models = [_read_model(path) for path in args.configs]
    figures = [_count(path, model) for path, model in zip(args.configs, models, strict=True)]
    measured = _measure(models, args) if args.measure or args.only else [{}] * len(models)
    return [row | more for row, more in zip(figures, measured, strict=True)]


def _read_model(path: str) -> Any:
    """Read a config's model, without its initial weights, which do not change its cost."""
    from mmengine import Config

    try:
        model: Any = Config.fromfile(path).get('model')
    except Exception as problem:  # a config is a program, and may raise anything
        raise ValueError(f'{path}: {type(problem).__name__}: {problem}') from problem
    if not isinstance(model, dict) or not all(isinstance(model.get(part), dict) for part in ('backbone', 'head')):
        raise ValueError(f'{path}: expected model=dict(backbone=dict(...), head=dict(...), ...) in it')
    model['backbone'].pop('init_cfg', None)
    return model


def _count(path: str, model: Any) -> dict[str, float]:
    from vitpose_mm.cost import count

    try:
        counted = count(model)
    except (ValueError, TypeError, KeyError) as problem:
        raise ValueError(f'{path}: {problem.args[0]}') from problem
    parameters = (counted.parameters / 1e6, counted.trainable_parameters / 1e6)
    whole = dict(zip(WHOLE, (*parameters, counted.backbone_macs / 1e9, counted.trainable_macs / 1e9), strict=True))
    return whole | {f'{part} GMACs': macs / 1e9 for part, macs in counted.macs.items()}


def _measure(models: list, args: argparse.Namespace) -> list[dict[str, float]]:
    from rich.progress import Progress

    from vitpose_mm.cost import measure
    from vitpose_mm.cost.measure import MODES

    modes = (args.only,) if args.only else MODES
    rows: list[dict[str, float]] = [{} for _ in models]
    with started(), Progress(transient=True) as progress:
        task = progress.add_task('measuring', total=len(modes) * len(models) * (args.steps + 2))
        for mode in modes:
            settings = (args.batch, args.device, args.dtype, args.steps)
            measured = measure(models, mode, *settings, lambda: progress.advance(task))
            for row, figures in zip(rows, measured, strict=True):
                row[f'{mode}, s per step of {args.batch}'] = figures.seconds
                row[f'{mode}, peak MiB'] = figures.peak_bytes / 2**20
    return rows


def _tables(names: list[str], figures: list[dict[str, float]], compare: bool) -> Iterator[Any]:
    """Yield tables with one row per config: the model, its GMACs by part, and what was measured."""
    from rich import box
    from rich.table import Table

    parts = [key for key in figures[0] if key.endswith('GMACs') and key not in WHOLE]
    measured = [key for key in figures[0] if key not in (*WHOLE, *parts)]
    for title, keys in (('model', WHOLE), ('GMACs by part', parts), ('measured', measured)):
        if not keys:
            continue
        table = Table(title=title, title_justify='left', box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column('config', overflow='fold')
        for key in keys:
            header = key.removesuffix(' GMACs') if keys is parts else key
            table.add_column(textwrap.fill(header, 12), justify='right', no_wrap=True)
        for name, row in zip(_shortened(names), figures, strict=True):
            ratios = [
                f'\nx{row[key] / figures[0][key]:.2f}' if compare and row is not figures[0] and figures[0][key] else ''
                for key in keys
            ]
            table.add_row(name, *(f'{row[key]:,.2f}{ratio}' for key, ratio in zip(keys, ratios, strict=True)))
        yield table


def _shortened(names: list[str]) -> list[str]:
    """Remove the words that all names begin or end with."""
    if len(names) == 1:
        return names
    start = re.sub('[^-_]*$', '', os.path.commonprefix(names))
    end = re.sub('^[^-_]*', '', os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1])
    return [name[len(start) : len(name) - len(end)] for name in names]
