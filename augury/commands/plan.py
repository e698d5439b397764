"""`augury plan`: what applying a project would change."""

from typing import Annotated

import typer
from rich.console import Console

from augury.apply import preview
from augury.settings import Settings
from features.contracts import ChangeKind
from features.project import load_project

app = typer.Typer()
_SIGNS = {
    ChangeKind.CREATE: "[green]+ create   [/]",
    ChangeKind.UNCHANGED: "[dim]  unchanged[/]",
    ChangeKind.REFUSED: "[red]! refused  [/]",
    ChangeKind.ABSENT: "[yellow]- absent   [/]",
}


@app.command()
def plan(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
) -> None:
    """Show what `augury apply` would change; exit status 1 where it would refuse."""
    console = Console()
    found = preview(load_project(project), Settings())
    for change in found:
        console.print(f"{_SIGNS[change.kind]} {change.label}")
        if change.difference:
            console.print(change.difference, markup=False, highlight=False)
    if any(change.kind is ChangeKind.REFUSED for change in found):
        console.print("a changed contract is a new version: raise the version of the refused groups")
        raise typer.Exit(1)
