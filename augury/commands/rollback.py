"""`augury rollback`: the version of a feature group that was read before."""

from typing import Annotated

import typer

from augury.cutover import roll_back
from augury.options import utc
from augury.settings import Settings

app = typer.Typer()


@app.command()
def rollback(
    group: Annotated[str, typer.Option(help="The feature group's name.")],
    why: Annotated[str, typer.Option(help="The reason; it is kept for ever.")],
    by: Annotated[str, typer.Option(help="Who decides.")] = "a person",
) -> None:
    """Take back the last cut-over of a group at once, for all that serves; of a model: `models rollback`."""
    step, clock = roll_back(Settings(), group, by=by, why=why)
    reads = step.version if step.target is None else step.target.version
    upto = "shows no clock" if clock is None else f"has come to {utc(clock)}"
    typer.echo(
        f"where a model's signature names {group}.v{step.version}, {group}.v{reads} is read; it {upto}"
    )
