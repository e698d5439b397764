"""`augury down`: the embedded stack, ended."""

import typer

from augury.settings import Settings
from augury.stack import Stack

app = typer.Typer()


@app.command()
def down() -> None:
    """End every server of the stack and all that it started. State stays for the next `up`."""
    stack = Stack(Settings())
    running = [part.name for part in stack.status() if part.state in ("up", "starting")]
    stack.down()
    typer.echo(f"ended {', '.join(running)}" if running else "nothing was running")
