"""What is the warehouse's own in the backfill: its range of rows, names, and offsets that came twice.

That its rows are those of the reference is for tests/conformance.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from features import FeatureGroup, Lookup, Source, count, last
from features.compile import compile_group
from features.reference import LogRecord, rows
from tests.conformance.clickhouse import ClickHouse
from tests.conformance.engines import Log, differences
from tests.definitions import carrier, landed
from tests.features.logs import DAY, HOUR, MINUTE, START, Case, Step, log
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


def test_a_lookup_may_call_what_it_adds_as_other_columns_of_its_source(tmp_path: Path) -> None:
    schema = tmp_path / "station.avsc"
    moment = {"type": "long", "logicalType": "timestamp-millis"}
    fields = {"station": "string", "told_at": moment, "told": "string", "above": "string", "since": moment}
    named = [{"name": name, "type": avro} for name, avro in fields.items()]
    schema.write_text(json.dumps({"type": "record", "name": "station", "fields": named}))
    told = Source("stations", schema, "told_at", "told", "station", dedup="1h")
    hides = {"station": "above", "told": "above", "told_at": "since"}
    group = FeatureGroup(
        "g",
        1,
        carrier,
        landed(),
        [last("station"), last("told"), last("year")],
        lookups=[Lookup(told, on={"carrier": "station"}, columns=hides)],
        columns={"year": "extract(year from told_at)"},
    )
    stations = [("A", 1, "a", "B", -DAY), ("A", 2, "b", "C", -400 * DAY), ("A", 3, "b", "D", 0)]
    records = [
        LogRecord(
            "stations", 0, n, START + n, dict(zip(fields, (s, START + at, i, up, START + since), strict=True))
        )
        for n, (s, at, i, up, since) in enumerate(stations)
    ]
    records += log([Step(gap=MINUTE), Step(gap=MINUTE, carrier="B")])
    plan, end = compile_group(group), START + DAY
    expected = rows(plan, records, end)
    assert [(r["station_last"], r["year_last"]) for r in expected] == [("C", 2011), (None, None)]
    with in_process() as query:
        engine = ClickHouse(query)
        assert differences(engine.compute([Log(plan, records, end)])[0], expected) == []
