"""`augury audit`: the vectors that were served against the rows that the log gives."""

from typing import Annotated

import typer
from rich.console import Console

from augury.clients import warehouse
from augury.models import registry
from augury.options import range_of, utc
from augury.settings import Settings
from augury.tables import console, table
from features.cutover import reroute
from features.project import load_project
from features.vector import ModelPlan
from warehouse.audit import audit as recompute
from warehouse.client import Client
from warehouse.visible import visible_lag

app = typer.Typer()


@app.command()
def audit(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    model: Annotated[str, typer.Argument(help="A model's name.")],
    since: Annotated[str | None, typer.Option(help="ISO 8601; from the beginning without it.")] = None,
    until: Annotated[str | None, typer.Option(help="ISO 8601; the log's clock without it.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="How many answers, the same ones each time; all without it.")
    ] = None,
) -> None:
    """Recompute served vectors by the identity of their rows; exit status 1 where a value differs.

    The model's groups must be backfilled as far as the requests that are audited. Where a group was cut over,
    the vectors with rows of the version that is read now are audited apart. Exit status 1 also where nothing
    was served.
    """
    defined = load_project(project)
    if model not in defined.model_plans:
        known = ", ".join(defined.model_plans)
        raise typer.BadParameter(f"a model is one of the project's ({known}); nothing is called {model!r}")
    plan = defined.model_plans[model]
    if not plan.groups:
        raise typer.BadParameter(f"the audit goes by the rows that vectors hold, and {model} reads no group")
    settings = Settings()
    out, client = console(), warehouse(settings)
    rerouted = reroute(plan, registry(settings).cutovers.routes())
    read = [plan] if rerouted == plan else [plan, rerouted]
    groups = {g.label: defined.group_plans.get(g.label) for version in read for g in version.groups}
    ranges = [range_of(client, group, since, until) for group in groups.values() if group is not None]
    start, end = ranges[0][0], min(last for _, last in ranges)
    found = [_audit(out, client, version, start, end, sample, defined.inexact(version)) for version in read]
    if not any(vectors for vectors, _ in found):
        out.print(f"nothing was audited: {model} was asked nothing from {utc(start)} until {utc(end)}")
        raise typer.Exit(1)
    if any(differ for _, differ in found):
        raise typer.Exit(1)


def _audit(
    out: Console,
    client: Client,
    plan: ModelPlan,
    start: int,
    end: int,
    sample: int | None,
    inexact: frozenset[str],
) -> tuple[int, int]:
    """Audit the vectors with rows of the plan's group versions; give how many, and how many differ."""
    found = recompute(client, plan, start, end, sample, inexact)
    out.print(
        f"{plan.name} on {', '.join(g.label for g in plan.groups)}: {found.vectors:,} vectors audited, "
        f"{found.mismatches:,} differ, {found.skipped:,} of other group versions skipped"
    )
    if not found.vectors:
        return 0, 0
    lag = visible_lag(client, plan, start, end, sample)
    shown = table("feature", "values that differ", "of all", "cause")
    for name in plan.names:
        causes = ", ".join(f"{d.cause} ({d.vectors:,})" for d in found.differences if d.feature == name)
        values = found.values(name)
        shown.add_row(name, f"{values:,}", f"{values / max(found.vectors, 1):.2%}", causes)
    out.print(shown)
    out.print(
        f"{lag.rows:,} rows used, {lag.current:,} the newest that the log held, {lag.ahead:,} ahead of it, "
        f"{lag.missing:,} not there yet; they lagged by {lag.p50_ms:,.0f} ms (p50), "
        f"{lag.p99_ms:,.0f} ms (p99); defaults stood in the place of {lag.defaulted:,}"
    )
    stated = f'serving_delay="{lag.delay_ms}ms"' if lag.delay_ms else "no serving_delay"
    out.print(
        f"state {stated}: a training set then takes {lag.agreeing:,} of the {lag.rows:,} rows as they were "
        f"served"
    )
    return found.vectors, found.mismatches
