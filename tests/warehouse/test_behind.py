from dataclasses import replace
from typing import Any

import pytest

from features.alerts import Alert
from tests.warehouse.answers import publish
from tests.warehouse.reported import HOUR, MODEL, START, answer
from tests.warehouse.test_alerts import write
from tests.warehouse.traffic import answered, came_true
from warehouse.alerts import open_incidents
from warehouse.behind import events_behind
from warehouse.client import Client
from warehouse.targets import RECORDS

pytestmark = pytest.mark.stack
END = START + 24 * HOUR


def raised(client: Client, kind: str, subject: str, model_name: str | None = MODEL, **evidence: Any) -> None:
    """Write an alert of the day that ends at `END`."""
    facts = {"model_version": 1, "window_start": START, "horizon_ms": 36 * HOUR} | evidence
    write(client, Alert(kind, "p", kind, subject, "warning", facts, END, "drift", "ann", model_name))


def behind(client: Client) -> list[list[dict[str, Any]]]:
    """Run what is behind the alert that is open."""
    (incident,) = open_incidents(client)
    queries = events_behind(incident)
    assert not any("unhex" in query for query in queries)  # people read them
    return [list(client.query(query).named_results()) for query in queries]


@pytest.mark.parametrize(
    ("segments", "wanted"),
    [
        ([{"segment_by": "carrier", "segment": "it's"}], {"entity"}),
        ([{"segment_by": "door", "segment": "north"}], {"input"}),
        ([{"segment_by": "size", "segment": "3"}], {"number"}),
        ([{"segment_by": "plain.count_1h", "segment": "2"}], {"feature"}),
        ([{"segment_by": "plain.count_1h", "segment": "missing"}], {"none"}),
        (
            [{"segment_by": "size", "segment": "3"}, {"segment_by": "door", "segment": "north"}],
            {"number", "input"},
        ),
    ],
)
def test_behind_an_alert_of_segments_are_the_labelled_answers_in_them(
    database: Client, segments: list[dict[str, str]], wanted: set[str]
) -> None:
    different: dict[str, dict[str, Any]] = {
        "other": {},
        "entity": {"entity_keys": {"carrier": "it's"}},
        "input": {"inputs": {"door": "north"}},
        "number": {"inputs": {"size": 3}},
        "feature": {"feature_values_used": {"plain.count_1h": 2.0}},
        "none": {"feature_values_used": {"plain.count_1h": None}},
    }
    publish(database, [answer(key, START, **more) for key, more in different.items()])
    came_true(database, MODEL, list(different), 1.0, START + HOUR)
    raised(database, "segments", MODEL, segments=segments)
    (found,) = behind(database)
    assert {row["request_id"] for row in found} == wanted


@pytest.mark.parametrize(
    ("harm", "wanted"),
    [
        (["measured"], [["before", "within"]]),
        (["losses"], [["before", "within"]]),
        (["estimated"], [["within", "unlabelled"]]),
        (["sequential"], [["early", "before"]]),
        (["measured", "estimated"], [["before", "within"], ["within", "unlabelled"]]),
    ],
)
def test_behind_an_alert_of_performance_are_the_answers_that_its_rules_have_counted(
    database: Client, harm: list[str], wanted: list[list[str]]
) -> None:
    asked = {"early": -48 * HOUR, "before": -13 * HOUR, "within": HOUR, "unlabelled": 2 * HOUR}
    publish(database, [answer(key, START + at) for key, at in asked.items()])
    publish(database, [answer("of another", START + HOUR, model_version_used=2)])
    came_true(database, MODEL, ["early"], 1.0, START - 20 * HOUR)
    for label, at in ((0.0, HOUR), (1.0, 2 * HOUR)):  # corrected: the last counts, and the answer once
        came_true(database, MODEL, ["before", "within", "of another"], label, START + HOUR, START + at)
    raised(database, "performance", MODEL, harm=harm, features=[{"feature": "plain.count_1h"}])
    found = behind(database)
    assert [[row["request_id"] for row in rows] for rows in found] == wanted
    assert {row["label"] for rows in found[:1] for row in rows} <= {1.0, None}
    assert [*found[0][0].values()][-1] == 1.0


def test_behind_an_alert_of_drift_are_the_values_of_its_window(database: Client) -> None:
    publish(database, [answer("a", START, feature_values_used={"plain.count_1h": 2.0}), answer("b", END)])
    publish(database, [answer("c", START + HOUR, model_version_used=2)])
    features = [{"feature": "count_1h"}]
    raised(database, "drift", "plain.v1", features=features, values="served")
    (found,) = behind(database)  # of all versions: they are asked the same
    assert [[*row.values()][-1] for row in found] == [2.0, 1.0]


def test_behind_an_alert_of_drift_in_rows_are_the_groups_rows(database: Client) -> None:
    database.command("DROP TABLE IF EXISTS features_plain_v1")
    database.command(
        "CREATE TABLE features_plain_v1 (entity String, seq Int64, event_timestamp DateTime64(3, 'UTC'), "
        "carrier_last String) ENGINE = ReplacingMergeTree ORDER BY (entity, seq)"
    )
    rows = [["A", n, START + n * HOUR, f"c{n}"] for n in range(-1, 3)]
    columns = ["entity", "seq", "event_timestamp", "carrier_last"]
    database.insert("features_plain_v1", rows, column_names=columns)
    raised(database, "drift", "plain.v1", features=[{"feature": "carrier_last"}], values="rows")
    (found,) = behind(database)
    assert [row["carrier_last"] for row in found] == ["c0", "c1", "c2"]


def test_behind_an_alert_of_outputs_are_the_versions_answers_and_the_labels_that_came(
    database: Client,
) -> None:
    publish(database, [answer("a", START), answer("b", START, model_version_used=2)])
    for label, at in ((0.0, HOUR), (1.0, 2 * HOUR)):
        came_true(database, MODEL, ["asked long ago"], label, START + HOUR, START + at)
    features = [{"feature": "prediction"}, {"feature": "label"}]
    raised(database, "drift", MODEL, features=features, values="served")
    predictions, labels = behind(database)
    assert [row["request_id"] for row in predictions] == ["a"]
    assert [(row["request_id"], row["label"]) for row in labels] == [("asked long ago", 1.0)]


def test_behind_an_alert_of_a_canary_are_its_answers_with_their_errors(database: Client) -> None:
    at = [START, START + 1, END]
    answered(database, MODEL, 1, "challenger", at, [1.0, 2.0, 3.0], [False, True, False])
    for label, taken in ((0.0, HOUR), (1.0, 2 * HOUR)):
        came_true(database, MODEL, [f"challenger.1/{START}/0"], label, START + HOUR, START + taken)
    raised(database, "canary", MODEL)
    (found,) = behind(database)
    assert [(row["prediction"], row["label"], row["error"]) for row in found] == [
        (0.5, 1.0, None),
        (None, None, "it failed"),
    ]


def test_behind_an_alert_of_a_gate_is_what_the_gates_found(database: Client) -> None:
    target = RECORDS["experiments.gates"]
    told = {"experiment_id": "e'1", "gate": "size", "position": 0, "passed": False, "at": START}
    told |= {"model_name": MODEL, "rule": "at most 1 MB", "value": "2 MB", "consequence": "too slow"}
    database.insert(target.table, [[*target.row(told), START]], column_names=target.columns)
    raised(database, "gate", "e'1", stage="model")
    (found,) = behind(database)
    assert [(row["gate"], row["passed"]) for row in found] == [("size", False)]


def test_behind_an_alert_of_a_run_is_the_run_alone(database: Client) -> None:
    raised(database, "run", MODEL, run="bold-otter")
    assert behind(database) == []
    (incident,) = open_incidents(database)
    audited, quiet = replace(incident, kind="audit"), replace(incident, kind="freshness", subject="plain.v1")
    for other in (audited, quiet):
        for query in events_behind(other):
            assert database.query(query).result_rows == []
