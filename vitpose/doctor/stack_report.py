"""The report of `vitpose doctor`: what is installed, what was tested, what is missing, and how to fix it."""

import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..shipped import TOP
from . import stack
from .known_bad import find_known_bad, find_machine_problems, is_published_wheel, lacks_ops

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
torch, ops = map(sys.modules.get, ('torch', 'mmcv.ops'))
if torch and ops:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    print(json.dumps(['', f'{gpus} {ops.get_compiling_cuda_version()}']), flush=True)
"""


class Row(NamedTuple):
    """A line of the table."""

    name: str
    installed: str
    tested: str
    state: str  # ok, untested, optional, missing or broken
    note: str = ''
    fix: str = ''


def find_import_errors(modules: Sequence[str]) -> dict[str, str]:
    """Import modules in another process and return the error of each, or ''; a killed process gives its exit code.

    The entry '' is the number of GPUs, and the version of CUDA for which mmcv's ops are built.
    """
    errors: dict[str, str] = {}
    while left := [name for name in modules if name not in errors]:
        command = [sys.executable, '-W', 'ignore', '-c', _IMPORT, *left]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        begun = left[0]
        for line in done.stdout.splitlines():
            if line.startswith('["'):
                begun, error = json.loads(line)
                if error is not None:
                    errors[begun] = error
        if begun not in errors:
            errors[begun] = f'the process died with code {done.returncode}'
    return errors


def examine(versions: stack.Versions, pins: stack.Versions, errors: dict[str, str]) -> Iterator[Row]:
    """Compare the installed version of every part with the tested one; `errors` are from `find_import_errors`."""
    for part in stack.PARTS:
        # the installed distribution, otherwise the tested one
        present = [name for name in part.distributions if name in versions]
        name = (present or [name for name in part.distributions if name in pins] or part.distributions)[0]
        installed, tested = versions.get(name, ''), pins.get(name, '')
        error = errors.get(part.module, '')
        note = error or (f'only for {part.optional_for}' if part.optional_for else '')
        if not present:
            state = 'optional' if part.optional_for else 'missing'
        else:
            same = not tested or installed.split('+')[0] == tested.split('+')[0]
            state = 'broken' if error else 'ok' if same else 'untested'
        yield Row(name, installed, tested, state, note, stack.fix_command(name, pins, again=bool(error)))


def device_note(devices: str) -> str:
    """Say on which devices torch and mmcv's ops run, from the entry '' of `find_import_errors`."""
    gpus, _, cuda = devices.partition(' ')
    if gpus == '0':
        return 'torch finds no GPU: training and testing run on the CPU.'
    if cuda != 'not available':
        return f"{gpus} GPU(s); mmcv's ops are built for CUDA {cuda}."
    without = "ViTPose trains and tests on a GPU without them, but MMDetection's detectors do not."
    return f"{gpus} GPU(s), but mmcv's ops are built for the CPU only: {without}"


def make_report(imports: bool = True) -> tuple[str, list[Row], list[str], bool]:
    """Examine the stack; with `imports`, import every part, which takes ten seconds.

    Returns title and rows of the table, lines to print below it, and whether everything needed works.
    """
    versions = stack.find_installed()
    name = stack.choose_stack(versions)
    pins = stack.read_stack(name)
    present = [part.module for part in stack.PARTS if set(part.distributions) & versions.keys()]
    errors = find_import_errors(present) if imports else {}
    oldest, newest = ('.'.join(map(str, bound)) for bound in TESTED_PYTHONS)
    note = f'xtcocotools does not build on 3.13; make a venv with Python {newest} or older'
    state, note = ('ok', '') if sys.version_info[:2] <= TESTED_PYTHONS[1] else ('untested', note)
    python = Row('Python', platform.python_version(), f'{oldest} to {newest}', state, note)
    rows = [python, *examine(versions, pins, errors)]
    problems = list(find_known_bad(versions, pins, is_published_wheel('xtcocotools'), lacks_ops()))
    wrong = [row for row in rows if row.state in ('missing', 'broken')]
    optional = {name for part in stack.PARTS if part.optional_for for name in part.distributions}
    lines = [f'Known to fail: {what}.\n    {fix}' for what, fix in problems]
    if wrong:
        lines += [f'Installing may fail: {what}.\n    {fix}' for what, fix in find_machine_problems()]
    for row in wrong:
        lines.append(f'{row.name} is {row.state}{": " + row.note if row.state == "broken" else ""}\n    {row.fix}')
    if '' in errors:
        lines.append(device_note(errors['']))
    good = not problems and all(row.name in optional for row in wrong)
    if good:
        lines.append('Everything that is needed is installed.')
    elif (TOP / 'Makefile').exists():
        text = 'In this checkout `make venv` installs the tested stack into .venv. If it cannot download: uv reads '
        more = 'UV_DEFAULT_INDEX and SSL_CERT_FILE; `make venv` also passes on PIP_INDEX_URL and PIP_FIND_LINKS.'
        lines.append(text + more)
    return f'the stack, against requirements/{name}.txt', rows, lines, good
