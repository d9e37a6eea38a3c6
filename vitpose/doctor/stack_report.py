"""The report of `vitpose doctor`: what is installed, what was tested, what is missing, and how to fix it."""

import json
import subprocess
import sys
from typing import NamedTuple

from ..shipped import TOP
from . import stack
from .known_bad import find_known_bad, is_published_wheel, lacks_ops
from .machine import find_machine_problems

TESTED_PYTHONS = ((3, 10), (3, 12))
# reports each import as soon as it is done, so that a crash can be attributed to its module
_IMPORT = """
import importlib, json, sys
for name in sys.argv[1:]:
    print(json.dumps([name, None]), flush=True)
    try:
        importlib.import_module(name)
        error = ''
    except BaseException as problem:
        error = f'{type(problem).__name__}: {problem}'
    print(json.dumps([name, error]), flush=True)
"""
_DEVICES = """
import torch
from mmcv.ops import get_compiling_cuda_version
gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
print(gpus, get_compiling_cuda_version())
"""


class Row(NamedTuple):
    """A line of the table."""

    name: str
    installed: str
    tested: str
    state: str  # ok, untested, optional, missing or broken
    note: str = ''
    fix: str = ''


def find_import_errors(modules: list[str], python: str = sys.executable) -> dict[str, str]:
    """Import modules in another process and return the error of each, or ''.

    If a module kills the process, its error is the exit code, and a new process imports the modules after it.
    """
    errors: dict[str, str] = {}
    left = list(modules)
    while left:
        command = [python, '-W', 'ignore', '-c', _IMPORT, *left]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        begun = left[0]
        for line in done.stdout.splitlines():
            if line.startswith('["'):
                begun, error = json.loads(line)
                if error is not None:
                    errors[begun] = error
        if begun not in errors:
            errors[begun] = f'the process died with code {done.returncode}'
        left = [name for name in left if name not in errors]
    return errors


def examine(versions: stack.Versions, pins: stack.Versions, errors: dict[str, str]) -> list[Row]:
    """Compare every part of the stack with the tested version.

    Args:
        versions: the installed version of each distribution.
        pins: the tested versions.
        errors: from `find_import_errors`.
    """
    rows = []
    for part in stack.PARTS:
        # the installed distribution, otherwise the tested one
        present = [name for name in part.distributions if name in versions]
        name = (present or [n for n in part.distributions if n in pins] or part.distributions)[0]
        installed, tested = versions.get(name, ''), pins.get(name, '')
        error = errors.get(part.module, '')
        note = f'only for {part.optional_for}' if part.optional_for else ''
        command = stack.fix_command(name, pins)
        if not present:
            state = 'optional' if part.optional_for else 'missing'
        elif error:
            state, note, command = 'broken', error, stack.fix_command(name, pins, again=True)
        else:
            same = not tested or installed.split('+')[0] == tested.split('+')[0]
            state, command = ('ok' if same else 'untested'), ''
        rows.append(Row(name, installed, tested, state, note, command))
    return rows


def python_row() -> Row:
    """Compare the running Python with the tested versions."""
    version = '.'.join(map(str, sys.version_info[:3]))
    oldest, newest = ('.'.join(map(str, bound)) for bound in TESTED_PYTHONS)
    tested = f'{oldest} to {newest}'
    if sys.version_info[:2] <= TESTED_PYTHONS[1]:
        return Row('Python', version, tested, 'ok')
    note = f'xtcocotools does not build on 3.13; make a venv with Python {newest} or older'
    return Row('Python', version, tested, 'untested', note)


def device_notes() -> list[str]:
    """Say on which devices torch and mmcv's ops run, if they can be imported."""
    done = subprocess.run([sys.executable, '-c', _DEVICES], capture_output=True, text=True)
    if done.returncode:
        return []
    gpus, cuda = done.stdout.strip().splitlines()[-1].split(' ', 1)
    if gpus == '0':
        return ['torch finds no GPU: training and testing run on the CPU.']
    if cuda == 'not available':
        return [
            f"{gpus} GPU(s), but mmcv's ops are built for the CPU only: ViTPose trains and tests "
            "on a GPU without them, but MMDetection's detectors do not."
        ]
    return [f"{gpus} GPU(s); mmcv's ops are built for CUDA {cuda}."]


class Report(NamedTuple):
    """The title and rows of the table, lines to print below it, and whether everything needed works."""

    title: str
    rows: list[Row]
    lines: list[str]
    good: bool


def make_report(imports: bool = True) -> Report:
    """Examine the stack; with `imports`, import every part, which takes ten seconds."""
    versions = stack.find_installed()
    name = stack.choose_stack(versions)
    pins = stack.read_stack(name)
    present = [part.module for part in stack.PARTS if set(part.distributions) & versions.keys()]
    errors = find_import_errors(present) if imports else {}
    rows = [python_row(), *examine(versions, pins, errors)]
    problems = find_known_bad(versions, pins, is_published_wheel('xtcocotools'), lacks_ops())
    wrong = [row for row in rows if row.state in ('missing', 'broken')]
    optional = {name for part in stack.PARTS if part.optional_for for name in part.distributions}
    lines = [f'Known to fail: {message}.\n    {command}' for message, command in problems]
    if wrong:
        lines += [f'Installing may fail: {message}.\n    {command}' for message, command in find_machine_problems()]
    for row in wrong:
        lines.append(f'{row.name} is {row.state}{": " + row.note if row.state == "broken" else ""}\n    {row.fix}')
    if imports:
        lines += device_notes()
    good = not problems and all(row.name in optional for row in wrong)
    if good:
        lines.append('Everything that is needed is installed.')
    elif (TOP / 'Makefile').exists():
        lines.append(
            'In this checkout `make venv` installs the whole tested stack into .venv. If it cannot download: uv '
            'reads UV_DEFAULT_INDEX and SSL_CERT_FILE; `make venv` also passes on PIP_INDEX_URL and PIP_FIND_LINKS.'
        )
    return Report(f'the stack, against requirements/{name}.txt', rows, lines, good)
