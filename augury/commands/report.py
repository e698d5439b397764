"""`augury report`: pages that people look at, each one file that loads nothing."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from augury.clients import warehouse
from augury.clock import wall_ms
from augury.models import registry
from augury.reports.drift import drift_page, read_drift
from augury.reports.experiment import experiment_page, read_experiment
from augury.reports.freshness import freshness_page, read_freshness
from augury.reports.model import read_model
from augury.reports.model_page import model_page
from augury.reports.nothing import NothingToShowError
from augury.settings import Settings
from augury.top.look import Look, Observer
from inference.registry import Registry
from warehouse.client import Client

app = typer.Typer(no_args_is_help=True)

Days = Annotated[int, typer.Option(min=1, help="How many days up to the newest that is known.")]
Out = Annotated[Path | None, typer.Option(help="Where to write the page; by the report's name without it.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as JSON on standard output, and no page.")]


@app.callback()
def report() -> None:
    """Pages that people look at, each one HTML file that loads nothing."""


@app.command()
def drift(
    model: Annotated[str, typer.Option(help="One model; all without it.")] = "",
    group: Annotated[str, typer.Option(help="One group, by name or label, or `outputs`.")] = "",
    days: Days = 30,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Show what drift checks found: indices over time, and distributions beside their references."""
    with _opened() as (client, held):
        watches = read_drift(client, held.policies.of("drift_policy"), model, group, days)
    if as_json:
        _tell([asdict(watch) for watch in watches])
    else:
        _write(out, "drift", drift_page(watches))


@app.command()
def experiment(
    experiment_id: Annotated[str, typer.Argument(help="Its id, as `augury experiment list` names it.")],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Show one experiment: figures, gates, hyperparameters, and all that it was made of."""
    with _opened() as (client, held):
        found = read_experiment(client, held, experiment_id)
    if as_json:
        _tell(found.to_dict())
    else:
        _write(out, f"experiment-{experiment_id}", experiment_page(found))


@app.command()
def model(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    days: Days = 90,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Show one model: versions, champions, performance, alerts, answers, decisions, and what it costs."""
    with _opened() as (client, held):
        found = read_model(client, held, _look(), model, days)
    if as_json:
        _tell(found.to_dict())
    else:
        _write(out, f"model-{model}", model_page(found))


@app.command()
def freshness(
    group: Annotated[str, typer.Option(help="One group, by name or label; all without it.")] = "",
    days: Days = 7,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Show how far each group lay behind the requests that read it, and how many rows were not fresh."""
    with _opened() as (client, _):
        groups = read_freshness(client, _look().clocks, group, days)
    if as_json:
        _tell([asdict(each) for each in groups])
    else:
        _write(out, "freshness", freshness_page(groups))


@contextmanager
def _opened() -> Iterator[tuple[Client, Registry]]:
    """Open the warehouse and the registry; where there is nothing to show, say so and end with status 1."""
    settings = Settings()
    client, held = warehouse(settings), registry(settings)
    try:
        yield client, held
    except NothingToShowError as error:
        typer.echo(f"augury: {error}", err=True)
        raise typer.Exit(1) from error
    finally:
        held.close()
        client.close()


def _look() -> Look:
    """Ask what runs; what does not answer is not there."""
    with Observer(Settings(), wall_ms) as observer:
        return observer.look()


def _tell(data: Any) -> None:  # noqa: ANN401 (whatever JSON can hold)
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def _write(out: Path | None, name: str, text: str) -> None:
    path = out or Path(re.sub(r"[^\w.-]+", "-", name) + ".html")  # an experiment's id may have slashes
    path.write_text(text, encoding="utf-8")
    typer.echo(f"written to {path}, {len(text.encode()):,} bytes")
