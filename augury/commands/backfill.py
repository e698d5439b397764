"""`augury backfill`: a group's rows out of its sources' events."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from augury.clients import warehouse
from augury.options import COLUMNS, group_plan, range_of
from augury.settings import Settings
from features.project import load_project
from warehouse.backfill import backfill as fill

app = typer.Typer()


@app.command()
def backfill(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    group: Annotated[str, typer.Argument(help="A feature group: its name, or <name>.v<version>.")],
    since: Annotated[str | None, typer.Option(help="ISO 8601; from the beginning without it.")] = None,
    until: Annotated[str | None, typer.Option(help="ISO 8601; the log's clock without it.")] = None,
) -> None:
    """Compute the rows of a time range from the warehouse's events.

    Running it again changes nothing; one that was killed goes on where it was.
    """
    plan, settings = group_plan(load_project(project), group), Settings()
    console, client = Console(), warehouse(settings)
    start, end = range_of(client, plan, since, until)
    with Progress(*COLUMNS, console=console, transient=True) as bar:
        task = bar.add_task(f"backfilling {plan.label}", total=None)
        done = fill(
            client,
            plan,
            start,
            end,
            memory=settings.backfill_memory_mb << 20,
            report=lambda ready, of: bar.update(task, completed=ready, total=of),
        )
    rate = done.rows / done.seconds if done.seconds else 0.0
    console.print(
        f"{plan.label}: {done.rows:,} rows from {done.events:,} events "
        f"in {done.seconds:.1f} s ({rate:,.0f} rows/s)"
    )
