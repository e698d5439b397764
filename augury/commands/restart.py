"""`augury restart`: a group's job, stopped behind a savepoint and started from it."""

from typing import Annotated

import typer
from rich.console import Console

from augury.apply import restart as restart_job
from augury.options import group_plan
from augury.settings import Settings
from features.project import load_project
from streams.job import SavepointError

app = typer.Typer()


@app.command()
def restart(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    group: Annotated[str, typer.Argument(help="A feature group: its name, or <name>.v<version>.")],
) -> None:
    """Restart a group's job where it stands: for a new release, another parallelism, a changed schema.

    One whose state does not fit is refused, and the job runs on.
    """
    plan, console = group_plan(load_project(project), group), Console()
    try:
        with console.status(f"restarting {plan.label}"):
            job = restart_job(plan, Settings())
    except SavepointError as error:
        typer.echo(f"augury: {error}", err=True)
        raise typer.Exit(1) from error
    console.print(f"{plan.label}: job {job}")
