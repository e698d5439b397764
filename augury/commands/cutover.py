"""`augury cutover`: serving reads another version of a feature group."""

from typing import Annotated

import typer

from augury.cutover import cut_over
from augury.settings import Settings

app = typer.Typer()


@app.command()
def cutover(
    group: Annotated[str, typer.Argument(help="A feature group's name.")],
    before: Annotated[int, typer.Option("--from", help="The version that signatures name.")],
    after: Annotated[int, typer.Option("--to", help="The version that is read in its place.")],
    why: Annotated[str, typer.Option(help="The reason; it is kept for ever.")],
    by: Annotated[str, typer.Option(help="Who decides.")] = "a person",
) -> None:
    """Let models that were trained on one version read another, in all that serves; taken back by rollback.

    Refused where a model reads what the other version does not have, or its stream lags.
    """
    cut_over(Settings(), group, before, after, by=by, why=why)
    typer.echo(f"where a model's signature names {group}.v{before}, {group}.v{after} is read")
