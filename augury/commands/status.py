"""`augury status`: what each part of the stack is doing."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from augury.settings import Settings
from augury.stack import PartStatus, Stack

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
        console = Console()
        console.print(_table(found))
        for part in found:
            if part.state == "died":
                console.print(stack.supervisor.obituary(part.name), markup=False, highlight=False)
    if any(part.state != "up" for part in found):
        raise typer.Exit(1)


def _table(found: list[PartStatus]) -> Table:
    table = Table("part", "state", "pid", Column("address", overflow="fold"), "memory", "uptime")
    for part in found:
        alive = part.pid is not None
        table.add_row(
            part.name,
            f"[{_COLOURS[part.state]}]{part.state}[/]",
            str(part.pid) if alive else "",
            part.address,
            f"{part.rss / 2**20:,.0f} MB" if alive else "",
            f"{part.uptime:,.0f} s" if alive else "",
        )
    table.add_section()
    table.add_row("all", "", "", "", f"{sum(part.rss for part in found) / 2**20:,.0f} MB", "")
    return table
