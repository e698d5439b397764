"""`augury serve`: all of Augury's services for a project."""

from typing import Annotated

import typer
from rich.console import Console

from augury.commands.up import progress_of
from augury.settings import Settings
from augury.stack import Stack

app = typer.Typer()


@app.command()
def serve(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
) -> None:
    """Start all services of a project, and wait until each is ready.

    They are the sink, the materialiser, the Kafka worker, the bridge, the flows, the alerts and the HTTP
    door; and, but for a replay, the ticker and the watch of freshness.
    """
    stack = Stack(Settings())
    with progress_of(Console()) as report:
        stack.serve(project, report)
