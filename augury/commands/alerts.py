"""`augury alerts`: what is open or was, and who has seen to it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from augury.alerting import UnknownAlertError, advance, find_any
from augury.clients import warehouse
from augury.clock import wall_ms
from augury.options import utc
from augury.settings import Settings
from augury.tables import console, table
from features.alerts import ACKNOWLEDGED, RESOLVED
from warehouse.alerts import Incident, lacking, open_incidents, past_incidents
from warehouse.behind import events_behind

app = typer.Typer(no_args_is_help=True, help="Alerts: list, show, ack, resolve.")
_Named = Annotated[
    str, typer.Argument(help="An incident, as `list` names it, or the id of one of its alerts.")
]
_Why = Annotated[str, typer.Option(help="The reason; it is kept for ever.")]
_By = Annotated[str, typer.Option(help="Who it is.")]
_COLOURS = {"critical": "red", "warning": "yellow", "info": "dim"}


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Objects with the evidence; times in ms.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="What was resolved, too, before what is open.")] = False,
) -> None:
    """Show what is open, the newest last; exit status 1 where anything is."""
    client = warehouse(Settings())
    try:
        there = open_incidents(client)
        found = [*past_incidents(client), *there] if all_ else there
    finally:
        client.close()
    if as_json:
        shown = [asdict(i) | {"evidence": json.loads(i.evidence)} for i in found]
        typer.echo(json.dumps(shown, indent=2))
    else:
        console().print(_table(found) if found else "nothing is open")
    if there:
        raise typer.Exit(1)


@app.command()
def show(named: _Named) -> None:
    """Show an incident, open or past: its evidence, what to do, and queries of the events behind it."""
    client = warehouse(Settings())
    try:
        incident = find_any(client, named)
    except UnknownAlertError as error:
        raise typer.BadParameter(str(error)) from error
    finally:
        client.close()
    out = console()
    out.print(_table([incident]))
    if incident.ended is not None:
        ended = f"resolved {utc(incident.ended)} by {incident.by}: {incident.why}"
        out.print(ended, highlight=False, markup=False, soft_wrap=True)
    out.print(f"playbook: {incident.playbook}", highlight=False, markup=False)
    out.print_json(incident.evidence)
    behind = events_behind(incident)
    if behind:
        out.print("the events behind it:", highlight=False)
    for query in behind:
        out.print(f"{query};", highlight=False, markup=False, soft_wrap=True)


@app.command()
def ack(named: _Named, why: _Why = "", by: _By = "a person") -> None:
    """Tell that somebody sees to an incident: it is not told of again until it grows worse or is over."""
    _advance(named, ACKNOWLEDGED, by, why)


@app.command()
def resolve(named: _Named, why: _Why, by: _By = "a person") -> None:
    """Close an incident; what is found after it is a new one."""
    _advance(named, RESOLVED, by, why)


def _advance(named: str, reached: str, by: str, why: str) -> None:
    settings = Settings()
    client = warehouse(settings)
    try:
        incident = find_any(client, named)
        if incident.ended is not None:
            raise typer.BadParameter(
                f"an alert is {reached} while it is open, so nothing was changed; {incident.incident} is "
                f"resolved already, since {utc(incident.ended)} by {incident.by}"
            )
        if not lacking(client, incident.alert_ids, reached):
            typer.echo(f"{incident.incident} is {reached} already")
            return
        advance(settings, incident, reached, by=by, why=why, at=wall_ms())
    except UnknownAlertError as error:
        raise typer.BadParameter(str(error)) from error
    finally:
        client.close()
    typer.echo(f"{incident.incident}: {incident.alerts} alert{'s'[: incident.alerts != 1]} {reached}")


def _table(found: list[Incident]) -> Table:
    shown = table("incident", "severity", "state", "alerts", "since", "latest", "owner")
    for i in found:
        colour = _COLOURS.get(i.severity, "")
        told = f"[{colour}]{i.severity}[/]" if colour else i.severity
        shown.add_row(
            escape(i.incident),
            told,
            i.state,
            f"{i.alerts}",
            utc(i.since),
            utc(i.latest),
            i.owner or i.playbook,
        )
    return shown
