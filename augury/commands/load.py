"""`augury load`: load on a door, and how long its answers take."""

import json
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from augury.asking import AskingError, typed
from augury.clients import online_store
from augury.clock import wall_ms
from augury.load.door import door_token, door_url
from augury.load.http import load_http
from augury.load.kafka import KafkaDoor, load_kafka
from augury.load.pace import Pace
from augury.load.recorder import Recorder
from augury.load.report import summary_table, write_picture
from augury.load.requests import Body, RequestsError, make_requests, read_requests
from augury.models import registry
from augury.settings import Settings
from features.vector import ModelPlan

app = typer.Typer()
_AT_ONCE = 8


@app.command()
def load(
    model: Annotated[str | None, typer.Argument(help="Make requests for this model's champion.")] = None,
    requests: Annotated[Path | None, typer.Option(help="A file of requests, one JSON object a line.")] = None,
    given: Annotated[list[str] | None, typer.Option("--input", help="name=value, in each request.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long.")] = 10.0,
    at_once: Annotated[
        int, typer.Option(min=1, help="Connections; by Kafka, requests under way.")
    ] = _AT_ONCE,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Requests a second, whether or not the door keeps up.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The HTTP door; by the settings without it.")] = None,
    kafka: Annotated[bool, typer.Option("--kafka", help="Ask by the log, not by HTTP.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Where to draw the latencies: .html or .svg.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures; latencies in ms.")] = False,
) -> None:
    """Ask a door as often as it answers, or at a fixed rate, and show how long the answers took.

    With a rate, a latency counts from when the request was due, so waiting for a slow door counts too.
    Requests come from a file, or are made from the entities that Redis has rows of. They are logged as any
    others are. The exit status is 1 where there was an error, or no answer.
    """
    settings, console = Settings(), Console(stderr=as_json)
    try:
        bodies = _bodies(settings, model, requests, given or [])
    except (RequestsError, AskingError) as error:
        typer.echo(f"augury: {error}", err=True)
        raise typer.Exit(1) from error
    run, pace = f"load-{uuid.uuid4().hex[:12]}", Pace(seconds, at_once, rate)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("the first answers", total=seconds)

        def report(recorder: Recorder, elapsed: float) -> None:
            bar.update(task, description=_now(recorder, elapsed), completed=min(elapsed, seconds))

        if kafka:
            recorder, elapsed = _by_kafka(settings, bodies, pace, run, report)
        else:
            address = door_url(settings, url)
            recorder, elapsed = load_http(address, door_token(settings), bodies, pace, run, report)
    summary = recorder.summary(elapsed)
    if as_json:
        typer.echo(json.dumps(asdict(summary), indent=2))
    else:
        console.print(summary_table(summary))
    if picture is not None:
        how = f"{rate:g} requests a second" if rate else f"{at_once} at once"
        title = f"{bodies[0]['model_name']} by {'Kafka' if kafka else 'HTTP'}, {how}"
        write_picture(picture, title, summary, recorder.latencies_ms)
        console.print(f"written to {picture}")
    if summary.errors or not summary.answered:
        raise typer.Exit(1)


def _bodies(settings: Settings, model: str | None, file: Path | None, given: list[str]) -> list[Body]:
    if (model is None) == (file is None):
        raise typer.BadParameter("requests come from a file (--requests), or are made for a model: state one")
    if file is not None:
        return read_requests(file)
    assert model is not None
    held = registry(settings)
    try:
        champion = held.champion(model)
    finally:
        held.close()
    if champion is None:
        raise RequestsError(f"requests are made by a champion's contract; {model!r} has none")
    plan = ModelPlan.from_dict(champion.signature)
    pairs = [pair.partition("=") for pair in given]
    fixed = {n: typed(n, text, plan.inputs[n]) if n in plan.inputs else text for n, _, text in pairs}
    with online_store(settings) as store:
        return make_requests(plan, store, wall_ms(), fixed)


def _by_kafka(
    settings: Settings, bodies: list[Body], pace: Pace, run: str, report: Callable[[Recorder, float], None]
) -> tuple[Recorder, float]:
    door = KafkaDoor(settings)
    try:
        return load_kafka(door, bodies, pace, run, report)
    finally:
        door.close()


def _now(recorder: Recorder, elapsed: float) -> str:
    rate = recorder.answered / max(elapsed, 1e-3)
    recent = recorder.recent_ms(50, 99)
    latency = f"p50 {recent[0]:.2f} ms, p99 {recent[1]:.2f} ms" if recent else "no answer yet"
    return f"{recorder.answered:,} answers, {rate:,.0f}/s, {latency}, {recorder.errors.total():,} errors"
