"""Options that several commands have."""

import argparse
from collections.abc import Sequence
from typing import Any

from ..errors import InputError, one_line

ONNX_DEVICES = 'cpu, cuda, cuda:1, mps; for ONNX files coreml, directml'


def add_device(parser: Any, default: str = 'auto', names: str = 'cpu, cuda, cuda:1, mps') -> None:
    shown = ': cuda if there is one' if default == 'auto' else f' {default}'
    parser.add_argument('--device', default=default, help=f'{names} (default{shown})')


def add_rendering(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('--train', type=int, default=4800, metavar='N', help='number of training images (default 4800)')
    add('--val', type=int, default=250, metavar='M', help='number of held-out images (default 250)')
    add('--seed', type=int, default=0, metavar='S', help='random seed of the images (default 0)')
    text = 'easy: little occlusion, high contrast; hard: any pose, crowds, truncation, blur, noise (default easy)'
    add('--difficulty', choices=('easy', 'hard'), default='easy', help=text)


def add_config_options(parser: Any) -> None:
    text = 'override keys of the config, as in `mim train`'
    parser.add_argument('--cfg-options', nargs='+', action='extend', default=[], metavar='KEY=VALUE', help=text)


def parse_config_options(words: Sequence[str]) -> dict[str, Any]:
    """Parse the words of --cfg-options as MMEngine does."""
    if wrong := [word for word in words if not word.partition('=')[0] or '=' not in word]:
        raise InputError(f'--cfg-options {wrong[0]}: expected KEY=VALUE')
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    try:
        return parser.parse_args(['--cfg-options', *words] if words else []).cfg_options
    except (AssertionError, ValueError) as problem:  # of brackets
        raise InputError(f'--cfg-options {" ".join(words)}: {one_line(problem)}') from problem


def check_positive(args: argparse.Namespace, *names: str) -> None:
    """Refuse options below 1; None passes."""
    for name in names:
        value = getattr(args, name)
        if value is not None and value < 1:
            raise InputError(f'--{name.replace("_", "-")} {value}: expected at least 1')
