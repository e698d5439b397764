"""What several commands read from their arguments."""

from datetime import UTC, datetime

import typer

from features.plan import GroupPlan
from features.project import Project
from warehouse.backfill import log_clock
from warehouse.client import Client


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
    start = 0 if since is None else _moment(since)
    clock = log_clock(client, *plan.inputs)
    topics = " and ".join(source.topic for source in plan.inputs)
    if clock is None:
        raise typer.BadParameter(f"the warehouse has not read all of {topics} yet; is the sink running?")
    end = clock if until is None else _moment(until)
    if end > clock:
        raise typer.BadParameter(
            f"a range ends at the latest where the warehouse's clock of {topics} stands, "
            f"at {clock} ms; rows up to {end} ms would miss events"
        )
    return start, end


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"a time is written as ISO 8601, and {text!r} is not") from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
