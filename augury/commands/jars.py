"""`augury jars`: the stack's jars, fetched."""

import typer

from augury.settings import Settings
from augury.stack.jars import fetch, fetched

app = typer.Typer()


@app.command()
def jars() -> None:
    """Fetch Kafka, the registry and Flink's connectors by Maven, once."""
    settings = Settings()
    if not fetched(settings):
        typer.echo(f"fetching the stack's jars from Maven Central into {settings.jars} (200 MB)")
        fetch(settings)
    typer.echo(f"the stack's jars are in {settings.jars}")
