"""The report of `vitpose doctor`: what is installed, what was tested, what is missing, and how to fix it."""

import json
import subprocess
import sys
from typing import NamedTuple

from ..shipped import TOP
from . import stack
from .known_bad import is_published_wheel, known_bad, lacks_ops
from .machine import machine_problems

PYTHONS = ((3, 10), (3, 12))
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
    """A line of the table. ``state`` is ok, untested, optional, missing or broken."""

    name: str
    installed: str
    tested: str
    state: str
    note: str = ''
    fix: str = ''


def import_errors(modules: list[str], python: str = sys.executable) -> dict[str, str]:
    """Import modules in another process and return ``{module: error}``, '' where there is none.

    The error of a module that kills its process is the exit code; the modules after it are imported in
    a new process.
    """
    errors: dict[str, str] = {}
    left = list(modules)
    while left:
        done = subprocess.run(
            [python, '-W', 'ignore', '-c', _IMPORT, *left], capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
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
        versions: The installed version of each distribution.
        pins: The tested versions.
        errors: ``import_errors`` of the parts; a part that is absent was not imported.
    """
    rows = []
    for part in stack.PARTS:
        # the distribution that is installed, else the tested one
        known = [name for name in part.distributions if name in versions]
        name = (known or [n for n in part.distributions if n in pins] or part.distributions)[0]
        found, wanted = versions.get(name, ''), pins.get(name, '')
        error = errors.get(part.module, '')
        note = f'only for {part.optional_for}' if part.optional_for else ''
        command = stack.fix(name, pins)
        if not known:
            state = 'optional' if part.optional_for else 'missing'
        elif error:
            state, note, command = 'broken', error, stack.fix(name, pins, again=True)
        else:
            same = not wanted or found.split('+')[0] == wanted.split('+')[0]
            state, command = ('ok' if same else 'untested'), ''
        rows.append(Row(name, found, wanted, state, note, command))
    return rows


def python_row() -> Row:
    """Compare the running Python with the tested versions."""
    version = '.'.join(map(str, sys.version_info[:3]))
    least, most = ('.'.join(map(str, bound)) for bound in PYTHONS)
    tested = f'{least} to {most}'
    if sys.version_info[:2] > PYTHONS[1]:
        note = f'xtcocotools does not build on 3.13; make a venv with Python {most} or older'
        return Row('Python', version, tested, 'untested', note)
    return Row('Python', version, tested, 'ok')


def device_notes() -> list[str]:
    """Say on which devices torch and mmcv's ops run; nothing if they cannot be imported."""
    done = subprocess.run([sys.executable, '-c', _DEVICES], capture_output=True, text=True)
    if done.returncode:
        return []
    gpus, cuda = done.stdout.strip().splitlines()[-1].split(' ', 1)
    if gpus == '0':
        return ['No GPU that torch can use: training and testing run on the CPU.']
    if cuda == 'not available':
        return [
            f"{gpus} GPU(s), but mmcv's ops are built for the CPU only: ViTPose trains and tests "
            "on a GPU without them, MMDetection's detectors do not."
        ]
    return [f"{gpus} GPU(s); mmcv's ops are built for CUDA {cuda}."]


class Report(NamedTuple):
    """The title and the rows of the table, lines to print below it, and whether nothing that is needed fails."""

    title: str
    rows: list[Row]
    lines: list[str]
    good: bool


def report(imports: bool = True) -> Report:
    """Examine the stack.

    Args:
        imports: Import every part, which takes ten seconds; without, only versions are compared.
    """
    versions = stack.installed()
    name = stack.stack_of(versions)
    pins = stack.tested(name)
    errors: dict[str, str] = {}
    if imports:
        present = [p.module for p in stack.PARTS if set(p.distributions) & versions.keys()]
        errors = import_errors(present)
    rows = [python_row(), *examine(versions, pins, errors)]
    pairs = known_bad(versions, pins, is_published_wheel('xtcocotools'), lacks_ops())
    wrong = [row for row in rows if row.state in ('missing', 'broken')]
    optional = {name for part in stack.PARTS if part.optional_for for name in part.distributions}
    lines = [f'Known to fail: {message}.\n    {command}' for message, command in pairs]
    if wrong:
        lines += [f'Installing may fail: {message}.\n    {command}' for message, command in machine_problems()]
    for row in wrong:
        lines.append(f'{row.name} is {row.state}{": " + row.note if row.state == "broken" else ""}\n    {row.fix}')
    if imports:
        lines += device_notes()
    good = not pairs and all(row.name in optional for row in wrong)
    if good:
        lines.append('Everything that is needed is installed.')
    elif (TOP / 'Makefile').exists():
        lines.append(
            'In this checkout `make venv` installs the whole tested stack into .venv. Where it cannot download: uv '
            'reads UV_DEFAULT_INDEX and SSL_CERT_FILE; `make venv` also passes on PIP_INDEX_URL and PIP_FIND_LINKS.'
        )
    return Report(f'the stack, against requirements/{name}.txt', rows, lines, good)
