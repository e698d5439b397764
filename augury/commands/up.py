"""`augury up`: the embedded stack, started and awaited."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from augury.settings import Settings
from augury.stack import PartError, Stack
from augury.stack.jars import fetch, fetched
from augury.stack.part import State
from augury.stack.supervisor import Report

app = typer.Typer()


@app.command()
def up(
    foreground: Annotated[bool, typer.Option(help="Stay attached; a part's death ends all.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="A part to start; all without it.")] = None,
) -> None:
    """Start the stack's servers side by side and wait until each is ready. They outlive this shell."""
    settings, console = Settings(), Console()
    signal.signal(signal.SIGTERM, _interrupt)
    stack = Stack(settings, parts=tuple(only) if only else None)
    if not fetched(settings):
        with console.status("fetching the stack's jars from Maven Central (once, 200 MB)"):
            fetch(settings)
    try:
        bring_up(stack, console)
        for part in stack.status():
            console.print(f"  [bold]{part.name:18}[/] {part.address}")
        if foreground:
            _watch(stack, console)
    except KeyboardInterrupt:
        console.print("interrupted: everything is taken down")
        stack.down()
        raise typer.Exit(130) from None


def bring_up(stack: Stack, console: Console) -> None:
    """Start the stack with a line of progress for each part."""
    with progress_of(console) as report:
        stack.up(report)


@contextmanager
def progress_of(console: Console) -> Iterator[Report]:
    """Show a line for each part that is reported, while the block runs."""
    spinner, text = SpinnerColumn(finished_text="[green]✓[/]"), TextColumn("{task.description}")
    with Progress(spinner, text, TimeElapsedColumn(), console=console) as progress:
        lines: dict[str, TaskID] = {}

        def report(name: str, state: State) -> None:
            line = lines.setdefault(name, progress.add_task(name, total=1, visible=False))
            progress.update(
                line, description=f"{name:18} {state}", completed=int(state == "up"), visible=True
            )

        yield report


def _watch(stack: Stack, console: Console) -> NoReturn:
    console.print("attached: ctrl-C takes everything down")
    while not (dead := stack.supervisor.died()):
        time.sleep(0.5)
    obituary = "\n".join(stack.supervisor.obituary(name) for name in dead)
    stack.down()
    raise PartError(f"{obituary}\nthe other parts were taken down")


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
