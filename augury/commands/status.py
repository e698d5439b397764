"""`augury status`: what each part of the stack is doing."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from augury.settings import Settings
from augury.stack import PartStatus, Stack
from augury.tables import console, table

app = typer.Typer()
_COLOURS = {"up": "green", "starting": "yellow", "down": "dim", "died": "red"}


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Objects; rss in bytes, uptime in s.")] = False,
) -> None:
    """Show each part's state, memory and address; a part that died with the end of its log.

    The exit status is 0 when all are up, else 1.
    """
    stack = Stack(Settings())
    found = stack.status()
    if as_json:
        typer.echo(json.dumps([asdict(part) for part in found], indent=2))
    else:
        out = console(natural=True)
        with out.capture() as captured:
            out.print(_table(found))
        for line in captured.get().splitlines():
            typer.echo(line.strip())  # blanks at its end would break a line of a narrow terminal
        for part in found:
            if part.state == "died":
                out.print(stack.supervisor.obituary(part.name), markup=False, highlight=False)
    if any(part.state != "up" for part in found):
        raise typer.Exit(1)


def _table(found: list[PartStatus]) -> Table:
    shown = table("part", "state", "pid", "memory", "uptime", "address")
    shown.header_style = ""
    shown.box = None  # the longest addresses are more than a narrow terminal has room for beside borders
    for part in found:
        alive = part.pid is not None
        shown.add_row(
            part.name,
            f"[{_COLOURS[part.state]}]{part.state}[/]",
            str(part.pid) if alive else "",
            f"{part.rss / 2**20:,.0f} MB" if alive else "",
            _spelled(part.uptime) if alive else "",
            part.address,
        )
    shown.add_row("all", "", "", f"{sum(part.rss for part in found) / 2**20:,.0f} MB", "", "")
    return shown


def _spelled(seconds: float) -> str:
    """Write an uptime by its two largest units."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days:,} d {h} h"
    if hours:
        return f"{h} h {m} min"
    return f"{m} min {s} s" if m else f"{s} s"
