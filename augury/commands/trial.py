"""`augury trial`: what a trial can find before it starts, and how one went."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from augury.clients import project_clock, warehouse
from augury.models import registry
from augury.options import utc
from augury.settings import Settings
from augury.spelling import spelled
from augury.tables import console
from augury.training import Query
from features.policies import EvaluationPolicy
from features.project import load_project
from flows.picture import draw
from flows.planning import facts, planned
from inference.registry import RegistryEvent

app = typer.Typer(no_args_is_help=True, help="What a trial can find before it starts, and how one went.")
_ENDS = ("promoted", "rejected", "retired")


@app.command()
def plan(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    model: Annotated[str, typer.Argument(help="A model of the project with an evaluation policy.")],
) -> None:
    """Tell a trial's power and length from the champion's recent units; exit status 1 on a warning."""
    settings, out, loaded = Settings(), console(), load_project(project)
    policies = {p.model.name: p for p in loaded.policies if isinstance(p, EvaluationPolicy)}
    if model not in policies:
        known = ", ".join(policies) or "there is none"
        raise typer.BadParameter(
            f"a trial goes by the evaluation policy of a model ({known}); {model!r} has none"
        )
    client, held = warehouse(settings), registry(settings)
    try:
        found = planned(Query(client), held, policies[model], project_clock(client, loaded))
    finally:
        held.close()
        client.close()
    if found is None:
        out.print(f"{model} has no champion to compare with; a first version is promoted by hand")
        raise typer.Exit(1)
    _list(out, facts(found))
    if found.warnings:
        raise typer.Exit(1)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    version: Annotated[
        int | None, typer.Argument(help="The version on trial; the newest trial's without.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Where to draw the confidence sequence: .svg.")] = None,
) -> None:
    """Show a trial: its plan, and the decision that ended it with its rule, numbers and ledger."""
    out, held = console(), registry(Settings())
    try:
        events = [e for e in held.history.events(model) if version in (None, e.version)]
    finally:
        held.close()
    begun = [e for e in events if e.kind == "trial_started"]
    if not begun:
        which = "" if version is None else f" version {version}"
        raise typer.BadParameter(f"a trial is shown once it has started; {model}{which} has had none")
    start = begun[-1]
    ends = [
        e for e in events if e.version == start.version and e.kind in _ENDS and e.position > start.position
    ]
    out.print(f"{model} version {start.version}, on trial since {utc(start.at)}: {start.why}", markup=False)
    _list(out, _evidence(start).get("plan") or {})
    if not ends:
        out.print("it goes on")
        return
    end = ends[0]
    out.print(f"{end.kind} at {utc(end.at)} by {end.by}: {end.why}", markup=False, soft_wrap=True)
    found = _evidence(end)
    points = found.pop("course", [])
    for name in ("ledger", "policy"):
        found |= {f"{name}: {key}": value for key, value in found.pop(name, {}).items()}
    _list(out, found)
    if picture is not None:
        title = f"Trial of {model} version {start.version}"
        svg = draw(points, found.get("target", 0.0), found.get("what", "no evidence"), title)
        picture.write_text(svg, encoding="utf-8")
        out.print(f"drawn to {picture}")


def _evidence(event: RegistryEvent) -> dict[str, Any]:
    return {} if event.evidence is None else dict(json.loads(event.evidence))


def _list(out: Console, told: dict[str, Any]) -> None:
    for name, value in told.items():
        text = spelled(name.rpartition(" ")[2], value)
        if text:
            out.print(f"  {name:28} {text}", highlight=False, markup=False, soft_wrap=True)
