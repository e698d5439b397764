"""`augury apply`: schemas, topics, tables, policies and jobs, as a project states them."""

from typing import Annotated

import typer
from rich.console import Console

from augury.apply import apply as make_so
from augury.settings import Settings
from features.project import load_project

app = typer.Typer()


@app.command()
def apply(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
) -> None:
    """Make a project so. What stands already is left alone, so it can be run again at any time."""
    console = Console()
    with console.status("compiling") as status:
        done = make_so(load_project(project), Settings(), lambda step: status.update(step))
    for change in done.changes:
        console.print(f"{change.kind.value:10} {change.label}")
    console.print(f"{len(done.topics)} topics made, {len(done.jobs)} jobs started")
