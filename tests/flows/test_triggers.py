import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from features.policies import DriftPolicy, EvaluationPolicy, MonitoringPolicy
from flows.triggers import Trigger, Triggers, UnknownPolicyError, evaluation
from tests.definitions import plain
from tests.flows.drifting import MODEL as WATCHED

DAY = 86_400_000
MODEL = SimpleNamespace(name="late_arrival")
RETRAINS = DriftPolicy(SimpleNamespace(label="weather.v1"), MODEL, retrain=True, debounce="1d")  # type: ignore[arg-type]
WATCHES = DriftPolicy(SimpleNamespace(label="route.v2"), MODEL)  # type: ignore[arg-type]
TRIGGERS = Triggers([RETRAINS, WATCHES], [EvaluationPolicy(MODEL, look_every="1d")])  # type: ignore[arg-type]


def alert(
    alert_id: str = "a",
    at: int = 10 * DAY,
    policy: str = "weather.v1/late_arrival",
    kind: str = "drift",
    evidence: str = '{"looks_like": "a change of the data"}',
) -> dict[str, Any]:
    return {"alert_id": alert_id, "policy": policy, "kind": kind, "at": at, "evidence": evidence}


def test_a_drift_alert_retrains_the_policys_model() -> None:
    assert RETRAINS.name == "weather.v1/late_arrival"
    assert TRIGGERS.on_alert(alert()) == Trigger(
        "retrain",
        f"weather.v1/late_arrival/{10 * DAY}",
        {
            "model_name": "late_arrival",
            "alert_id": "a",
            "policy": "weather.v1/late_arrival",
            "at": 10 * DAY,
        },
    )


def test_alerts_of_one_bucket_are_one_run() -> None:
    keys = [
        trigger.key
        for i, at in [("a", 10 * DAY), ("a", 10 * DAY), ("b", 11 * DAY - 1)]
        if (trigger := TRIGGERS.on_alert(alert(i, at))) is not None
    ]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    later = TRIGGERS.on_alert(alert("c", 11 * DAY))
    assert later is not None
    assert later.key not in keys


LOOKS_BROKEN: dict[str, Any] = {
    "looks_like": "a broken pipeline",
    "features": [
        {"feature": "count_1h", "causes": ["missing values", "stale group"]},
        {"feature": "seats", "causes": ["data"]},
        {"feature": "miles", "causes": ["silent: A"]},
        {"feature": "delay_mean_1h", "causes": ["scaled by 60"]},
    ],
    "frozen": [],
}
BROKEN = json.dumps(LOOKS_BROKEN)
FREEZES = DriftPolicy(
    replace(plain, defaults={"count_1h": 0}), WATCHED, retrain=True, on_broken="freeze", debounce="1d"
)


def test_nothing_is_retrained_on_drift_that_looks_like_a_broken_pipeline() -> None:
    assert TRIGGERS.on_alert(alert(evidence=BROKEN)) is None


def test_what_looks_broken_is_frozen_once_in_a_bucket_and_nothing_else() -> None:
    rules = Triggers([FREEZES], [])
    found = [
        rules.on_alert(alert(i, at, FREEZES.name, evidence=BROKEN))
        for i, at in [("a", 10 * DAY), ("a", 10 * DAY), ("b", 11 * DAY - 1), ("c", 11 * DAY)]
    ]
    assert found[0] is not None
    assert (found[0].flow, found[0].parameters) == (
        "freeze",
        {
            "model_name": "late",
            "features": ["plain.count_1h", "plain.delay_mean_1h"],
            "alert_id": "a",
            "policy": "plain.v1/late",
        },
    )
    keys = [f.key.rsplit("/", 1) for f in found if f is not None]
    assert [bucket for bucket, _ in keys] == [f"plain.v1/late/{day * DAY}" for day in (10, 10, 10, 11)]
    assert len({features for _, features in keys}) == 1
    later = json.dumps({**LOOKS_BROKEN, "features": LOOKS_BROKEN["features"][:1]})
    other = rules.on_alert(alert("d", 10 * DAY + 1, FREEZES.name, evidence=later))
    assert other is not None  # what breaks later in the bucket is frozen too
    assert other.key not in {f.key for f in found if f is not None}
    changed = rules.on_alert(alert(policy=FREEZES.name))
    assert changed is not None
    assert changed.flow == "retrain"


@pytest.mark.parametrize(
    ("frozen", "left"),
    [
        (["plain.count_1h"], ["plain.delay_mean_1h"]),
        (["other.delay_mean_1h"], ["plain.count_1h", "plain.delay_mean_1h"]),
        (["plain.count_1h", "plain.delay_mean_1h"], None),
    ],
)
def test_what_was_frozen_in_the_window_is_not_frozen_anew_by_it(frozen: list[str], left: list[str]) -> None:
    evidence = json.dumps(LOOKS_BROKEN | {"frozen": frozen})
    found = Triggers([FREEZES], []).on_alert(alert(policy=FREEZES.name, evidence=evidence))
    assert (None if found is None else found.parameters["features"]) == left


def test_what_sets_off_nothing() -> None:
    assert TRIGGERS.on_alert(alert(kind="freshness", policy="whatever")) is None
    assert TRIGGERS.on_alert(alert(policy="route.v2/late_arrival")) is None


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(UnknownPolicyError, match=r"weather.v1/late_arrival.*'gone'"):
        TRIGGERS.on_alert(alert(policy="gone"))


def test_only_what_retraining_registered_goes_on_trial() -> None:
    event = {"kind": "registered", "by": "retraining", "model_name": "m", "version": 4}
    assert TRIGGERS.on_registry_event(event) == Trigger(
        "start-trial", "m/v4", {"model_name": "m", "version": 4}
    )
    assert TRIGGERS.on_registry_event({**event, "by": "ann"}) is None
    for kind in (
        "retired",
        "features_cut_over",
        "features_rolled_back",
        "canary_started",
        "canary_grew",
        "feature_frozen",
    ):
        assert TRIGGERS.on_registry_event({**event, "kind": kind}) is None


def test_looks_fall_on_the_policys_buckets() -> None:
    assert TRIGGERS.look("late_arrival", 12 * DAY + 5) == 12 * DAY
    assert TRIGGERS.look("another", 12 * DAY) is None
    assert evaluation("m", 2, 12 * DAY).key == f"m/v2/{12 * DAY}"


@pytest.mark.parametrize("kind", ["promoted", "rejected", "rolled_back"])
@pytest.mark.parametrize("by", ["ann", "canary"])
def test_a_trial_ended_by_hand_or_a_canary_starts_the_one_that_waits(kind: str, by: str) -> None:
    event = {"event_id": "e1", "kind": kind, "by": by, "model_name": "m", "version": 4}
    assert TRIGGERS.on_registry_event(event) == Trigger(
        "start-trial", "m/e1", {"model_name": "m", "version": None}
    )
    assert TRIGGERS.on_registry_event({**event, "by": "evaluation"}) is None


def harm(at: int, evidence: str = '{"harm": ["measured"]}', policy: str = "auc/late") -> dict[str, Any]:
    return {**alert(f"h{at}", at, policy, "performance"), "evidence": evidence}


def test_harm_retrains_at_most_so_often_a_day() -> None:
    rules = Triggers([], [], [MonitoringPolicy(WATCHED, on_harm="retrain", actions_per_day=2)])
    found = [rules.on_alert(harm(10 * DAY + hour * 3_600_000)) for hour in range(24)]
    keys = {f.key for f in found if f is not None}
    assert keys == {f"harm/late/{10 * DAY}", f"harm/late/{10 * DAY + DAY // 2}"}
    assert {f.flow for f in found if f is not None} == {"retrain"}


def test_harm_that_several_policies_of_a_model_see_is_answered_once() -> None:
    policies = [MonitoringPolicy(WATCHED, metric=metric, on_harm="retrain") for metric in ("auc", "log_loss")]
    rules = Triggers([], [], policies)
    found = [rules.on_alert(harm(10 * DAY + 5, policy=policy.name)) for policy in policies]
    assert {f.key for f in found if f is not None} == {f"harm/late/{10 * DAY}"}
    assert None not in found


def test_nothing_is_retrained_on_a_broken_pipeline_or_unless_it_is_stated() -> None:
    rules = Triggers([], [], [MonitoringPolicy(WATCHED, on_harm="retrain")])
    assert rules.on_alert(harm(0, '{"looks_like": "a broken pipeline"}')) is None
    assert rules.on_alert(harm(0, '{"looks_like": "a change of the data"}')) is not None
    assert Triggers([], [], [MonitoringPolicy(WATCHED, on_harm="tell")]).on_alert(harm(0)) is None
    assert Triggers([], [], [MonitoringPolicy(WATCHED)]).on_alert(harm(0)) == rules.on_alert(harm(0))


def test_harm_may_bring_back_the_champion_before_the_version_that_does_it() -> None:
    rules = Triggers([], [], [MonitoringPolicy(WATCHED, on_harm="fall_back")])
    found = rules.on_alert(harm(DAY + 7, '{"model_version": 3}'))
    assert found is not None
    assert (found.flow, found.key) == ("fall-back", f"harm/late/{DAY}")
    assert (found.parameters["model_name"], found.parameters["version"]) == ("late", 3)
    assert rules.on_alert(harm(DAY, '{"model_version": 3, "looks_like": "a broken pipeline"}')) is None


@pytest.mark.parametrize("action", ["retrain", "fall_back"])
def test_harm_that_is_estimated_alone_sets_off_what_the_policy_says_of_it(action: str) -> None:
    estimated, shown = (
        f'{{"model_version": 3, "harm": {h}}}' for h in ('["estimated"]', '["estimated", "sequential"]')
    )
    either = Triggers([], [], [MonitoringPolicy(WATCHED, on_harm=action)])
    by_labels = Triggers([], [], [MonitoringPolicy(WATCHED, on_harm=action, on_estimated="tell")])
    assert by_labels.on_alert(harm(0, estimated)) is None
    found = by_labels.on_alert(harm(0, shown))
    assert found is not None
    by_estimate = Triggers([], [], [MonitoringPolicy(WATCHED, on_harm="tell", on_estimated=action)])
    assert by_estimate.on_alert(harm(0, estimated)) == found
    assert by_estimate.on_alert(harm(0, shown)) is None
    assert either.on_alert(harm(0, estimated)) == either.on_alert(harm(0, shown)) == found


def test_an_alert_of_no_policy_is_refused() -> None:
    rules = Triggers([], [], [MonitoringPolicy(WATCHED, on_harm="retrain")])
    with pytest.raises(UnknownPolicyError, match=r"auc/late.*'gone'"):
        rules.on_alert(harm(0, policy="gone"))
