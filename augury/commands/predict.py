"""`augury predict`: one question to a door."""

import json
import uuid
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column

from augury.asking import AskingError, Contract, ask_http, ask_kafka
from augury.load.door import http_client
from augury.load.kafka import KafkaDoor
from augury.options import moment, utc
from augury.settings import Settings
from augury.tables import console, table
from inference.records import Variant

app = typer.Typer()


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A model's name.")],
    values: Annotated[list[str] | None, typer.Argument(help="name=value, of entities and inputs.")] = None,
    version: Annotated[int | None, typer.Option(help="The champion without it.")] = None,
    variant: Annotated[
        Variant | None, typer.Option(help="Who has this part now, in place of a version.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what each feature contributed; for models of trees.")
    ] = False,
    request_id: Annotated[str | None, typer.Option(help="For a label to name; made up without it.")] = None,
    at: Annotated[
        str | None, typer.Option(help="When it is asked, ISO 8601; a door takes it in a replay alone.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The HTTP door; by the settings without it.")] = None,
    kafka: Annotated[bool, typer.Option("--kafka", help="Ask by the log, not by HTTP.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as it came.")] = False,
) -> None:
    """Ask for a prediction, and show it with the values and the rows that it came from.

    The HTTP door tells what the model needs, whichever door is asked. The exit status is 1 without a
    prediction.
    """
    settings = Settings()
    try:
        with http_client(settings, url) as client:
            contract = Contract.read(client, model)
            request = contract.request(
                values or [], request_id or uuid.uuid4().hex, version, variant, explain
            )
            request |= {} if at is None else {"requested_at": moment(at)}
            answer = _by_kafka(settings, request) if kafka else ask_http(client, request)
    except AskingError as error:
        typer.echo(f"augury: {error}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        _show(console(), answer)


def _by_kafka(settings: Settings, request: dict[str, Any]) -> dict[str, Any]:
    door = KafkaDoor(settings)
    try:
        return ask_kafka(door, request)
    finally:
        door.close()


def _show(out: Console, answer: dict[str, Any]) -> None:
    latency = answer["latency_ms"]
    parts = ", ".join(f"{part.replace('_', '-')} {latency[part]:.2f}" for part in latency)
    out.print(
        f"[bold]{answer['prediction']:.6g}[/] by {answer['model_name']} version "
        f"{answer['model_version_used']} ({answer['variant']}), request {answer['request_id']}; ms: {parts}",
        soft_wrap=True,
        highlight=False,
    )
    if len(answer["outputs"]) > 1:
        decided = "" if answer["predicted_class"] is None else f", so {answer['predicted_class']}"
        out.print(
            f"outputs {', '.join(f'{value:.6g}' for value in answer['outputs'])}{decided}", highlight=False
        )
    explained = answer["explanation"]
    shown = table(
        "value", Column("", justify="right"), *([Column("contribution", justify="right")] * bool(explained))
    )
    for name, value in answer["feature_values_used"].items():
        told = [f"{explained['contributions'][name]:+.6g}"] if explained else []
        shown.add_row(name, "NULL" if value is None else f"{value:.6g}", *told)
    if explained:
        shown.add_row("bias", "", f"{explained['bias']:+.6g}")
    out.print(shown)
    rows = table("group", "entity", "state", "row", Column("seq", justify="right"))
    for row in answer["groups"]:
        at = utc(row["event_timestamp"]) if row["seq"] >= 0 else ""
        rows.add_row(f"{row['group']}.v{row['version']}", row["entity"], row["state"], at, str(row["seq"]))
    if answer["groups"]:
        out.print(rows)
    if answer["frozen"]:
        out.print(f"frozen at their defaults: {', '.join(answer['frozen'])}", highlight=False)
