"""`augury service`: one of Augury's own processes, in the foreground."""

import importlib
import pkgutil
import signal
from importlib.metadata import version
from threading import Event
from typing import Annotated

import typer

from augury import services
from augury.logs import start_logging
from augury.settings import Settings
from augury.stack.services import ready_file
from features.project import load_project
from schemas.metrics import exposing, process_registry

app = typer.Typer()
_NAMES = sorted(module.name for module in pkgutil.iter_modules(services.__path__))


@app.command()
def service(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(_NAMES)}.")],
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
) -> None:
    """Run one service until it is told to stop: what a container of a production system runs."""
    if name not in _NAMES:
        raise typer.BadParameter(f"a service is one of {', '.join(_NAMES)}; nothing is called {name!r}")
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = Settings()
    start_logging(settings, name)
    mark = ready_file(settings, name)
    mark.parent.mkdir(parents=True, exist_ok=True)
    metrics = process_registry(name, version("augury"))
    try:
        # each imports what it needs and no more: together they would take a gigabyte
        running = importlib.import_module(f"{services.__name__}.{name}")
        with exposing(metrics, settings.metrics_host, settings.metrics_port(name)):
            running.run(load_project(project), settings, stop, mark.touch, metrics)
    finally:
        mark.unlink(missing_ok=True)
