"""Contestants by name: ours, and those that `register` adds, as projects/peers does for other tools.

To add a contestant, write a class with the stages of `Contestant`, and register a function that makes it from a
`Setup`. The function imports the contestant's packages, and raises `LeftOut` with the reason if it cannot run here.
Timing, comparison, table and JSON follow; `vitpose.cli.main.main(['bench', ...])` then measures it beside ours.
"""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec

from ..errors import InputError
from .bench_setup import Setup
from .contestant import REFERENCE, Contestant, LeftOut

Make = Callable[[Setup], Contestant]
CONTESTANTS: dict[str, Make] = {}


def register(name: str, make: Make) -> None:
    """Add a contestant, which `make` makes, under a name for tables, JSON and `--only`. ValueError if it is taken."""
    if name in CONTESTANTS:
        raise InputError(f'{name!r} is already the name of a contestant; choose another one')
    CONTESTANTS[name] = make


def check_packages(command: str, *packages: str) -> None:
    """Raise `LeftOut` with the command that installs them unless all packages are installed."""
    if missing := [name for name in packages if find_spec(name) is None]:
        raise LeftOut(f'{", ".join(missing)} not installed: {command}')


def make_contestants(setup: Setup, names: Sequence[str] = ()) -> tuple[dict[str, Contestant], dict[str, str]]:
    """Make the contestants with these names, by default all, and always the reference, which comes first.

    Returns them by name, and by name the reason why others are left out: they cannot run.
    """
    check_names(names)
    made, left_out = {}, {}
    for name, make in CONTESTANTS.items():
        if not names or name in (REFERENCE, *names):
            try:
                made[name] = make(setup)
            except LeftOut as reason:
                left_out[name] = ' '.join(str(reason).split())
    return made, left_out


def check_names(names: Sequence[str]) -> None:
    """Raise a ValueError for a name that is not one of `CONTESTANTS`."""
    if unknown := [name for name in names if name not in CONTESTANTS]:
        raise InputError(f'--only {" ".join(unknown)}: expected some of {", ".join(CONTESTANTS)}')


def _make(name: str, setup: Setup) -> Contestant:
    """Make one of ours: its name says the kind of file, if any, and the precision."""
    kind, precision = name.split('-')
    if kind != 'ours':
        packages = ['onnx', 'onnxscript', 'onnxruntime' if kind == 'onnx' else 'openvino']
        check_packages("pip install 'vitpose_mm[export]'", *packages, *(['nncf'] if precision == 'int8' else []))
    from .ours import Exported, Ours

    return Ours(setup, precision) if kind == 'ours' else Exported(setup, kind, precision)


for _name in (REFERENCE, 'ours-bf16', 'onnx-fp32', 'openvino-fp32', 'openvino-bf16', 'openvino-int8'):
    register(_name, partial(_make, _name))
