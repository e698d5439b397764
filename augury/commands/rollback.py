"""`augury rollback`: the version of a feature group that was read before."""

from typing import Annotated

import typer

from augury.cutover import roll_back
from augury.decisions import A_PERSON, By, Why, Yes, confirm
from augury.models import registry
from augury.options import utc
from augury.settings import Settings
from inference.registry import Cutover

app = typer.Typer()


@app.command()
def rollback(
    group: Annotated[str, typer.Option(help="The feature group's name.")],
    why: Why,
    by: By = A_PERSON,
    yes: Yes = False,
) -> None:
    """Take back the last cut-over of a group at once, for all that serves; of a model: `models rollback`."""
    settings = Settings()
    held = registry(settings)
    with held.rehearsing():
        step = held.cutovers.roll_back(group, by=by, why=why)
    confirm(f"{_read(step)} again", yes)
    step, clock = roll_back(settings, group, by=by, why=why)
    upto = "shows no clock" if clock is None else f"has come to {utc(clock)}"
    typer.echo(f"{_read(step)}; it {upto}")


def _read(step: Cutover) -> str:
    reads = step.version if step.target is None else step.target.version
    return f"where a model's signature names {step.group}.v{step.version}, {step.group}.v{reads} is read"
