"""Backfill: a group's rows for a time range, out of its source's events."""

import uuid
from dataclasses import dataclass
from time import perf_counter

from clickhouse_connect.driver.client import Client

from features.inputs import SourcePlan
from features.plan import GroupPlan
from warehouse.backfill_sql import rows, stage
from warehouse.dialect import column


@dataclass(frozen=True)
class Backfilled:
    """What a backfill wrote: rows, events read, and seconds taken."""

    rows: int
    events: int
    seconds: float


def backfill(client: Client, plan: GroupPlan, since: int, until: int) -> Backfilled:
    """Write the rows with `event_timestamp` in [since, until) (ms) to the group's backfill table.

    It reads the log from its origin, for `seq` and lifetime totals begin there. Rows are a function of
    the log, and `(entity, seq)` is their identity, so a second run writes the same rows over the first.
    """
    started = perf_counter()
    staged = f"_stage_{plan.backfill_table}_{uuid.uuid4().hex}"  # of this run alone
    try:
        client.command(
            f"CREATE TABLE {staged} ENGINE MergeTree ORDER BY (entity, seq) AS " + stage(plan, until)
        )
        names = ", ".join(
            [
                "entity, event_timestamp, last_event_time, seq, topic, partition, offset",
                *(column(f.name) for f in plan.features),
            ]
        )
        client.command(f"INSERT INTO {plan.backfill_table} ({names}) {rows(plan, staged, since, until)}")
        counted = client.query(
            f"SELECT countIf(_t >= {since}), countIf(_kind = 1) FROM {staged} WHERE _t < {until}"
        ).result_rows[0]
    finally:
        client.command(f"DROP TABLE IF EXISTS {staged}")
    return Backfilled(rows=counted[0], events=counted[1], seconds=perf_counter() - started)


def log_clock(client: Client, *sources: SourcePlan) -> int | None:
    """Give how far the log's clock has come for all of the sources: the least T of their partitions, in ms.

    Every row before it has been emitted, and none before it will be. None until every partition was read.
    """
    found = client.query(
        "SELECT min(clock), count() FROM (SELECT max(toUnixTimestamp64Milli(log_time)) AS clock "
        "FROM log_clock WHERE topic IN {topics:Array(String)} GROUP BY topic, partition)",
        parameters={"topics": [source.topic for source in sources]},
    ).result_rows[0]
    return int(found[0]) if found[1] >= sum(source.partitions for source in sources) else None


def events_held(client: Client, source: SourcePlan) -> int:
    """Count the events that a backfill would read, repetitions too; 0 before the source has a table."""
    if not client.query(f"EXISTS TABLE {column(source.name)}").result_rows[0][0]:
        return 0
    return int(client.query(f"SELECT count() FROM {column(source.name)}").result_rows[0][0])
