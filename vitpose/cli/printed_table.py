"""Print a table on the terminal."""

from collections.abc import Mapping


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
