"""Tables of commands: no cell is cut, in a pipe nor on a narrow terminal, for other commands ask for it."""

import sys

from rich.console import Console
from rich.table import Column, Table

_NATURAL = 100_000


def console(*, natural: bool = False) -> Console:
    """Give standard output; where it is no terminal, lines and tables have the width that they need.

    With `natural` they have it on a terminal too, which breaks long lines itself.
    """
    return Console() if sys.stdout.isatty() and not natural else Console(width=_NATURAL)


def table(*headings: str | Column, title: str | None = None) -> Table:
    """Give an empty table; on a terminal that is too narrow for it, cells go on in their next line."""
    columns = [Column(heading) if isinstance(heading, str) else heading for heading in headings]
    for column in columns:
        column.overflow = "fold"
    return Table(*columns, title=title)
