from dataclasses import replace
from typing import Any

import pytest

from features.compile import compile_group
from features.reference import rows
from tests.definitions import plain
from tests.features.logs import HOUR, MINUTE, START, Step, log
from tests.warehouse.history import create, write_rows
from warehouse.client import Client
from warehouse.parity import Parity, parity

PLAN = compile_group(plain)
LOG = log(
    (
        Step(delay=4.0),
        Step(gap=MINUTE),
        Step(gap=MINUTE, delay=1.5, carrier="B"),
        Step(gap=MINUTE, carrier="B"),
    )
)
ROWS = rows(PLAN, LOG, START + HOUR)  # A 1, A 2, B 1, B 2: no tile has left yet
MEAN = "delay_mean_1h"


def compared(client: Client, stream: list[dict[str, Any]], backfill: list[dict[str, Any]]) -> Parity:
    create(client, PLAN)
    write_rows(client, PLAN.table, stream)
    write_rows(client, PLAN.backfill_table, backfill)
    return parity(client, PLAN, START, START + HOUR)


def counts(found: Parity) -> tuple[int, ...]:
    return found.compared, found.same, found.differing, found.only_stream, found.only_backfill


def test_equal_rows(database: Client) -> None:
    found = compared(database, ROWS, [*ROWS, *ROWS])  # written twice is there once
    assert counts(found) == (4, 4, 0, 0, 0)
    assert (found.group, found.mismatches, found.first) == ("plain.v1", 0, ())


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("count_1h", 3, ("3", "2")),
        (MEAN, None, (None, "4")),
        (MEAN, 4.000000000000001, ("4.000000000000001", "4")),
        ("last_event_time", START + 1, ("2013-01-01 00:00:00.001", "2013-01-01 00:01:00.000")),
        ("offset", None, (None, "1")),
    ],
)
def test_a_changed_value_is_counted_and_named(
    database: Client, column: str, value: object, named: tuple[str | None, str | None]
) -> None:
    changed = [ROWS[0], {**ROWS[1], column: value}, *ROWS[2:]]
    found = compared(database, changed, ROWS)
    assert counts(found) == (4, 3, 1, 0, 0)
    assert found.mismatches == 1
    (only,) = found.first
    assert (only.entity, only.seq) == ("A", 2)
    assert only.columns == {column: named}


def test_a_null_in_the_backfill_against_a_value(database: Client) -> None:
    found = compared(database, ROWS, [{**ROWS[0], MEAN: None}, *ROWS[1:]])
    assert counts(found) == (4, 3, 1, 0, 0)
    assert found.first[0].columns == {MEAN: ("4", None)}


def test_a_row_that_is_missing_on_each_side(database: Client) -> None:
    found = compared(database, ROWS[1:], ROWS[:-1])
    assert counts(found) == (4, 2, 0, 1, 1)
    assert found.mismatches == 2
    missing, more = found.first
    assert (missing.entity, missing.seq, more.entity, more.seq) == ("A", 1, "B", 2)
    assert missing.columns["count_1h"] == (None, "1")
    assert more.columns["count_1h"] == ("2", None)


def test_only_rows_of_the_range_are_compared(database: Client) -> None:
    compared(database, ROWS, ROWS[:2])
    assert counts(parity(database, PLAN, START, START + 2 * MINUTE)) == (2, 2, 0, 0, 0)
    assert counts(parity(database, PLAN, START + 2 * MINUTE, START + HOUR)) == (2, 0, 0, 2, 0)


def test_no_more_are_named_than_asked_for(database: Client) -> None:
    compared(database, ROWS, [{**row, "count_1h": 9} for row in ROWS])
    found = parity(database, PLAN, START, START + HOUR, most=2)
    assert (found.mismatches, [(d.entity, d.seq) for d in found.first]) == (4, [("A", 1), ("A", 2)])


@pytest.mark.parametrize(("off", "mismatches"), [(1 + 2e-16, 0), (1 + 5e-13, 0), (1 + 2e-12, 1)])
def test_an_inexact_feature_may_be_some_units_in_the_last_place_apart(
    database: Client, off: float, mismatches: int
) -> None:
    plan = compile_group(replace(plain, derived={"slow": "ln(delay_mean_1h)", "twice": "slow * 2"}))
    made = rows(plan, LOG, START + HOUR)
    create(database, plan)
    write_rows(database, plan.table, made)
    moved = [row if row["slow"] is None else {**row, "slow": row["slow"] * off} for row in made]
    write_rows(database, plan.backfill_table, [moved[0], *made[1:]])
    found = parity(database, plan, START, START + HOUR)
    assert (found.compared, found.mismatches) == (4, mismatches)
