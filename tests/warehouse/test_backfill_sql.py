"""The backfill against the reference. A failing example prints as a `Case(...)` that can be pasted here."""

from collections.abc import Iterator
from math import inf, nan
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from features import FeatureGroup, count, last
from features.compile import compile_group
from features.plan import GroupPlan
from features.reference import LogRecord, rows, with_log_time
from features.types import DataType, Row, Value
from tests.definitions import CATALOGUE, carrier, landed
from tests.features.logs import DAY, HOUR, MINUTE, START, Case, Step, cases
from tests.warehouse.engine import Query, in_process
from warehouse import backfill_sql
from warehouse.dialect import TYPES, text
from warehouse.events import moment

COLUMNS = landed().columns
EVER = -(10**14)  # before every row


@pytest.fixture(scope="module")
def query() -> Iterator[Query]:
    columns = ", ".join(
        f"`{name}` {TYPES[t] if name in ('id', 'landed_at') else f'Nullable({TYPES[t]})'}"
        for name, t in COLUMNS.items()
    )
    place = "log_topic LowCardinality(String), log_partition Int32, log_offset Int64"
    with in_process() as running:
        running(
            f"CREATE TABLE landed ({columns}, log_time DateTime64(3, 'UTC'), {place}) "
            "ENGINE ReplacingMergeTree ORDER BY (log_topic, log_partition, log_offset)"
        )
        yield running


def cell(value: Value, data_type: DataType) -> str:
    match value:
        case None:
            return "NULL"
        case str():
            return text(value)
        case float():
            return repr(value)
        case _:
            return moment(value) if data_type is DataType.TIMESTAMP else str(value).lower()


def insert(query: Query, records: list[LogRecord]) -> None:
    """Write the log as the sink does: each record with T, ticks left out."""

    def values(clock: int, record: LogRecord, row: Row) -> str:
        cells = [cell(row[name], data_type) for name, data_type in COLUMNS.items()]
        place = [moment(clock), text(record.topic), str(record.partition), str(record.offset)]
        return f"({', '.join([*cells, *place])})"

    lines = [values(clock, r, r.value) for clock, r in with_log_time(records) if r.value is not None]
    if lines:
        query(f"INSERT INTO landed VALUES {', '.join(lines)}")


def backfilled(query: Query, plan: GroupPlan, since: int, until: int) -> list[dict[str, Any]]:
    """Compute the rows in ClickHouse, times in ms, by entity and `seq`."""
    query("DROP TABLE IF EXISTS gathered")
    query("DROP TABLE IF EXISTS staged")
    gathered = backfill_sql.gather(plan, "landed", EVER, until, 1)
    query(f"CREATE TABLE gathered ENGINE MergeTree ORDER BY (entity, _t) AS {gathered}")
    staged = backfill_sql.stage(plan, "gathered", until)
    query(f"CREATE TABLE staged ENGINE MergeTree ORDER BY (entity, seq) AS {staged}")
    times = ", ".join(f"toUnixTimestamp64Milli({n}) AS {n}" for n in ("event_timestamp", "last_event_time"))
    selected = backfill_sql.rows(plan, "staged", since, until)
    return query(f"SELECT * REPLACE({times}) FROM ({selected}) ORDER BY entity, seq")


def differences(got: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[str]:
    """Say where rows differ, in type or in bits too; an empty list where they are the same."""
    found = [f"{len(got)} rows, not {len(wanted)}"] if len(got) != len(wanted) else []
    for g, w in zip(got, wanted, strict=False):
        unlike = {n: (g.get(n), w[n]) for n in w if repr(g.get(n)) != repr(w[n])}
        if unlike or g.keys() != w.keys():
            found.append(f"{w['entity']!r} {w['seq']} (got, wanted): {unlike}")
    return found


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases)
@example(
    case=Case(
        (("1h", "30m"), None),
        tuple(CATALOGUE),
        (
            Step(delay=nan),
            Step(delay=inf),
            Step(delay=-0.0, seats=3),
            Step(gap=HOUR, late=2 * HOUR, delay=20.0, seats=4, carrier="B|\\"),
            Step(gap=MINUTE, delay=0.1, seats=-7, late=HOUR // 2),
        ),
    )
)
@example(
    case=Case(
        (("2s", "1s"),),
        ("seats_last", "delay_max"),
        (
            Step(late=400 * DAY, seats=1),
            Step(gap=1, carrier=None),
            Step(gap=1999, delay=1.5),
            Step(tick=True),
        ),
        entity="stand",
        partitions=3,
    )
)
@example(  # tiles that leave as the event arrives or 1 ms later; duplicates at the edge of dedup
    case=Case(
        (("1h", "30m"),),
        ("delay_max", "seats_sum", "late_last"),
        (
            Step(gap=90 * MINUTE, late=90 * MINUTE, delay=20.0, seats=4, id=1),
            Step(gap=90 * MINUTE - 1, late=90 * MINUTE - 1, delay=0.0000015, seats=4, id=1),
            Step(gap=HOUR - 1, delay=0.0000005, id=1),
            Step(gap=HOUR, seats=1, id=1),
        ),
    )
)
def test_rows_are_those_of_the_reference(query: Query, case: Case) -> None:
    query("TRUNCATE TABLE landed")
    insert(query, case.records)
    until = case.end + 3 * DAY
    assert differences(backfilled(query, case.plan, EVER, until), rows(case.plan, case.records, until)) == []


STEPS = (Step(delay=1.0), Step(gap=HOUR, delay=2.0, partition=1), Step(gap=MINUTE, id=1), Step(gap=DAY, id=1))
CASE = Case((("1h", "30m"), ("6h", None)), ("delay_min", "delay_sum", "late_last"), STEPS, partitions=3)


@pytest.mark.parametrize("edge", [START, START + HOUR, START + 90 * MINUTE, START + HOUR + MINUTE])
def test_a_range_of_rows_takes_its_start_and_leaves_its_end(query: Query, edge: int) -> None:
    query("TRUNCATE TABLE landed")
    insert(query, CASE.records)
    end = CASE.end + DAY
    every = sorted(rows(CASE.plan, CASE.records, end), key=lambda r: r["seq"])
    assert any(row["event_timestamp"] == edge for row in every)
    before, after = backfilled(query, CASE.plan, EVER, edge), backfilled(query, CASE.plan, edge, end)
    assert differences([*before, *after], every) == []
    assert {row["event_timestamp"] >= edge for row in before} == ({False} if before else set())


def test_a_feature_may_be_called_as_one_likes(query: Query) -> None:
    query("TRUNCATE TABLE landed")
    insert(query, CASE.records)
    group = FeatureGroup("g", 1, carrier, landed(3), [last("delay", name="last_ts"), count(name="staged")])
    plan, end = compile_group(group), CASE.end + DAY
    assert differences(backfilled(query, plan, EVER, end), rows(plan, CASE.records, end)) == []


def test_an_offset_that_was_inserted_twice_counts_once(query: Query) -> None:
    query("TRUNCATE TABLE landed")
    insert(query, CASE.records)
    insert(query, CASE.records)
    end = CASE.end + DAY
    assert differences(backfilled(query, CASE.plan, EVER, end), rows(CASE.plan, CASE.records, end)) == []
