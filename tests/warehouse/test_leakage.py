"""Leaks through labels' records. The model reads `due` and `seats` of a request, as `hour` and `evening`."""

from typing import Any

import pytest

from features.compile import compile_group
from features.compile_model import compile_model
from features.reference import LogRecord
from tests.definitions import late, plain, whole
from tests.features.logs import HOUR, MINUTE, START
from tests.warehouse.answers import answer, publish
from tests.warehouse.history import create, write_log
from warehouse.client import Client
from warehouse.datasets import Dataset, build, find, read, stored
from warehouse.leakage import Changes, since_label, since_request

MODEL = compile_model(late)
GROUPS = (compile_group(plain), compile_group(whole))
NOON = START + 12 * HOUR
KEYS = {"carrier": "A", "stand": "A|1|false"}


@pytest.fixture
def client(database: Client) -> Client:
    create(database, *GROUPS)
    return database


def land(client: Client, *landings: dict[str, Any]) -> None:
    """Write labels' records; one a minute, each due two hours after noon unless it says otherwise."""
    known = {"carrier": "A", "gate": 1, "delay": 20.0, "seats": 3, "diverted": False, "due": NOON + 2 * HOUR}
    records = [
        LogRecord("landed", 0, i, at, {"landed_at": at, **known, **landing})
        for i, landing in enumerate(landings)
        for at in [NOON + 3 * HOUR + i * MINUTE]
    ]
    write_log(client, GROUPS[0].source, records)


def ask(client: Client, request_id: str, **inputs: Any) -> None:
    """Log the answer to a request at noon."""
    given = {"due": NOON + 2 * HOUR, "seats": 3, **inputs}
    publish(client, [answer(MODEL, request_id, NOON, KEYS, given, {"plain": None, "whole": None})])


def trained(client: Client) -> Dataset:
    return build(client, "tried", MODEL, 0, NOON + 24 * HOUR)


def test_training_reads_what_the_requests_said(client: Client) -> None:
    land(client, {"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "d"})
    ask(client, "a")
    ask(client, "b", due=NOON + 8 * HOUR)  # it has landed, and its record names another time
    ask(client, "c", due=None)
    ask(client, "gone")
    found = since_request(client, MODEL, trained(client).table)
    assert found == [Changes("hour", 3, 2), Changes("evening", 3, 2)]
    assert found[0].share == 2 / 3


def test_nothing_was_asked_so_nothing_differs(client: Client) -> None:
    land(client, {"id": "a"})
    found = since_request(client, MODEL, trained(client).table)
    assert [(c.compared, c.share) for c in found] == [(0, 0.0), (0, 0.0)]


def test_an_input_that_later_records_change_is_counted(client: Client) -> None:
    land(
        client,
        {"id": "once"},
        {"id": "same"},
        {"id": "same"},
        {"id": "other"},
        {"id": "other", "seats": 4},
        {"id": "lost"},
        {"id": "lost", "seats": None},
    )
    assert since_label(client, MODEL) == [Changes("due", 3, 0), Changes("seats", 3, 2)]


def test_a_stored_set_is_given_as_it_was_built(client: Client) -> None:
    land(client, {"id": "a"}, {"id": "b"})
    built = trained(client)
    assert stored(client, "tried", 1) == built == find(client, "tried", MODEL)
    assert read(client, built).num_rows == 2
    assert stored(client, "tried", 2) is None
