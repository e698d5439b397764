"""What several commands read from their arguments, and how they show progress."""

from datetime import UTC, datetime

import typer
from rich.progress import (
    BarColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from features.contracts import AppliedContract
from features.plan import GroupPlan
from features.project import Project
from warehouse.backfill import log_clock
from warehouse.client import Client
from warehouse.contracts import applied

COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    TaskProgressColumn(),
    TimeElapsedColumn(),
    TextColumn("left:"),
    TimeRemainingColumn(),
)


def group_plan(project: Project, group: str) -> GroupPlan:
    """Find a group by label, or by name its newest version. Raises `typer.BadParameter`."""
    named = [p for p in project.group_plans.values() if group in (p.label, p.name)]
    if not named:
        known = ", ".join(project.group_plans)
        raise typer.BadParameter(f"a group is one of the project's ({known}); nothing is called {group!r}")
    return max(named, key=lambda p: p.version)


def range_of(client: Client, plan: GroupPlan, since: str | None, until: str | None) -> tuple[int, int]:
    """Read a time range as ms; without an end, as far as the log's clock has come in the warehouse.

    Raises `typer.BadParameter` for an end beyond that: the events before it are not all there.
    """
    start = 0 if since is None else moment(since)
    clock = log_clock(client, *plan.inputs)
    topics = " and ".join(source.topic for source in plan.inputs)
    if clock is None:
        raise typer.BadParameter(f"the warehouse has not read all of {topics} yet; is the sink running?")
    end = clock if until is None else moment(until)
    if end > clock:
        raise typer.BadParameter(
            f"a range ends at the latest where the warehouse's clock of {topics} stands, "
            f"at {clock} ms; rows up to {end} ms would miss events"
        )
    return start, end


def applied_version(client: Client, group: str, version: int) -> AppliedContract:
    """Find the contract of a group version that was applied. Raises `typer.BadParameter`."""
    contracts = applied(client)
    for contract in contracts:
        if (contract.group, contract.version) == (group, version):
            return contract
    known = ", ".join(contract.label for contract in contracts) or "there is none"
    raise typer.BadParameter(f"a version was applied ({known}); nothing is known of {group}.v{version}")


def moment(text: str) -> int:
    """Read a time in ISO 8601, UTC where it has no zone, as ms. Raises `typer.BadParameter`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"a time is written as ISO 8601, and {text!r} is not") from error
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def utc(ms: int) -> str:
    """Write a time for a person."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
