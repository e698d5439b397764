"""`augury rollback`: the champion before comes back, or the version of a group that was read before."""

from typing import Annotated

import typer

from augury.cutover import roll_back
from augury.models import publish, registry
from augury.options import utc
from augury.settings import Settings

app = typer.Typer()


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(help="The model's name; with --group, the feature group's.")],
    why: Annotated[str, typer.Option(help="The reason; it is kept for ever.")],
    by: Annotated[str, typer.Option(help="Who decides.")] = "a person",
    group: Annotated[bool, typer.Option("--group", help="Take back the last cut-over of a group.")] = False,
) -> None:
    """Bring the champion before back at once, or with --group the version that was read; every door swaps."""
    settings = Settings()
    if group:
        step, clock = roll_back(settings, name, by=by, why=why)
        reads = step.version if step.target is None else step.target.version
        upto = "shows no clock" if clock is None else f"has come to {utc(clock)}"
        typer.echo(
            f"where a model's signature names {name}.v{step.version}, {name}.v{reads} is read; it {upto}"
        )
        return
    held = registry(settings)
    back = held.rollback(name, by=by, why=why)
    publish(settings, held)
    typer.echo(f"{name} version {back.version} is champion again")
