"""`augury promote`: a version becomes the champion."""

from typing import Annotated

import typer

from augury.models import publish, registry
from augury.settings import Settings

app = typer.Typer()


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    version: Annotated[int, typer.Argument(help="The version to promote.")],
    why: Annotated[str, typer.Option(help="The reason; it is kept for ever.")],
    by: Annotated[str, typer.Option(help="Who decides.")] = "a person",
) -> None:
    """Promote a version, as a row of model_registry_events and an event; every door swaps to it."""
    settings = Settings()
    held = registry(settings)
    held.promote(model, version, by=by, why=why)
    publish(settings, held)
    typer.echo(f"{model} version {version} is champion")
