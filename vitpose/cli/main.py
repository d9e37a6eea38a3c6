"""The command `vitpose`: imports the subcommand that is asked for, and no other.

A subcommand is a file with `add_arguments(parser)` and `run(args)`, which returns an exit code or None, and
optionally with a DESCRIPTION and an EPILOG for its help.
"""

import argparse
import importlib
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import ModuleType
from typing import Any

from ..errors import FailedError, InputError, VitPoseError, is_bug, one_line

COMMANDS = {
    'predict': 'poses in images and videos, drawn and as JSON',
    'eval': 'scores of finished predictions: AP, PCK, error in pixels',
    'dataset': 'your annotated images: check, split, and write a config to train with',
    'train': 'train on a config: progress, report, the next commands',
    'calibrate': 'scores that are probabilities: fit them to held-out people',
    'check': 'find problems in the images and annotations of a config',
    'models': 'models by name: list, download, verify',
    'bench': 'speed of prediction with each backend, or of training',
    'doctor': 'what is installed, what was tested, what is missing, and how to fix it',
    'synth': 'render people or animals with true keypoints, in the layout of COCO and others',
    'cost': 'parameters, MACs by part, and measured time and memory of configs',
    'inspect': 'origin and content of a checkpoint; metadata of an exported file',
    'convert': 'write a checkpoint in the format of MMPose, the authors, transformers or safetensors',
    'split': "extract one dataset's plain model from a multi-dataset model",
    'token': "extract a trained knowledge token from a teacher's checkpoint",
    'teacher-cache': "store a teacher's heatmaps of a training set, so that the teacher runs only once",
    'export': 'write an ONNX or OpenVINO file that predicts without torch',
    'app': 'a web page that predicts and draws poses in uploaded images and videos',
    'demo': 'render people, train and test a small ViTPose on them, show the result',
}
EPILOG = """training and testing also go through MIM, as in all of OpenMMLab:
  mim train mmpose CONFIG
  mim test mmpose CONFIG --checkpoint FILE
CONFIG is, for example, configs/coco/vitpose-base_coco-256x192.py. Look for
configs in configs/ of a checkout or vitpose_mm/.mim/configs of an installation.

first steps:
  vitpose doctor           is everything installed?
  vitpose demo --out demo  8 to 14 minutes on two cores, no download

exit code: 0 on success; 1 if the work was started and failed; 2 if nothing was
started; 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP (vitpose app: 0)
"""
REFUSALS = ValueError, KeyError, OSError, ImportError, AssertionError, VitPoseError  # unless `is_bug`


def module_of(name: str) -> ModuleType:
    return importlib.import_module(f'vitpose.cli.{name.replace("-", "_")}')


def build_parser(loaded: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Build the parser; import the subcommands in `loaded`; the others only get a line of help."""
    raw: Any = partial(argparse.ArgumentParser, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser = raw(prog='vitpose', description='ViTPose for MMPose 1.x.', epilog=EPILOG)
    subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', title='commands', parser_class=raw)
    for name, line in COMMANDS.items():
        module = module_of(name) if name in loaded else None
        description, epilog = getattr(module, 'DESCRIPTION', line), getattr(module, 'EPILOG', None)
        subparser = subparsers.add_parser(name, help=line, description=description, epilog=epilog)
        if module:
            module.add_arguments(subparser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `vitpose` with `argv`, by default the command line, and return its exit code.

    Every command may raise. What the user can correct becomes one line on stderr and the exit code 2, or 1 once the
    work has started; Ctrl-C gives 130, SIGTERM 143 and SIGHUP 129, all after the files are finished; and an output
    closed by its reader, as in `vitpose models | head -1`, 141. An error in this program keeps its traceback.
    """
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')  # its lines about images that Pillow reads; read on import
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')  # file names need not be UTF-8
    with _warnings(), _signals() as received:
        return _run(list(sys.argv[1:] if argv is None else argv), received)


def _run(words: list[str], received: list[int]) -> int:
    name = words[0] if words and words[0] in COMMANDS else None
    title = f'vitpose {name}'
    try:
        try:
            parser = build_parser((name,) if name else ())
            args, others = parser.parse_known_args(words)
            has_model = getattr(args, 'checkpoint', None) or getattr(args, 'model', None)
            extra = [*others, *(getattr(args, 'inputs', ()) if has_model else ())]
            if checkpoints := [word for word in extra if word.endswith('.pth')]:  # a glob that the shell expanded
                raise InputError(f'pass one checkpoint, not several: {", ".join(checkpoints)}')
            if others:
                parser.error(f'unrecognized arguments: {" ".join(others)}')
            if name is None:
                parser.print_help()
                return 0
            title = getattr(args, 'title', title)
            return module_of(name).run(args) or 0
        finally:
            sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        if isinstance(end, SystemExit) and not isinstance(end.__context__, BrokenPipeError):  # which rich turns into it
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it again at exit
        return 141
    except (KeyboardInterrupt, Exception) as problem:
        if received or isinstance(problem, KeyboardInterrupt):  # the interrupted code may raise anything
            is_said = problem.args and isinstance(problem, KeyboardInterrupt | FailedError)
            message = f'interrupted; {one_line(problem)}' if is_said else 'interrupted'
            code = 128 + (received or [signal.SIGINT])[0]
        elif isinstance(problem, REFUSALS) and not is_bug(problem):
            message, code = one_line(problem), 1 if isinstance(problem, FailedError) else 2
            if isinstance(problem, ImportError | AssertionError):
                message += '; `vitpose doctor` says what is missing and how to install it'
        else:
            raise
    with suppress(OSError):  # of a terminal that was closed
        print(f'{title}: {message}', file=sys.stderr)
    return code


@contextmanager
def _warnings() -> Iterator[None]:
    """Print the library's warnings on stderr, as `logging` does without handlers, even if the root logger has some."""
    logger = logging.getLogger('vitpose')
    propagate, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.propagate = propagate


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Turn SIGTERM and SIGHUP into the KeyboardInterrupt of Ctrl-C; yield the list of the signals that arrive.

    A second SIGTERM or SIGHUP is ignored, so that the files are finished. Those that are ignored, as by nohup, or
    handled by others stay so; child processes end at once.
    """
    received: list[int] = []
    process = os.getpid()

    def interrupt(number: int, frame: object) -> None:
        if os.getpid() != process and number != signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif number == signal.SIGINT or not received:
            received.append(number)
            raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ('SIGINT', 'SIGTERM', 'SIGHUP') if hasattr(signal, name)]
    free = (signal.SIG_DFL, signal.default_int_handler)
    is_main = threading.current_thread() is threading.main_thread()
    previous = {number: signal.getsignal(number) for number in numbers if is_main and signal.getsignal(number) in free}
    try:
        for number in previous:
            signal.signal(number, interrupt)
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
