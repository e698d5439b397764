"""What is the warehouse's own in the backfill: its range of rows, names, and offsets that came twice.

That its rows are those of the reference is for tests/conformance.
"""

from collections.abc import Iterator

import pytest

from features import FeatureGroup, count, last
from features.compile import compile_group
from features.reference import rows
from tests.conformance.clickhouse import ClickHouse
from tests.conformance.engines import differences
from tests.definitions import carrier, landed
from tests.features.logs import DAY, HOUR, MINUTE, START, Case, Step
from tests.warehouse.engine import in_process

EVER = -(10**14)  # before every row
STEPS = (Step(delay=1.0), Step(gap=HOUR, delay=2.0, partition=1), Step(gap=MINUTE, id=1), Step(gap=DAY, id=1))
CASE = Case((("1h", "30m"), ("6h", None)), ("delay_min", "delay_sum", "late_last"), STEPS, partitions=3)


@pytest.fixture(scope="module")
def engine() -> Iterator[ClickHouse]:
    """An engine whose table holds the case."""
    with in_process() as query:
        engine = ClickHouse(query)
        engine.empty(CASE.plan.source)
        engine.insert(CASE.plan.source, CASE.records)
        yield engine


@pytest.mark.parametrize("edge", [START, START + HOUR, START + 90 * MINUTE, START + HOUR + MINUTE])
def test_a_range_of_rows_takes_its_start_and_leaves_its_end(engine: ClickHouse, edge: int) -> None:
    end = CASE.end + DAY
    every = sorted(rows(CASE.plan, CASE.records, end), key=lambda r: r["seq"])
    assert any(row["event_timestamp"] == edge for row in every)
    before, after = engine.backfilled(CASE.plan, EVER, edge), engine.backfilled(CASE.plan, edge, end)
    assert differences([*before, *after], every) == []
    assert {row["event_timestamp"] >= edge for row in before} == ({False} if before else set())


def test_a_feature_may_be_called_as_one_likes(engine: ClickHouse) -> None:
    group = FeatureGroup("g", 1, carrier, landed(3), [last("delay", name="last_ts"), count(name="staged")])
    plan, end = compile_group(group), CASE.end + DAY
    assert differences(engine.backfilled(plan, EVER, end), rows(plan, CASE.records, end)) == []


def test_an_offset_that_was_inserted_twice_counts_once(engine: ClickHouse) -> None:
    engine.insert(CASE.plan.source, CASE.records)
    end = CASE.end + DAY
    assert differences(engine.backfilled(CASE.plan, EVER, end), rows(CASE.plan, CASE.records, end)) == []
