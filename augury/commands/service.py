"""`augury service`: one of Augury's own processes, in the foreground."""

import logging
from typing import Annotated

import typer

from augury.services import SERVICES, run
from augury.settings import Settings
from augury.stack.services import ready_file
from features.project import load_project

app = typer.Typer()


@app.command()
def service(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")],
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
) -> None:
    """Run one service until it is told to stop: what a container of a production system runs."""
    if name not in SERVICES:
        raise typer.BadParameter(f"a service is one of {', '.join(SERVICES)}; nothing is called {name!r}")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = Settings()
    mark = ready_file(settings, name)
    mark.parent.mkdir(parents=True, exist_ok=True)
    try:
        run(name, load_project(project), settings, mark.touch)
    finally:
        mark.unlink(missing_ok=True)
