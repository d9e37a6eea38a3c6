"""The table of a run, as Markdown and on the terminal."""

import os
import platform
from collections.abc import Mapping, Sequence


def machine() -> str:
    """Processor, cores that may be used, Python and torch, in one line."""
    import torch

    name = platform.processor() or platform.machine()
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as lines:
            name = next((line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')), name)
    except OSError:
        pass  # not Linux: the platform's own name has to do
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'
    return f'{name}, {cores} cores, {device}, Python {platform.python_version()}, torch {torch.__version__}'


def minutes(seconds: float) -> str:
    """Seconds as m:ss."""
    whole = round(seconds)
    return f'{whole // 60}:{whole % 60:02d} min'


def markdown(title: str, rows: Mapping[str, str], below: Sequence[str] = ()) -> str:
    """A Markdown page: a title, a table of two columns, paragraphs."""
    width = max(len(name) for name in rows)
    lines = [f'# {title}', '', f'| {"":{width}} | |', f'|{"-" * (width + 2)}|---|']
    lines += [f'| {name:{width}} | {value} |' for name, value in rows.items()]
    for paragraph in below:
        lines += ['', paragraph]
    return '\n'.join(lines) + '\n'


def print_table(title: str, rows: Mapping[str, str]) -> None:
    """The same table on the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)
