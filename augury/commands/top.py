"""`augury top`: what a running system is doing, live."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from augury.clock import wall_ms
from augury.settings import Settings
from augury.tables import console
from augury.top.frame import frame
from augury.top.look import Look, Observer

app = typer.Typer()
_NOTHING = "augury: neither a service, Redis nor Kafka has answered. Is the stack up? `augury status` tells."


@app.command()
def top(
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="One look; rates since each process began.")] = False,
    url: Annotated[str | None, typer.Option(help="The HTTP door; by the settings without it.")] = None,
) -> None:
    """Show rates, latencies, lag and freshness, from each service's metrics, Redis and Kafka, until Ctrl-C.

    A service without a metrics port shows only what waits for it in Kafka.
    """
    with Observer(Settings(), wall_ms, url) as observer:
        if once:
            look = observer.look()
            console().print(frame(look))
            if not (look.scrapes or look.clocks or look.behind):
                typer.echo(_NOTHING, err=True)
            return
        before: Look | None = None
        try:
            out = Console()
            with Live(console=out, auto_refresh=False, screen=out.is_terminal) as live:
                while True:
                    look = observer.look()
                    live.update(frame(look, before), refresh=True)
                    before = look
                    time.sleep(every)
        except KeyboardInterrupt:
            pass
