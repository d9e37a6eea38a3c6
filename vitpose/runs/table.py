"""Format tables of results as Markdown and for the terminal."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def machine() -> str:
    """Describe the machine in one line: processor, usable cores, GPU, Python and torch."""
    import torch

    cpuinfo = Path('/proc/cpuinfo')  # of Linux, where `platform` gives no name
    match = re.search(r'^model name\s*: (.+)', cpuinfo.read_text('utf-8'), re.MULTILINE) if cpuinfo.exists() else None
    name = match[1].strip() if match else platform.processor() or platform.machine()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'
    return f'{name}, {usable_cores()} cores, {device}, Python {platform.python_version()}, torch {torch.__version__}'


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def minutes(seconds: float) -> str:
    """Format a duration in seconds as m:ss min."""
    return '{}:{:02d} min'.format(*divmod(round(seconds), 60))


def markdown(title: str, rows: Mapping[str, str], paragraphs: Sequence[str] = ()) -> str:
    """Format a Markdown page: a title, a table of two columns, then paragraphs."""
    width = max(map(len, rows))
    table = [f'| {"":{width}} | |', f'|{"-" * (width + 2)}|---|']
    table += [f'| {name:{width}} | {value} |' for name, value in rows.items()]
    return '\n\n'.join([f'# {title}', '\n'.join(table), *paragraphs]) + '\n'


def figures_table(title: str, *headings: str, caption: str | None = None, fold_names: bool = True) -> Any:
    """Return a rich table of names and right-aligned figures; in a narrow terminal names fold, or figures instead."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, caption=caption, title_justify='left', box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, heading in enumerate(headings):
        table.add_column(heading, justify='right' if i else 'left', no_wrap=fold_names == bool(i), overflow='fold')
    return table


def print_table(title: str, rows: Mapping[str, str]) -> None:
    """Print a table of two columns on the terminal; nothing in it is rich's markup."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, show_header=False)
    table.add_column(style='bold', no_wrap=True)
    table.add_column(overflow='fold')
    for row in rows.items():
        table.add_row(*row)
    Console(markup=False, emoji=False).print(table)
