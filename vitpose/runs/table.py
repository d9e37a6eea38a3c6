"""Format tables of results as Markdown and for the terminal."""

import os
import platform
from collections.abc import Mapping, Sequence


def machine() -> str:
    """Describe the machine in one line: processor, usable cores, GPU, Python and torch."""
    import torch

    name = platform.processor() or platform.machine()
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as lines:
            name = next((line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')), name)
    except OSError:
        pass  # not Linux: keep the name that `platform` gives
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'
    return f'{name}, {usable_cores()} cores, {device}, Python {platform.python_version()}, torch {torch.__version__}'


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def minutes(seconds: float) -> str:
    """Format a duration in seconds as m:ss min."""
    whole = round(seconds)
    return f'{whole // 60}:{whole % 60:02d} min'


def markdown(title: str, rows: Mapping[str, str], paragraphs: Sequence[str] = ()) -> str:
    """Format a Markdown page: a title, a table of two columns, then paragraphs."""
    width = max(len(name) for name in rows)
    lines = [f'# {title}', '', f'| {"":{width}} | |', f'|{"-" * (width + 2)}|---|']
    lines += [f'| {name:{width}} | {value} |' for name, value in rows.items()]
    for paragraph in paragraphs:
        lines += ['', paragraph]
    return '\n'.join(lines) + '\n'


def print_table(title: str, rows: Mapping[str, str]) -> None:
    """Print a table of two columns on the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)
