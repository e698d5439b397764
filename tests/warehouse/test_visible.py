"""How far the rows used lagged the log, and the serving delay that this amounts to."""

from dataclasses import replace
from typing import Any

import pytest

from features import Freshness
from features.compile import compile_group
from features.compile_model import compile_model
from features.reference import rows
from tests.definitions import carrier, late, plain
from tests.features.logs import HOUR, MINUTE, START, Step, log
from tests.warehouse.answers import Answer, publish
from tests.warehouse.answers import answer as answered
from tests.warehouse.history import EVER, create, write_log
from warehouse.backfill import backfill
from warehouse.client import Client
from warehouse.visible import VisibleLag, visible_lag

PLAN = compile_group(plain)
MODEL = compile_model(
    replace(late, entities=[carrier], features=[plain["count_1h"]], inputs={}, on_demand={})
)
LOG = log([Step(gap=2 * MINUTE)] * 10)  # of A, at 2, 4, ... 20 minutes
END = START + 9 * HOUR
ROWS = [r for r in rows(PLAN, LOG, END) if r["topic"] is not None]


@pytest.fixture
def client(database: Client) -> Client:
    create(database, PLAN)
    write_log(database, PLAN.source, LOG)
    backfill(database, PLAN, EVER, END)
    return database


def answer(minutes: float, row: dict[str, Any] | None, entity: str = "A") -> Answer:
    at = START + round(minutes * MINUTE)
    return answered(MODEL, f"{minutes} {entity}", at, {"carrier": entity}, {}, {"plain": row})


def test_how_far_the_rows_lagged_the_log(client: Client) -> None:
    moved = ROWS[9] | {"event_timestamp": ROWS[9]["event_timestamp"] + 1}
    given = [
        answer(12, ROWS[5]),  # the newest
        answer(14, ROWS[5]),  # 2 minutes behind
        answer(16, ROWS[5]),  # 4 minutes behind
        answer(18, None),  # behind, but by no time that can be told
        answer(20, moved),  # newer than the request
        answer(60, None, "C"),  # missing, and rightly so
    ]
    publish(client, given)
    assert visible_lag(client, MODEL, START, END) == VisibleLag(
        *(6, 3, 1, 1, 0), p50_ms=2.0 * MINUTE, p99_ms=4.0 * MINUTE, delay_ms=0, agreeing=2
    )


def test_the_delay_is_the_least_that_explains_the_most_rows(client: Client) -> None:
    given = [
        answer(4.5, ROWS[0]),  # the row of minute 4 took more than half a minute
        answer(10.25, ROWS[3]),  # that of minute 10 more than a quarter
        answer(12.75, ROWS[5]),  # that of minute 12 at most three quarters
        answer(16, ROWS[5]),  # that of minute 14 more than two: this one the others gainsay
        answer(2.1, None),  # that of minute 2 more than a tenth
    ]
    publish(client, given)
    found = visible_lag(client, MODEL, START, END)
    assert (found.rows, found.delay_ms, found.agreeing) == (5, MINUTE // 2 + 1, 4)
    assert visible_lag(client, MODEL, START, START + 4 * MINUTE).delay_ms == MINUTE // 10 + 1


def test_rows_that_were_seen_at_once_need_no_delay(client: Client) -> None:
    publish(client, [answer(2 * n, ROWS[n - 1]) for n in range(1, 11)])
    found = visible_lag(client, MODEL, START, END)
    assert (found.current, found.delay_ms, found.agreeing, found.p99_ms) == (10, 0, 10, 0.0)


def test_a_sample_is_of_the_same_answers(client: Client) -> None:
    publish(client, [answer(2 * n, ROWS[n - 1]) for n in range(1, 11)])
    assert [visible_lag(client, MODEL, START, END, n).rows for n in (0, 4, 99)] == [0, 4, 10]


def test_there_is_no_lag_without_answers(client: Client) -> None:
    assert visible_lag(client, MODEL, START, END) == VisibleLag(0, 0, 0, 0, 0, 0.0, 0.0, 0, 0)


def test_rows_in_whose_place_defaults_stood_are_counted_and_a_stale_one_agrees_with_no_delay(
    client: Client,
) -> None:
    filled = replace(plain, defaults={"count_1h": 0}, freshness=Freshness("1m", on_stale="default"))
    model = compile_model(
        replace(late, entities=[carrier], features=[filled["count_1h"]], inputs={}, on_demand={})
    )
    at = {name: START + minutes * MINUTE for name, minutes in (("fresh", 12), ("stale", 14), ("missing", 60))}
    given = [
        answered(model, "fresh", at["fresh"], {"carrier": "A"}, {}, {"plain": ROWS[5]}),
        answered(model, "stale", at["stale"], {"carrier": "A"}, {}, {"plain": ROWS[6]}, age_ms=MINUTE + 1),
        answered(model, "missing", at["missing"], {"carrier": "C"}, {}, {"plain": None}),
    ]
    publish(client, given)
    found = visible_lag(client, model, START, END)
    assert (found.rows, found.current, found.defaulted, found.agreeing) == (3, 3, 2, 2)
