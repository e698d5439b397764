import pytest

from features.handover import Handover
from features.reference import rows
from tests.features.logs import DAY, HOUR, MINUTE, START, Case, Step
from tests.warehouse.history import EVER, create, read_rows, write_log
from warehouse.backfill import backfill
from warehouse.client import Client
from warehouse.handover import handover, last_rows, record_handover, seed, take_over

STEPS = (
    Step(delay=1.0, seats=4, id=1),
    Step(gap=HOUR, delay=20.0, seats=3, partition=1, carrier="B|\\"),
    Step(gap=MINUTE, id=1),
    Step(gap=HOUR, delay=None, seats=5, late=2 * HOUR, partition=2),
    Step(gap=MINUTE, delay=7.5, seats=1, partition=1, carrier="B|\\"),
)
CASE = Case(
    (("1h", "30m"), ("6h", None)), ("delay_min", "delay_sum", "late_last", "seats_mean"), STEPS, partitions=3
)
PLAN = CASE.plan
CUTS = [START, START + 1, START + HOUR + MINUTE, START + 2 * HOUR + MINUTE, CASE.end + DAY]
MEMORY = 1 << 30


@pytest.fixture
def history(database: Client) -> Client:
    create(database, PLAN)
    write_log(database, PLAN.source, CASE.records)
    backfill(database, PLAN, EVER, CASE.end + DAY)  # beyond the cuts
    return database


@pytest.mark.parametrize("cut", CUTS)
def test_a_seed_is_the_events_before_the_cut_in_log_order(history: Client, cut: int) -> None:
    found = [event for block in seed(history, PLAN, cut, MEMORY) for event in block]
    place = ("topic", "partition", "offset")
    # an event has one row that names its place; a duplicate has none
    caused = [row for row in rows(PLAN, CASE.records, cut) if row["offset"] is not None]
    caused.sort(key=lambda row: (row["event_timestamp"], *(row[name] for name in place)))
    assert [(e["entity"], e["t"], *(e[n] for n in place)) for e in found] == [
        (row["entity"], row["event_timestamp"], *(row[n] for n in place)) for row in caused
    ]
    for event in found:
        assert event["ts"] <= event["t"]
        kinds = {type(event[f"a{i}"]) for i, a in enumerate(PLAN.arguments) if a.type == "boolean"}
        assert kinds <= {bool, type(None)}  # as Avro takes it


@pytest.mark.parametrize("cut", CUTS)
def test_the_last_row_of_each_entity_is_that_before_the_cut(history: Client, cut: int) -> None:
    last = {row["entity"]: row for row in rows(PLAN, CASE.records, cut)}
    found = [row for block in last_rows(history, PLAN, cut) for row in block]
    assert {row["entity"]: row for row in found} == last
    assert len(found) == len(last)


def test_the_stream_takes_over_the_rows_before_the_cut(history: Client) -> None:
    cut = CUTS[2]
    for _ in range(2):
        take_over(history, PLAN, cut)
        assert read_rows(history, PLAN, PLAN.table) == rows(PLAN, CASE.records, cut)


def test_a_handover_is_as_it_was_recorded_last(database: Client) -> None:
    assert handover(database, PLAN.name, PLAN.version) is None
    begun, done = Handover(1_234_567, ""), Handover(1_234_567, "seed.a")
    record_handover(database, PLAN, begun, 1_000)
    assert handover(database, PLAN.name, PLAN.version) == begun
    record_handover(database, PLAN, done, 2_000)
    assert handover(database, PLAN.name, PLAN.version) == done
    assert handover(database, PLAN.name, PLAN.version + 1) is None
