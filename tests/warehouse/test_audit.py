"""The audit, on answers as serving logs them over rows as the backfill writes them."""

from dataclasses import replace
from typing import Any

import pytest

from features.compile import compile_group
from features.compile_model import compile_model
from features.expressions.python import evaluator
from features.reference import rows
from tests.definitions import late, plain, whole
from tests.features.logs import DAY, HOUR, MINUTE, START, Step, log
from tests.warehouse.history import EVER, create, read_rows, write_log
from warehouse.audit import Audit, VisibleLag, audit, visible_lag
from warehouse.backfill import backfill
from warehouse.client import Client
from warehouse.targets import RECORDS

PLANS = {"plain": compile_group(plain), "whole": compile_group(whole)}
MODEL = compile_model(late)
LOG = log([Step(gap=MINUTE, delay=20.0 + i, seats=3, carrier="AB"[i % 2]) for i in range(20)])
END = START + 2 * DAY
DUE = START + 20 * HOUR
Answer = dict[str, Any]


@pytest.fixture
def client(database: Client) -> Client:
    create(database, *PLANS.values())
    write_log(database, PLANS["plain"].source, LOG)
    for plan in PLANS.values():
        backfill(database, plan, EVER, END)
        assert read_rows(database, plan, plan.backfill_table) == rows(plan, LOG, END)
    return database


def answers(*asked: int) -> list[Answer]:
    """What serving logs for requests at these moments, one an entity: the newest rows, and their values."""
    return [answer(at, letter) for at in asked for letter in "ABC"]


def answer(at: int, letter: str) -> Answer:
    keys = {"plain": letter, "whole": f"{letter}|1|false"}
    inputs = {"due": DUE, "seats": {"A": 1, "B": 3, "C": None}[letter]}
    used, values = [], {}
    for group in MODEL.groups:
        plan, key = PLANS[group.group], keys[group.group]
        held = [r for r in rows(plan, LOG, at + 1) if r["entity"] == key]
        newest = held[-1] if held else {"event_timestamp": 0, "seq": -1}
        for position in group.positions:
            name = group.features[position].name
            values[f"{group.group}.{name}"] = newest.get(name)
        identity = {n: newest[n] for n in ("event_timestamp", "seq")}
        state = {"state": "fresh" if held else "missing", "age_ms": 0}
        used.append({"group": group.group, "version": group.version, "entity": key, **identity, **state})
    values |= {d.name: evaluator(d.expression)(inputs) for d in MODEL.on_demand}
    numbers = {name: None if v is None else float(v) for name, v in values.items()}
    latency = ("features", "on_demand", "model", "total")
    return {
        "deduplication_key": f"carrier={letter}|late|{at}",
        "request_id": str(at),
        "model_name": "late",
        "model_version_used": 1,
        "variant": "champion",
        "door": "http",
        "prediction": 0.5,
        "error": None,
        "entity_keys": {"carrier": keys["plain"], "stand": keys["whole"]},
        "inputs": inputs,
        "feature_values_used": numbers,
        "rows": used,
        "requested_at": at,
        "predicted_at": at + 1,
        **{f"latency_{part}_ms": 0.1 for part in latency},
    }


def publish(client: Client, given: list[Answer]) -> None:
    target = RECORDS["prediction.results"]
    lines = [[*target.row(a), a["requested_at"]] for a in given]
    client.insert(target.table, lines, column_names=target.columns)


ASKED = (START, START + 5 * MINUTE, START + HOUR, START + 90 * MINUTE, START + 9 * HOUR)


def audited(client: Client, given: list[Answer]) -> Audit:
    publish(client, given)
    return audit(client, MODEL, START, END)


def test_vectors_as_they_must_be(client: Client) -> None:
    given = answers(*ASKED)
    assert {v is None for a in given for v in a["feature_values_used"].values()} == {True, False}
    assert audited(client, [*given, *given]) == Audit(15, 0, {}, 0)


def test_a_wrong_stored_value(client: Client) -> None:
    given = answers(*ASKED)
    given[3]["feature_values_used"]["plain.count_1h"] += 1
    given[4]["feature_values_used"]["plain.count_1h"] = None
    given[4]["feature_values_used"]["whole.pace"] += 1e-15
    assert audited(client, given) == Audit(15, 2, {"plain.count_1h": 2, "whole.pace": 1}, 0)


def test_a_value_where_the_row_has_none_and_a_value_that_is_not_told(client: Client) -> None:
    given = answers(*ASKED)
    given[2]["feature_values_used"]["whole.busy"] = 0.0  # the entity has no row
    del given[5]["feature_values_used"]["whole.pace"]
    assert audited(client, given) == Audit(15, 2, {"whole.busy": 1, "whole.pace": 1}, 0)


def test_a_wrong_on_demand_value(client: Client) -> None:
    given = answers(*ASKED)
    given[0]["feature_values_used"]["evening"] = 0.0
    given[7]["feature_values_used"]["hour"] = None
    del given[8]["feature_values_used"]["hour"]
    assert audited(client, given) == Audit(15, 3, {"evening": 1, "hour": 2}, 0)


def test_a_row_that_the_log_does_not_give(client: Client) -> None:
    given = answers(*ASKED)
    given[3]["rows"][0]["seq"] = 999
    found = audited(client, given)
    assert found.mismatches == 1
    assert found.by_feature == {"plain": 1, "plain.count_1h": 1}  # there is nothing to hold the value to


def test_a_wrong_moment_of_a_row(client: Client) -> None:
    given = answers(*ASKED)
    given[3]["rows"][1]["event_timestamp"] += 1
    assert audited(client, given) == Audit(15, 1, {"whole": 1}, 0)


def test_an_answer_that_does_not_name_one_row_of_each_group(client: Client) -> None:
    given = answers(*ASKED)
    del given[3]["rows"][1]
    given[4]["rows"].append(given[4]["rows"][0])
    assert audited(client, given) == Audit(15, 2, {"plain: not one row": 1, "whole: not one row": 1}, 0)


def test_answers_that_are_not_audited(client: Client) -> None:
    given = answers(*ASKED)
    wrong = {"feature_values_used": {"plain.count_1h": 99.0}}
    refused = {**given[0], **wrong, "deduplication_key": "refused", "error": "stale"}
    ready = {**given[0], **wrong, "deduplication_key": "a ready vector", "rows": []}
    other = {**given[0], **wrong, "deduplication_key": "other", "model_name": "other"}
    after = {**given[0], **wrong, "deduplication_key": "after", "requested_at": END}
    newer = {**given[0], **wrong, "deduplication_key": "newer"}
    newer["rows"] = [{**row, "version": row["version"] + 1} for row in newer["rows"]]
    assert audited(client, [*given, refused, ready, other, after, newer]) == Audit(15, 0, {}, 1)


def test_how_far_the_rows_lagged_the_log(client: Client) -> None:
    plan = replace(MODEL, groups=MODEL.groups[:1])
    asked = [START + n * MINUTE for n in (11, 13, 15, 17, 19)]  # A's events come every 2 minutes, from 1 on
    given = [answer(at, "A") for at in asked]
    newest = [r for r in rows(PLANS["plain"], LOG, START + HOUR) if r["entity"] == "A"]
    assert [r["event_timestamp"] for r in newest][-5:] == asked

    def show(one: Answer, row: dict[str, Any] | None) -> None:
        held = row or {"event_timestamp": 0, "seq": -1}
        one["rows"][0] |= {n: held[n] for n in ("event_timestamp", "seq")}

    show(given[1], newest[-5])  # 2 minutes behind
    show(given[2], newest[-5])  # 4 minutes behind
    show(given[3], None)  # behind, but by no time that can be told
    show(given[4], newest[-1] | {"event_timestamp": asked[4] + 1})
    publish(client, [*given, answer(START + HOUR, "C")])  # missing, and rightly so
    assert visible_lag(client, plan, START, END) == VisibleLag(
        rows=6, current=3, ahead=1, p50_ms=2.0 * MINUTE, p99_ms=4.0 * MINUTE
    )


def test_there_is_no_lag_without_answers(client: Client) -> None:
    assert visible_lag(client, MODEL, START, END) == VisibleLag(0, 0, 0, 0.0, 0.0)
    assert audit(client, MODEL, START, END) == Audit(0, 0, {}, 0)
