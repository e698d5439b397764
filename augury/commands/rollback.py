"""`augury rollback`: the champion before comes back."""

from typing import Annotated

import typer

from augury.models import publish, registry
from augury.settings import Settings

app = typer.Typer()


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    why: Annotated[str, typer.Option(help="The reason; it is kept for ever.")],
    by: Annotated[str, typer.Option(help="Who decides.")] = "a person",
) -> None:
    """Bring the champion before back at once; every door swaps to it."""
    settings = Settings()
    held = registry(settings)
    back = held.rollback(model, by=by, why=why)
    publish(settings, held)
    typer.echo(f"{model} version {back.version} is champion again")
