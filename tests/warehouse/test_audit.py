"""The audit, on answers as serving logs them over rows as the backfill writes them."""

import re
from dataclasses import replace

import pytest

from augury.settings import ROOT
from features import Freshness
from features.compile import compile_group
from features.compile_model import compile_model
from features.reference import rows
from features.vector import ModelPlan
from tests.definitions import late, plain, whole
from tests.features.logs import DAY, HOUR, MINUTE, START, Step, log
from tests.warehouse.answers import Answer, publish
from tests.warehouse.answers import answer as answered
from tests.warehouse.history import EVER, create, read_rows, write_log
from warehouse.audit import Audit, Cause, Difference, audit
from warehouse.backfill import backfill
from warehouse.client import Client, migrate
from warehouse.targets import RECORDS

PLANS = {"plain": compile_group(plain), "whole": compile_group(whole)}
ON_DEMAND = {
    **late.on_demand,
    "ours": "whole.carrier_last = 'A' and plain.count_1h > 0",
    "asked": "extract(minute from requested_at)",
    "age": "cast(requested_at as bigint) - cast(whole.event_timestamp as bigint)",
}
MODEL = compile_model(replace(late, on_demand=ON_DEMAND))
LOG = log([Step(gap=MINUTE, delay=20.0 + i, seats=3, carrier="AB"[i % 2]) for i in range(20)])
END = START + 2 * DAY
DUE = START + 20 * HOUR
ASKED = (START, START + 5 * MINUTE, START + HOUR, START + 90 * MINUTE, START + 9 * HOUR)


@pytest.fixture
def client(database: Client) -> Client:
    create(database, *PLANS.values())
    write_log(database, PLANS["plain"].source, LOG)
    for plan in PLANS.values():
        backfill(database, plan, EVER, END)
        assert read_rows(database, plan, plan.backfill_table) == rows(plan, LOG, END)
    return database


def answers(*asked: int, model: ModelPlan = MODEL, age_ms: int = 0) -> list[Answer]:
    """What serving logs for requests at these moments, one an entity: the newest rows, and their values."""
    return [answer(at, letter, model, age_ms) for at in asked for letter in "ABC"]


def answer(at: int, letter: str, model: ModelPlan = MODEL, age_ms: int = 0) -> Answer:
    keys = {"carrier": letter, "stand": f"{letter}|1|false"}
    held = {}
    for group in model.groups:
        seen = [r for r in rows(PLANS[group.group], LOG, at + 1) if r["entity"] == keys[group.entity]]
        held[group.group] = seen[-1] if seen else None
    inputs = {"due": DUE, "seats": {"A": 1, "B": 3, "C": None}[letter]}
    return answered(model, str(at), at, keys, inputs, held, age_ms)


def audited(client: Client, given: list[Answer], model: ModelPlan = MODEL) -> Audit:
    publish(client, given)
    return audit(client, model, START, END)


def differ(feature: str, cause: Cause, vectors: int = 1) -> Difference:
    return Difference(feature, cause, vectors)


def test_vectors_as_they_must_be(client: Client) -> None:
    given = answers(*ASKED)
    assert {v is None for a in given for v in a["feature_values_used"].values()} == {True, False}
    assert audited(client, [*given, *given]) == Audit(15, 0, (), 0)


def test_a_wrong_stored_value(client: Client) -> None:
    given = answers(*ASKED)
    given[3]["feature_values_used"]["plain.count_1h"] += 1
    given[4]["feature_values_used"]["plain.count_1h"] = None
    given[4]["feature_values_used"]["whole.pace"] += 1e-15
    found = audited(client, given)
    wrong = (differ("plain.count_1h", Cause.VALUE, 2), differ("whole.pace", Cause.VALUE))
    assert found == Audit(15, 2, wrong, 0)
    assert [found.values(name) for name in ("plain.count_1h", "whole.busy")] == [2, 0]


def test_a_value_where_the_row_has_none_and_a_value_that_is_not_told(client: Client) -> None:
    given = answers(*ASKED)
    given[2]["feature_values_used"]["whole.busy"] = 0.0  # the entity has no row
    del given[5]["feature_values_used"]["whole.pace"]
    wrong = (differ("whole.busy", Cause.NO_ROW_THEN), differ("whole.pace", Cause.NOT_TOLD))
    assert audited(client, given) == Audit(15, 2, wrong, 0)


def filled(on_stale: str) -> ModelPlan:
    """The model, over groups with defaults: `plain`'s all of type, of `whole`'s two and a text."""
    fresh = Freshness("10m", on_stale=on_stale)
    counts = replace(plain, defaults={"count_1h": 3}, freshness=fresh)
    stands = replace(whole, defaults={"busy": True, "carrier_last": "A", "near": 2.5}, freshness=fresh)
    features = [counts["count_1h"], counts["delay_mean_1h"], stands["pace"], stands["busy"]]
    return compile_model(replace(late, features=features, on_demand=ON_DEMAND))


@pytest.mark.parametrize("on_stale", ["serve", "default"])
@pytest.mark.parametrize("age", [0, 10 * MINUTE, 10 * MINUTE + 1])
def test_defaults_where_the_contract_has_them(client: Client, on_stale: str, age: int) -> None:
    model = filled(on_stale)
    given = answers(*ASKED, model=model, age_ms=age)
    nobody = given[2]  # whose rows are missing
    told = ("plain.count_1h", "plain.delay_mean_1h", "whole.pace", "whole.busy", "ours", "age")
    assert [nobody["feature_values_used"][n] for n in told] == [3.0, None, None, 1.0, 1.0, None]
    passed_over = on_stale == "default" and age > 10 * MINUTE
    assert [a["rows"][0]["defaulted"] for a in given[6:9]] == [passed_over, passed_over, True]
    assert given[6]["rows"][0]["seq"] > 0
    assert audited(client, given, model) == Audit(15, 0, (), 0)
    (counting,) = re.findall(r"`(SELECT r\.group.*)`", (ROOT / "docs" / "semantics.md").read_text())
    counted = {
        (group, state, defaulted): n for group, state, defaulted, n in client.query(counting).result_rows
    }
    assert sum(n for (_, _, defaulted), n in counted.items() if defaulted) == (
        len([row for a in given for row in a["rows"] if row["defaulted"]])
    )
    assert (("plain", "stale", True) in counted) == passed_over


def test_another_value_than_the_default_of_a_missing_row(client: Client) -> None:
    given = answers(*ASKED, model=filled("serve"))
    given[2]["feature_values_used"]["plain.count_1h"] = 0.0
    given[5]["feature_values_used"]["whole.pace"] = 0.0
    given[8]["feature_values_used"]["ours"] = None
    wrong = (
        differ("ours", Cause.ON_DEMAND),
        differ("plain.count_1h", Cause.NO_ROW_THEN),
        differ("whole.pace", Cause.NO_ROW_THEN),
    )
    assert audited(client, given, filled("serve")) == Audit(15, 3, wrong, 0)


@pytest.mark.parametrize("on_stale", ["serve", "default"])
def test_a_stale_row_is_used_or_passed_over_as_the_contract_says(client: Client, on_stale: str) -> None:
    other = {"serve": "default", "default": "serve"}[on_stale]
    at = ASKED[2]
    given = [answer(at, "A", filled(other), 10 * MINUTE + 1), answer(at, "B", filled(on_stale))]
    names = ("age", "ours", "plain.count_1h", "plain.delay_mean_1h", "whole.busy", "whole.pace")
    wrong = tuple(differ(name, Cause.DEFAULTED) for name in names)
    assert audited(client, given, filled(on_stale)) == Audit(2, 1, wrong, 0)


def test_a_default_that_is_not_told(client: Client) -> None:
    given = answers(*ASKED, model=filled("serve"))
    given[2]["rows"][0]["defaulted"] = False
    names = ("ours", "plain.count_1h", "plain.delay_mean_1h")
    wrong = tuple(differ(name, Cause.DEFAULTED) for name in names)
    assert audited(client, given, filled("serve")) == Audit(15, 1, wrong, 0)


def test_answers_from_before_defaults_were_told(client: Client) -> None:
    for table in ("model_prediction_log", "shadow_predictions"):
        client.command(f"ALTER TABLE {table} DROP COLUMN `rows.defaulted`")
    given, target = answers(*ASKED), RECORDS["prediction.results"]
    at = target.columns.index("rows.defaulted")
    lines = [[*target.row(a), a["requested_at"]] for a in given]
    columns = [name for name in target.columns if name != "rows.defaulted"]
    client.insert(target.table, [line[:at] + line[at + 1 :] for line in lines], column_names=columns)
    client.command("TRUNCATE TABLE schema_migrations")
    migrate(client)
    told = client.query("SELECT DISTINCT rows.defaulted FROM model_prediction_log").result_rows
    assert told == [([False, False],)]
    assert audit(client, MODEL, START, END) == Audit(15, 0, (), 0)


FROZEN = ("plain.count_1h", "plain.delay_mean_1h", "whole.carrier_last")


def frozen(*asked: int) -> tuple[ModelPlan, list[Answer]]:
    """The model over groups with defaults, and what serving logs while three of their features are frozen."""
    model, given = filled("serve"), []
    for one in answers(*asked, model=model):
        values = one["feature_values_used"]
        values["plain.count_1h"], values["plain.delay_mean_1h"] = 3.0, None  # that one has no default
        values["ours"] = 1.0  # of the carrier A that stands there by default, and a count of 3
        given.append({**one, "frozen": [*FROZEN]})
    return model, given


def test_a_frozen_feature_is_held_to_its_default_and_not_to_its_row(client: Client) -> None:
    model, given = frozen(*ASKED)
    held = answers(*ASKED, model=model)
    names = ("plain.count_1h", "plain.delay_mean_1h", "ours")
    for name in names:
        assert [a["feature_values_used"][name] for a in given] != [
            a["feature_values_used"][name] for a in held
        ]
    assert audited(client, given, model) == Audit(15, 0, (), 0)


def test_a_value_is_frozen_only_where_the_answer_says_so(client: Client) -> None:
    model, given = frozen(*ASKED)
    given[4]["frozen"] = []
    found = audited(client, given, model)
    assert (found.mismatches, {d.cause for d in found.differences}) == (1, {Cause.VALUE, Cause.ON_DEMAND})


def test_what_is_wrong_beside_or_in_a_frozen_value_is_found(client: Client) -> None:
    model, given = frozen(*ASKED)
    given[3]["feature_values_used"]["plain.count_1h"] = 4.0
    given[4]["feature_values_used"]["plain.delay_mean_1h"] = 1.0
    given[5]["feature_values_used"]["ours"] = 0.0
    given[6]["feature_values_used"]["whole.pace"] += 1.0
    given[7]["rows"][0]["seq"] = 999
    wrong = (
        differ("ours", Cause.ON_DEMAND),
        differ("ours", Cause.NOT_IN_LOG),
        differ("plain.count_1h", Cause.NOT_IN_LOG),
        differ("plain.count_1h", Cause.VALUE),
        differ("plain.delay_mean_1h", Cause.NOT_IN_LOG),
        differ("plain.delay_mean_1h", Cause.VALUE),
        differ("whole.pace", Cause.VALUE),
    )
    assert audited(client, given, model) == Audit(15, 5, wrong, 0)


def test_a_wrong_on_demand_value(client: Client) -> None:
    given = answers(*ASKED)
    given[0]["feature_values_used"]["evening"] = 0.0
    given[7]["feature_values_used"]["hour"] = None
    del given[8]["feature_values_used"]["hour"]
    wrong = (
        differ("evening", Cause.ON_DEMAND),
        differ("hour", Cause.ON_DEMAND),
        differ("hour", Cause.NOT_TOLD),
    )
    assert audited(client, given) == Audit(15, 3, wrong, 0)


def test_on_demand_features_of_rows_and_of_the_requests_time(client: Client) -> None:
    given = answers(*ASKED)
    assert {a["feature_values_used"]["ours"] for a in given} == {0.0, 1.0, None}
    given[3]["feature_values_used"]["ours"] = 1.0 - given[3]["feature_values_used"]["ours"]
    given[4]["requested_at"] += 60_000  # another minute than the one that was computed with
    assert audited(client, given) == Audit(
        15, 2, tuple(differ(name, Cause.ON_DEMAND) for name in ("age", "asked", "ours")), 0
    )


def test_a_row_that_the_log_does_not_give(client: Client) -> None:
    given = answers(*ASKED)
    given[3]["rows"][0]["seq"] = 999
    names = ("ours", "plain.count_1h")  # all that would be read of the row
    assert audited(client, given) == Audit(15, 1, tuple(differ(n, Cause.NOT_IN_LOG) for n in names), 0)


def test_a_wrong_moment_of_a_row(client: Client) -> None:
    given = answers(*ASKED)
    given[3]["rows"][1]["event_timestamp"] += 1
    names = ("age", "ours", "whole.busy", "whole.pace")
    assert audited(client, given) == Audit(15, 1, tuple(differ(n, Cause.NOT_IN_LOG) for n in names), 0)


def test_an_answer_that_does_not_name_one_row_of_each_group(client: Client) -> None:
    given = answers(*ASKED)
    del given[3]["rows"][1]
    given[4]["rows"].append(given[4]["rows"][0])
    names = {"age": 1, "ours": 2, "plain.count_1h": 1, "whole.busy": 1, "whole.pace": 1}
    wrong = tuple(differ(name, Cause.NOT_ONE_ROW, n) for name, n in names.items())
    assert audited(client, given) == Audit(15, 2, wrong, 0)


def test_answers_that_are_not_audited(client: Client) -> None:
    given = answers(*ASKED)
    wrong = {"feature_values_used": {"plain.count_1h": 99.0}}
    refused = {**given[0], **wrong, "deduplication_key": "refused", "error": "stale"}
    ready = {**given[0], **wrong, "deduplication_key": "a ready vector", "rows": []}
    other = {**given[0], **wrong, "deduplication_key": "other", "model_name": "other"}
    after = {**given[0], **wrong, "deduplication_key": "after", "requested_at": END}
    newer = {**given[0], **wrong, "deduplication_key": "newer"}
    newer["rows"] = [{**row, "version": row["version"] + 1} for row in newer["rows"]]
    assert audited(client, [*given, refused, ready, other, after, newer]) == Audit(15, 0, (), 1)


def test_a_sample_is_the_same_answers_each_time_and_grows_by_more(client: Client) -> None:
    given = answers(*range(START, START + 40 * MINUTE, MINUTE))
    for one in given[::2]:
        one["feature_values_used"]["plain.count_1h"] = -1.0
    wrong = []
    for size in (0, 30, 60, 90, 120):
        publish(client, given)
        wrong.append(audit(client, MODEL, START, END, size).mismatches)
    assert [audit(client, MODEL, START, END, size).mismatches for size in (0, 30, 60, 90, 120)] == wrong
    assert audit(client, MODEL, START, END, 30).vectors == 30
    assert audit(client, MODEL, START, END, 999) == audit(client, MODEL, START, END)
    assert wrong == sorted(wrong)
    assert (wrong[0], wrong[-1]) == (0, 60)
    assert 5 <= wrong[1] <= 25  # half of 30, give or take: the hash knows nothing of what is wrong


def test_there_is_nothing_to_tell_without_answers(client: Client) -> None:
    assert audit(client, MODEL, START, END) == Audit(0, 0, (), 0)
