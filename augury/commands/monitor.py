"""`augury monitor`: how well champions do beside their holdouts."""

from typing import Annotated

import typer
from rich.console import Console

from augury.checking import checked
from augury.options import utc
from augury.tables import console, table
from features.policies import MonitoringPolicy
from features.project import Project, load_project
from flows.performance import Performance, check_performance

app = typer.Typer()


@app.command()
def monitor(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    policy: Annotated[str, typer.Argument(help="A model, or a policy's whole name; all without it.")] = "",
    at: Annotated[
        str | None, typer.Option(help="Where the window ends, ISO 8601; the newest whole one without it.")
    ] = None,
) -> None:
    """Check monitoring policies for one window, and show each row; exit status 1 where there is harm.

    The rows are kept in `model_performance_monitor`. Alerts are the flow's, which checks each window once it
    is over.
    """
    loaded, out, alarms = load_project(project), console(), 0
    for _, found in checked(out, loaded, _chosen(loaded, policy), at, "holdout", check_performance):
        _show(out, found)
        alarms += len(found.alerts())
    if alarms:
        raise typer.Exit(1)


def _chosen(project: Project, name: str) -> list[MonitoringPolicy]:
    policies = [p for p in project.policies if isinstance(p, MonitoringPolicy)]
    found = [p for p in policies if name in ("", p.name, p.model.name)]
    if not found:
        known = ", ".join(p.name for p in policies) or "it has none"
        raise typer.BadParameter(f"a monitoring policy is one of the project's ({known}); {name!r} is not")
    return found


def _show(out: Console, found: Performance) -> None:
    watched = found.watched
    out.print(
        f"{watched.policy}: {utc(watched.start)} to {utc(watched.end)}, version {watched.model_version}"
    )
    shown = table("", "segment", "units", watched.metric, "95 %", "holdout", "worse by", "p", "gap", "alarm")
    for row in found.rows:
        between = "" if row.low is None or row.high is None else f"{row.low:.3g} to {row.high:.3g}"
        shown.add_row(
            row.basis,
            f"{row.segment_by}={row.segment}" if row.segment_by else "all",
            f"{row.units:,}",
            _spelled(row.value),
            between,
            *(_spelled(value) for value in (row.reference, row.worse, row.p_value, row.gap)),
            "[red]yes[/]" if row.breached else "",
        )
    out.print(shown)
    least = f"not judged, for that takes {found.policy.min_units:,} labelled answers"
    untold = "none" if found.judged else least
    out.print(f"harm: {', '.join(found.harm) or untold}")


def _spelled(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
