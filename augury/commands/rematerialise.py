"""`augury rematerialise`: a group's rows in the online store as they were at a former time."""

import uuid
from typing import Annotated

import typer

from augury.clients import codec, online_store, warehouse
from augury.options import applied_version, moment, utc
from augury.settings import Settings
from features.cutover import target_of
from features.layout import Layout
from schemas.log import consumer
from streams.rematerialise import SupersededError
from streams.rematerialise import rematerialise as put_back
from warehouse.handover import handed_over

app = typer.Typer()


@app.command()
def rematerialise(
    group: Annotated[str, typer.Argument(help="A feature group's name.")],
    version: Annotated[int, typer.Option(help="Its version.")],
    as_of: Annotated[str, typer.Option(help="ISO 8601: the last moment before the bad data.")],
) -> None:
    """Put each entity's row in Redis back to a former time, from the log; newer rows then go on from there.

    Another run with a later time takes it back.
    """
    settings = Settings()
    client = warehouse(settings)
    contract = applied_version(client, group, version)
    at, handed = moment(as_of), handed_over(client, group, version)
    if handed is not None and at < handed.cut:
        raise typer.BadParameter(
            f"the topic has the rows from {utc(handed.cut)} on, where {contract.label} was handed over from "
            f"history to stream; those as of {utc(at)} cannot be put back from it"
        )
    options = settings.kafka_client() | {"enable.partition.eof": "true"}
    reader = consumer(settings.kafka_bootstrap, f"augury.rematerialise.{uuid.uuid4().hex}", **options)
    try:
        with online_store(settings) as redis:
            done = put_back(
                reader,
                redis,
                codec(settings),
                (group, version),
                Layout.of(target_of(contract)),
                f"features.{contract.label}",
                at,
            )
    except SupersededError as error:
        typer.echo(f"augury: {error}", err=True)
        raise typer.Exit(1) from error
    finally:
        reader.close()
    typer.echo(
        f"{contract.label} as of {utc(at)}, epoch {done.epoch}: {done.entities:,} entities, "
        f"{done.older:,} with an older row than before, {done.removed:,} without a row"
    )
