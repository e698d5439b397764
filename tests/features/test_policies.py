from dataclasses import replace
from typing import Any

import pytest

from features import CanaryPolicy, DefinitionError, DriftPolicy, GatePolicy, MonitoringPolicy
from tests.definitions import late, plain


def test_a_policy_is_named_by_what_it_watches_and_for_which_model() -> None:
    assert DriftPolicy(plain, late).name == "plain.v1/late"
    assert DriftPolicy(None, late).name == "outputs/late"


def test_the_level_is_the_months_allowance_shared_by_its_windows() -> None:
    assert DriftPolicy(plain, late, false_alarms_per_month=0.6).level == pytest.approx(0.02)
    weekly = DriftPolicy(plain, late, every="7d", false_alarms_per_month=0.6)
    assert weekly.level == pytest.approx(0.14)


@pytest.mark.parametrize(("method", "bins"), [("psi", 10), ("ks", 50), ("wasserstein", 50)])
def test_each_method_has_as_many_bins_as_it_needs(method: str, bins: int) -> None:
    assert DriftPolicy(plain, late, method=method).resolution == bins
    assert DriftPolicy(plain, late, method=method, bins=20).resolution == 20


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"method": "euclid"}, "psi, ks, wasserstein.*'euclid'"),
        ({"values": "all"}, "served, rows.*'all'"),
        ({"bins": 1}, "2 to 100 bins.*1"),
        ({"window": "soon"}, "duration.*'soon'"),
        ({"every": "soon"}, "duration.*'soon'"),
        ({"false_alarms_per_month": 0.0}, "half of the windows.*0"),
        ({"false_alarms_per_month": 16.0}, "half of the windows.*16"),
        ({"min_rows": 0}, "at least one row.*0"),
        ({"on_broken": "mend"}, "tell, freeze.*'mend'"),
        ({"on_broken": "freeze"}, "at its default.*'plain.v1'.*nothing could be frozen"),
    ],
)
def test_what_cannot_be_meant_is_refused(stated: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        DriftPolicy(plain, late, **stated)


def test_what_is_frozen_is_a_feature_of_a_group_with_defaults() -> None:
    assert DriftPolicy(replace(plain, defaults={"count_1h": 0}), late, on_broken="freeze").retrain is False
    with pytest.raises(DefinitionError, match=r"its group states.*'outputs'"):
        DriftPolicy(None, late, on_broken="freeze")


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"steps": ()}, r"above 0 and below 1.*\(\)"),
        ({"steps": (0.0, 0.5)}, "above 0 and below 1"),
        ({"steps": (0.5, 0.1)}, "larger than the one before"),
        ({"steps": (0.5, 1.0)}, "below 1"),
        ({"min_requests": 0}, "at least one request.*0"),
        ({"max_error_rate_rise": -0.1}, "leaves room.*-0.1"),
        ({"max_error_rate_rise": 1.0}, "leaves room"),
        ({"max_latency_ratio": 0.9}, "leaves room.*0.9"),
        ({"max_harm": -0.1}, "leaves room.*-0.1"),
        ({"alpha": 0.0}, "at most 0.5.*0.0"),
        ({"hold": "soon"}, "duration.*'soon'"),
    ],
)
def test_a_canary_that_could_not_grow_or_fail_is_refused(stated: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        CanaryPolicy(late, **stated)


def test_a_canary_has_ten_looks_a_step_and_a_share_behind_each_but_the_last() -> None:
    policy = CanaryPolicy(late, steps=(0.1, 0.4), hold="1h")
    assert policy.look_ms == 360_000
    assert [policy.after(share) for share in (0.05, 0.1, 0.2, 0.4)] == [0.1, 0.4, 0.4, None]


@pytest.mark.parametrize("named", ["on_harm", "on_estimated"])
def test_what_harm_sets_off_is_known(named: str) -> None:
    with pytest.raises(DefinitionError, match=f"{named}: .*tell, retrain, fall_back.*'fallback'"):
        MonitoringPolicy(late, **{named: "fallback"})


def test_an_improvement_is_in_a_metric_of_the_model_s_task() -> None:
    assert GatePolicy(late, metric="log_loss").metric == "log_loss"
    with pytest.raises(DefinitionError, match=r"gate policy of late, metric: .*auc, rmse.*'log_loss'"):
        GatePolicy(replace(late, task="regression"), metric="log_loss")
    with pytest.raises(DefinitionError, match="'accuracy'"):
        GatePolicy(late, metric="accuracy")
