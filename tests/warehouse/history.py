"""History as the sink leaves it: events with their place in the log, and rows as the reference gives them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from features.inputs import SourcePlan
from features.plan import GroupPlan
from features.reference import LogRecord, with_log_time
from warehouse.client import Client
from warehouse.dialect import column
from warehouse.tables import LOG_COLUMNS, group_tables, source_table

EVER = -(10**12)  # before every row


def create(client: Client, *plans: GroupPlan) -> None:
    """Create the tables of the groups and of their sources."""
    for plan in plans:
        for table in (source_table(plan.source), *group_tables(plan)):
            client.command(table)


def write_log(client: Client, source: SourcePlan, records: Iterable[LogRecord]) -> None:
    """Write a log: each record with T, ticks left out, and how far the clock has come."""
    timed = with_log_time(records)
    names = list(source.columns)
    lines = [
        [*(r.value[n] for n in names), clock, r.topic, r.partition, r.offset]
        for clock, r in timed
        if r.value is not None
    ]
    client.insert(source.name, lines, column_names=[*names, *LOG_COLUMNS])
    clocks = [[r.topic, r.partition, clock, r.offset] for clock, r in timed]
    client.insert("log_clock", clocks, column_names=["topic", "partition", "log_time", "offset"])


def write_rows(client: Client, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows to one of a group's tables."""
    client.insert(table, [list(row.values()) for row in rows], column_names=list(rows[0]))


def read_rows(client: Client, plan: GroupPlan, table: str) -> list[dict[str, Any]]:
    """Read a group's rows as the reference gives them: times in ms, by entity and `seq`."""
    times = ", ".join(f"toUnixTimestamp64Milli({n}) AS {n}" for n in ("event_timestamp", "last_event_time"))
    names = ", ".join(column(n) for n in ("seq", "topic", "partition", "offset"))
    features = ", ".join(column(f.name) for f in plan.features)
    found = client.query(
        f"SELECT entity, {times}, {names}, {features} FROM {table} FINAL ORDER BY entity, seq"
    )
    return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
