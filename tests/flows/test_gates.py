from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features import DataType, DefinitionError, GatePolicy
from features.vector import ModelPlan
from flows import gates
from flows.gates import Comparison, GateError
from flows.rows import numbers
from tests.flows.test_training import FEATURES, table
from tests.flows.world import project
from warehouse.leakage import Changes

HOUR = 3_600_000


@pytest.fixture
def plan(tmp_path: Path) -> ModelPlan:
    return project(tmp_path).model_plans["punctual"]


@pytest.fixture
def policy(tmp_path: Path) -> GatePolicy:
    return GatePolicy(project(tmp_path).models[0])


def put(data: pa.Table, name: str, values: Any) -> pa.Table:
    return data.set_column(data.column_names.index(name), name, pa.array(values))


def columns(data: pa.Table) -> dict[str, gates.Column]:
    return gates.vectors(data, FEATURES)


def labels(data: pa.Table) -> gates.Column:
    return numbers(data, "label")


def test_a_sound_training_set_passes_every_gate(plan: ModelPlan, policy: GatePolicy) -> None:
    data, before = table(), columns(table(seed=2))
    found = [
        gates.schema(data, plan),
        gates.rows(data, policy),
        gates.missing(columns(data), before, policy),
        gates.anomalies(columns(data), before, {}, policy),
        gates.single_features(columns(data), labels(data), policy),
        gates.changed_values([Changes("a", 1_000, 10)], policy),
        gates.known_labels(data, policy),
    ]
    assert [r.gate for r in found if not r.passed] == []
    assert not any("not judged" in r.value for r in found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop_columns(["gaps"]), "no gaps"),
        (lambda t: put(t, "gaps", ["x"] * len(t)), "gaps is string"),
        (lambda t: put(t, "gaps", [np.inf] * len(t)), "gaps has infinite values"),
        (lambda t: put(t, "label", [2] * len(t)), "label is boolean and has values beside 0 and 1"),
        (lambda t: put(t, "label_time", [None, *[1] * (len(t) - 1)]), "1 rows without label_time"),
    ],
)
def test_a_training_set_that_breaks_its_contract_is_named(plan: ModelPlan, change: Any, said: str) -> None:
    found = gates.schema(change(table(1_000)), plan)
    assert not found.passed
    assert said in found.value


def test_values_are_those_of_their_types(plan: ModelPlan) -> None:
    whole = replace(plan.on_demand[0].expression, type=DataType.INTEGER)
    typed = replace(plan, on_demand=(replace(plan.on_demand[0], expression=whole), *plan.on_demand[1:]))
    assert "delay is an integer and has broken values" in gates.schema(table(1_000), typed).value


def test_too_few_rows_fail(policy: GatePolicy) -> None:
    assert gates.rows(table(500), policy).passed
    assert not gates.rows(table(499), policy).passed


def test_missing_values_are_judged_by_themselves_and_by_the_reference(policy: GatePolicy) -> None:
    data = columns(table())  # gaps misses a fifth
    holes = data | {"delay": np.where(np.arange(4_000) % 3 == 0, np.nan, data["delay"])}
    assert gates.missing(holes, {}, policy).passed
    found = gates.missing(holes, data, policy)
    assert not found.passed
    assert found.value == "delay: 0.0% to 33.4%"
    gone = data | {"count": np.full(4_000, np.nan)}
    assert "count: 100.0%" in gates.missing(gone, {}, policy).value


def test_a_changed_unit_is_anomalous_and_a_shift_is_not(policy: GatePolicy) -> None:
    data = columns(table())
    assert gates.anomalies(data | {"delay": data["delay"] + 2}, data, {}, policy).passed
    found = gates.anomalies(data | {"delay": data["delay"] * 60}, data, {}, policy)
    assert not found.passed
    assert found.value.startswith("delay: ")
    constant = {"delay": np.zeros(4_000)}
    assert "not judged" in gates.anomalies(data, constant, {}, policy).value


def test_what_the_contract_calls_impossible_is_anomalous_from_the_first_version_on(
    policy: GatePolicy,
) -> None:
    data = columns(table())
    possible = {"delay": (float(data["delay"].min()), float(data["delay"].max()))}
    assert gates.anomalies(data, {}, possible, policy).passed
    kelvin = data | {"delay": np.where(np.arange(4_000) % 50 == 0, data["delay"] + 273.15, data["delay"])}
    found = gates.anomalies(kelvin, {}, possible, policy)
    assert (found.passed, found.value) == (False, "delay: 2.0%")
    assert not gates.anomalies(kelvin, kelvin, possible, policy).passed  # whatever was learned from before


def test_a_feature_that_knows_the_label_is_a_leak(policy: GatePolicy) -> None:
    data = table()
    known, truth = columns(data), labels(data)
    for leak in (truth + 0.1 * known["delay"].clip(-1, 1), -truth):
        found = gates.single_features(known | {"count": leak}, truth, policy)
        assert not found.passed
        assert found.value.startswith("count: 1.0000")
    hidden = np.where(truth > 0.5, np.nan, known["count"])
    assert "missing count: 1.0000" in gates.single_features(known | {"count": hidden}, truth, policy).value
    few = {"count": np.where(np.arange(4_000) < 60, truth, np.nan)}
    assert gates.single_features(few, truth, policy).passed


def test_values_that_change_behind_the_request_are_a_leak(policy: GatePolicy) -> None:
    changes = [Changes("a", 1_000, 10), Changes("b", 1_000, 11), Changes("c", 49, 49)]
    found = gates.changed_values(changes, policy)
    assert not found.passed
    assert found.value == "b: 11 of 1000"
    assert "not judged" in gates.changed_values(changes[2:], policy).value
    data = table(1_000, label_lag=-5)
    assert gates.known_labels(data, policy).value == "100.0%"
    assert not gates.known_labels(data, policy).passed


@pytest.mark.parametrize(("auc", "passed"), [(0.71, True), (0.68, True), (0.67, False), (float("nan"), True)])
def test_a_model_is_not_much_worse_than_the_champion(policy: GatePolicy, auc: float, passed: bool) -> None:
    demanding = replace(policy, min_improvement=-0.025)
    found = gates.improvement(Comparison(auc, 0.7, 3, 400), demanding)
    assert found.passed is passed
    assert "version 3 has 0.7000" in found.value
    assert gates.improvement("there is no champion", policy).value == "not judged: there is no champion"


def test_an_improvement_in_a_loss_is_that_it_is_smaller(policy: GatePolicy) -> None:
    strict = replace(policy, metric="log_loss", min_improvement=0.01)
    assert gates.improvement(Comparison(0.38, 0.4, 3, 400), strict).passed
    found = gates.improvement(Comparison(0.395, 0.4, 3, 400), strict)
    assert not found.passed
    assert "+0.0050: 0.3950, version 3 has 0.4000" in found.value
    assert found.rule.startswith("by log_loss ")


def test_slow_and_large_models_fail(policy: GatePolicy) -> None:
    assert gates.latency(5.0, policy).passed
    assert not gates.latency(5.01, policy).passed
    assert gates.size(100_000_000, policy).passed
    assert not gates.size(100_000_001, policy).passed


def test_an_error_states_rule_value_and_consequence(policy: GatePolicy) -> None:
    failed = gates.rows(table(10), policy)
    assert str(GateError("late", [failed])) == (
        "late is not registered: rows: a training set has at least 500 rows (found 10), else what was "
        "learned would be chance"
    )


@pytest.mark.parametrize(
    "wrong", [{"max_missing_share": 1.1}, {"max_feature_auc": 0.5}, {"min_rows": 1}, {"max_latency_ms": 0}]
)
def test_a_policy_that_lets_nothing_through_is_refused(policy: GatePolicy, wrong: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="gate policy of punctual"):
        replace(policy, **wrong)
