"""`augury top`: what a running system is doing, live."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from augury.clock import wall_ms
from augury.settings import Settings
from augury.top.frame import frame
from augury.top.look import Look, Observer

app = typer.Typer()


@app.command()
def top(
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="One look; rates since each process began.")] = False,
    url: Annotated[str | None, typer.Option(help="The HTTP door; by the settings without it.")] = None,
) -> None:
    """Show rates, latencies, lag and freshness, from each service's metrics, Redis and Kafka, until Ctrl-C.

    A service without a metrics port shows only what waits for it in Kafka.
    """
    console = Console()
    with Observer(Settings(), wall_ms, url) as observer:
        if once:
            console.print(frame(observer.look()))
            return
        before: Look | None = None
        try:
            with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
                while True:
                    look = observer.look()
                    live.update(frame(look, before), refresh=True)
                    before = look
                    time.sleep(every)
        except KeyboardInterrupt:
            pass
