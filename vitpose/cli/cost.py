"""`vitpose cost`: parameters, MACs, and measured time and memory of configs."""

import argparse
import json
import os
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, started
from ..runs.table import figures_table
from ..shipped import find_config
from .paths import check_readable
from .shared_options import add_device, check_positive

WHOLE = ('parameters, M', 'trainable parameters, M', 'backbone GMACs', 'trainable GMACs')  # figures of the whole model
EPILOG = """examples:
  vitpose cost --measure --batch 4 configs/coco/vitpose-base_coco-256x192.py
  vitpose cost --compare configs/attention/*.py --json cost.json

MACs are multiply-accumulates of one image, counted from the model as built;
papers often call them FLOPs. Trainable MACs belong to the parts of the backbone
that train. --measure adds time and memory of one training step (forward,
backward, AdamW) and of inference, on random images. For a distillation config
all figures are the student's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('configs', nargs='+', type=lambda text: str(find_config(text)), metavar='CONFIG', help='config files')
    add('--compare', action='store_true', help='print ratios to the first config')
    add('--measure', action='store_true', help='also measure time and peak memory')
    add('--only', choices=('train', 'inference'), help='measure only this')
    add('--batch', type=int, default=1, help='images per measured step (default 1)')
    add_device(parser, 'cpu', 'cpu, cuda, cuda:1')
    add('--dtype', choices=('float32', 'bfloat16'), default='float32', help='bfloat16 measures under autocast')
    add('--steps', type=int, default=5, metavar='N', help='measured steps per config; the median is shown (default 5)')
    add('--json', type=Path, metavar='FILE', help='also write the figures to this file')


def run(args: argparse.Namespace) -> None:
    check_positive(args, 'batch', 'steps')
    for path in args.configs:
        check_readable(path, 'config file')
        if Path(path).suffix not in ('.py', '.json', '.yml', '.yaml'):
            expected = 'expected a config, .py, .json or .yml; a checkpoint does not say what its model is'
            raise InputError(f'{path}: {expected}')
    import torch
    from rich.console import Console

    from vitpose_base.files import write_text

    if args.device != 'cpu' and not (args.device.startswith('cuda') and torch.cuda.is_available()):
        raise ValueError(f"--device {args.device}: expected 'cpu', or 'cuda' where torch finds a GPU")
    models, figures = zip(*map(_count, args.configs), strict=True)
    if args.measure or args.only:
        _measure(list(models), figures, args)
    names = [Path(path).stem for path in args.configs]
    names = names if len(set(names)) == len(names) else args.configs  # as each `config.py` of `vitpose dataset`
    Console().print(*_tables(names, figures, args.compare))
    if args.json:
        write_text(args.json, json.dumps(dict(zip(names, figures, strict=True)), indent=2))


def _count(path: str) -> tuple[Any, dict[str, float]]:
    """Read a config's model, without its initial weights, which do not change its cost, and count."""
    from vitpose_mm.cost import count

    from ..predict.models.torch_model import read_config

    model: Any = read_config(path)[0].model
    if not all(isinstance(model.get(part), dict) for part in ('backbone', 'head')):
        raise ValueError(f'{path}: expected model=dict(backbone=dict(...), head=dict(...), ...) in it')
    model['backbone'].pop('init_cfg', None)
    try:
        counted = count(model)
    except (ValueError, TypeError, KeyError) as problem:
        raise ValueError(f'{path}: {problem.args[0]}') from problem
    millions = (counted.parameters / 1e6, counted.trainable_parameters / 1e6)
    row = dict(zip(WHOLE, (*millions, counted.backbone_macs / 1e9, counted.trainable_macs / 1e9), strict=True))
    return model, row | {f'{part} GMACs': macs / 1e9 for part, macs in counted.macs.items()}


def _measure(models: list[Any], rows: Sequence[dict[str, float]], args: argparse.Namespace) -> None:
    """Measure all models in each mode, and add the figures to their rows."""
    from rich.progress import Progress

    from vitpose_mm.cost import measure
    from vitpose_mm.cost.measure import MODES

    modes = (args.only,) if args.only else MODES
    with started(), Progress(transient=True) as progress:
        task = progress.add_task('measuring', total=len(modes) * len(models) * (args.steps + 2))
        for mode in modes:
            settings = (args.batch, args.device, args.dtype, args.steps)
            measured = measure(models, mode, *settings, lambda: progress.advance(task))
            for row, figures in zip(rows, measured, strict=True):
                row[f'{mode}, s per step of {args.batch}'] = figures.seconds
                row[f'{mode}, peak MiB'] = figures.peak_bytes / 2**20


def _tables(names: list[str], figures: Sequence[dict[str, float]], compare: bool) -> Iterator[Any]:
    """Yield tables with one row per config: the model, its GMACs by part, and what was measured."""
    first = figures[0]
    parts = [key for key in first if key.endswith('GMACs') and key not in WHOLE]
    measured = [key for key in first if key not in (*WHOLE, *parts)]
    for title, keys in (('model', WHOLE), ('GMACs by part', parts), ('measured', measured)):
        headings = [textwrap.fill(key.removesuffix(' GMACs') if keys is parts else key, 12) for key in keys]
        table = figures_table(title, 'config', *headings)
        for name, row in zip(_shortened(names), figures, strict=True):
            with_ratio = compare and row is not first
            ratios = (f'\nx{row[key] / first[key]:.2f}' if with_ratio and first[key] else '' for key in keys)
            table.add_row(name, *(f'{row[key]:,.2f}{ratio}' for key, ratio in zip(keys, ratios, strict=True)))
        if keys:
            yield table


def _shortened(names: list[str]) -> list[str]:
    """Remove the words that all names begin or end with."""
    if len(names) == 1:
        return names
    start = re.sub('[^-_]*$', '', os.path.commonprefix(names))
    end = re.sub('^[^-_]*', '', os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1])
    return [name[len(start) : len(name) - len(end)] for name in names]
