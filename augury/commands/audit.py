"""`augury audit`: the vectors that were served against the rows that the log gives."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from augury.clients import warehouse
from augury.models import registry
from augury.options import range_of
from augury.settings import Settings
from features.cutover import reroute
from features.project import load_project
from features.vector import ModelPlan
from warehouse.audit import audit as recompute
from warehouse.audit import visible_lag
from warehouse.client import Client

app = typer.Typer()


@app.command()
def audit(
    project: Annotated[str, typer.Argument(help="The project's module, such as examples.flights.")],
    model: Annotated[str, typer.Argument(help="A model's name.")],
    since: Annotated[str | None, typer.Option(help="ISO 8601; from the beginning without it.")] = None,
    until: Annotated[str | None, typer.Option(help="ISO 8601; the log's clock without it.")] = None,
) -> None:
    """Recompute served vectors by the identity of their rows; exit status 1 where a value differs.

    The model's groups must be backfilled as far as the requests that are audited. Where a group was cut over,
    the vectors with rows of the version that is read now are audited apart.
    """
    defined = load_project(project)
    if model not in defined.model_plans:
        known = ", ".join(defined.model_plans)
        raise typer.BadParameter(f"a model is one of the project's ({known}); nothing is called {model!r}")
    plan = defined.model_plans[model]
    if not plan.groups:
        raise typer.BadParameter(f"the audit goes by the rows that vectors hold, and {model} reads no group")
    settings = Settings()
    console, client = Console(), warehouse(settings)
    ranges = [range_of(client, defined.group_plans[g.label], since, until) for g in plan.groups]
    start, end = ranges[0][0], min(last for _, last in ranges)
    rerouted = reroute(plan, registry(settings).cutovers.routes())
    read = [plan] if rerouted == plan else [plan, rerouted]
    if sum(_audit(console, client, version, start, end) for version in read):
        raise typer.Exit(1)


def _audit(console: Console, client: Client, plan: ModelPlan, start: int, end: int) -> int:
    """Audit the vectors with rows of the plan's group versions, show it, and count those that differ."""
    found, lag = recompute(client, plan, start, end), visible_lag(client, plan, start, end)
    console.print(
        f"{plan.name} on {', '.join(g.label for g in plan.groups)}: {found.vectors:,} vectors audited, "
        f"{found.mismatches:,} differ, {found.skipped:,} of other group versions skipped"
    )
    table = Table("feature", "values that differ")
    for name in (*(g.group for g in plan.groups), *plan.names):
        table.add_row(name, f"{found.by_feature.get(name, 0):,}")
    console.print(table)
    console.print(
        f"{lag.rows:,} rows used, {lag.current:,} the newest that the log held, {lag.ahead:,} ahead of it; "
        f"they lagged by {lag.p50_ms:,.0f} ms (p50), {lag.p99_ms:,.0f} ms (p99)"
    )
    return found.mismatches
