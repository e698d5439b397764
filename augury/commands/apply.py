"""`augury apply`: schemas, topics, tables, policies and jobs, as a project states them."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from augury.apply import apply as make_so
from augury.options import COLUMNS, group_plan
from augury.settings import Settings
from features.project import load_project

app = typer.Typer()


@app.command()
def apply(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    from_history: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP",
            help="A new group version that is backfilled out of the warehouse, and whose job begins where "
            "that ends, in place of reading the log from its beginning. May be given several times.",
        ),
    ] = None,
) -> None:
    """Make a project so. What stands already is left alone, so it can be run again at any time."""
    console, made = Console(), load_project(project)
    with Progress(*COLUMNS, console=console, transient=True) as bar:
        task = bar.add_task("compiling", total=None)
        done = make_so(
            made,
            Settings(),
            lambda step: bar.update(task, description=step, total=None),
            from_history={group_plan(made, group).label for group in from_history or ()},
            progress=lambda step, ready, of: bar.update(task, description=step, completed=ready, total=of),
        )
    for change in done.changes:
        console.print(f"{change.kind.value:10} {change.label}")
    console.print(f"{len(done.topics)} topics made, {len(done.jobs)} jobs started")
