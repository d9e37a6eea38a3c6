"""The command `vitpose`: reads the subcommand's name and imports that one alone."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

COMMANDS = {
    'doctor': 'what is installed, what was tested, what is missing, and how to fix it',
    'synth': 'render people with true keypoints, in COCO layout',
    'cost': 'parameters, MACs by part, and measured time and memory of configs',
    'split': "one dataset's plain model out of a multi-dataset model",
    'token': "take a trained knowledge token out of a teacher's checkpoint",
    'teacher-cache': "keep a teacher's heatmaps of a training set, so that it runs once",
    'demo': 'render, train, test and show a small ViTPose, from nothing',
}
EPILOG = """training and testing go through MIM, as in all of OpenMMLab:
  mim train mmpose CONFIG
  mim test mmpose CONFIG --checkpoint FILE
CONFIG is such as configs/coco/vitpose-base_coco-256x192.py; the configs are in
configs/ of a checkout, and in vitpose_mm/.mim/configs of an installation.

first steps:
  vitpose doctor           is everything there?
  vitpose demo --out demo  twelve minutes on two cores, nothing to download
"""


def module_of(name: str) -> ModuleType:
    """Import the file of a subcommand."""
    return importlib.import_module(f'vitpose.cli.{name.replace("-", "_")}')


def build_parser(loaded: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Build the parser; subcommands in ``loaded`` are imported, the others are a line each."""
    parser = argparse.ArgumentParser(
        prog='vitpose',
        description='ViTPose for MMPose 1.x.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', title='commands')
    for name, line in COMMANDS.items():
        if name in loaded:
            module_of(name).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=line)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vitpose`` with ``argv`` (None: the command line's) and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = words[0] if words and words[0] in COMMANDS else None
    parser = build_parser((name,) if name else ())
    args = parser.parse_args(words)
    if name is None:
        parser.print_help()
        return 0
    return module_of(name).run(args) or 0


if __name__ == '__main__':
    sys.exit(main())
