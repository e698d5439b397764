from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from features.policies import METRICS, MonitoringPolicy
from flows.check import NoReferenceError
from flows.estimation import Estimate
from flows.metrics import metric
from flows.performance import Performance, check_performance, estimated, judged, larger_losses
from schemas.codec import Codec
from schemas.records import load
from tests.flows.drifting import DAY, END, MODEL, VERSION, History, project, values
from tests.inference.world import LocalSchemas
from warehouse.outcomes import keep_holdout
from warehouse.performance import Measure

POLICY = MonitoringPolicy(MODEL, metric="rmse", window="1d", threshold=0.02, segments=("carrier",))
HOLDOUT = Measure("", "", 4_000, 0.40, 0.002)


def outcomes(n: int, seed: int, shift: float = 0.0) -> dict[str, Any]:
    """Draw what is asked and answered, and labels that are as likely as predicted, but for a shift."""
    drawn = values(n, seed)
    random = np.random.default_rng(seed + 1_000)
    chances = np.clip(np.array(drawn["prediction"]) + shift, 0, 1)
    return drawn | {"label": (random.random(n) < chances).astype(float).tolist()}


@pytest.fixture
def tried(history: History) -> History:
    """A version with its holdout."""
    drawn = outcomes(4_000, 1)
    keep_holdout(history.client, VERSION.experiment_id, drawn["prediction"], drawn["label"])
    return history


def checked(history: History, policy: MonitoringPolicy = POLICY, end: int = END) -> Performance:
    return check_performance(history.client, project(), policy, VERSION, end)


@pytest.mark.stack
def test_a_champion_as_good_as_its_holdout_alarms_nobody(tried: History) -> None:
    drawn = outcomes(2_000, 2)
    tried.served(drawn)
    for name in METRICS:
        found = checked(tried, replace(POLICY, metric=name, threshold=0.05))
        assert (found.alerts(), found.harm, found.judged) == ([], [], True)
        measured, estimated = (row for row in found.rows if not row.segment_by)
        of = metric(name, POLICY.k)
        value = of(np.array(drawn["label"]), np.array(drawn["prediction"]))
        assert measured.value == pytest.approx(value, abs=1e-9)
        assert estimated.low is not None
        assert estimated.high is not None
        assert estimated.low <= value <= estimated.high
        assert measured.log_e is not None
        assert measured.log_e < 1
        assert measured.ks_p_value is not None
        assert measured.ks_p_value > 0.01


@pytest.mark.stack
def test_harm_is_one_alert_with_its_evidence(tried: History) -> None:
    tried.served(outcomes(2_000, 2, shift=0.35))
    found = checked(tried)
    assert found.harm == ["measured"]  # what scores mean has changed, so no estimate sees it
    later = checked(tried, replace(POLICY, window="6d"), END + 5 * DAY)  # label windows have closed
    assert later.harm == ["measured", "sequential"]
    (alert,) = found.alerts()
    assert (alert.alert_id, alert.kind) == (f"performance/rmse/late/{END}", "performance")
    assert (alert.severity, alert.subject, alert.at) == ("critical", "late", END)
    measured, estimated = alert.evidence["of"]
    assert measured["worse"] > 0.02
    assert measured["p_value"] < POLICY.level
    assert estimated["basis"] == "estimated"
    codec = Codec(LocalSchemas())
    assert codec.decoder(load("alert"))(codec.encoder("alerts", load("alert"))(alert.record)) == alert.record


@pytest.mark.stack
def test_larger_losses_are_harm_where_a_policy_says_by_how_much(tried: History) -> None:
    tried.served(outcomes(2_000, 2, shift=0.35))
    lenient = replace(POLICY, threshold=9.0)
    assert checked(tried, lenient).harm == []
    assert checked(tried, replace(lenient, losses=0.05)).harm == ["losses"]
    assert checked(tried, replace(lenient, losses=0.9)).harm == []
    assert checked(tried, replace(lenient, losses=0.05, min_units=5_000)).harm == []


def test_no_more_windows_than_stated_have_losses_beyond_what_is_tolerated() -> None:
    policy, random = replace(POLICY, losses=0.1, false_alarms_per_month=12.0), np.random.default_rng(1)
    alarms = 0
    for _ in range(500):  # at the edge: a tenth of what was small is large now
        before, now = random.random(400), random.random(300) + (random.random(300) < 0.1)
        greater = ks_2samp(before, now, alternative="greater").statistic
        alarms += larger_losses(policy, float(greater), 400, 300)
    assert alarms / 500 <= policy.level / 4
    # 2 exp(-2 t^2 400 300 / (20 + sqrt 300)^2) is 0.1 at t = 0.1319
    assert policy.level / 4 == pytest.approx(0.1)
    assert not larger_losses(policy, 0.1 + 0.131, 400, 300)
    assert larger_losses(policy, 0.1 + 0.133, 400, 300)
    assert not larger_losses(policy, 0.1, 10**9, 10**9)


@pytest.mark.stack
def test_harm_is_estimated_while_labels_are_missing(tried: History) -> None:
    drawn = outcomes(2_000, 2)
    unsure = (0.3 + 0.4 * np.array(drawn["prediction"])).tolist()  # other requests, harder ones
    tried.served(drawn | {"prediction": unsure})
    tried.client.command("TRUNCATE TABLE ground_truth")
    found = checked(tried)
    assert found.harm == ["estimated"]
    (alert,) = found.alerts()
    assert alert.severity == "warning"
    assert [row.basis for row in found.rows] == ["estimated"]


@pytest.mark.stack
def test_the_error_of_a_model_of_numbers_is_estimated_while_labels_are_missing(history: History) -> None:
    random = np.random.default_rng(4)

    def drawn(n: int, centre: float) -> dict[str, Any]:
        predictions = random.normal(centre, 1, n)
        labels = predictions + random.normal(size=n) * (0.2 + (predictions > 1))
        return values(n, 5) | {"prediction": predictions.tolist(), "label": labels.tolist()}

    held = drawn(4_000, 0.0)
    keep_holdout(history.client, VERSION.experiment_id, held["prediction"], held["label"])
    history.served(drawn(1_000, 2.0))  # of what is asked now most has larger errors
    history.client.command("TRUNCATE TABLE ground_truth")
    of_numbers = replace(POLICY, model=replace(MODEL, task="regression", threshold=None), segments=())
    found = checked(history, of_numbers)
    assert found.harm == ["estimated"]
    (row,) = found.rows
    assert row.value == pytest.approx(1.1, abs=0.15)


@pytest.mark.stack
def test_a_segment_that_is_served_worse_is_told_of(tried: History) -> None:
    drawn = outcomes(3_000, 2)
    random = np.random.default_rng(3)
    carriers = ["A", "B", "C"] * 1_000
    labels = [
        float(random.random() < 0.9) if c == "B" else y for c, y in zip(carriers, drawn["label"], strict=True)
    ]
    tried.served(drawn | {"carrier": carriers, "label": labels})
    found = checked(tried, replace(POLICY, threshold=0.3, gap=0.05))
    assert found.harm == []
    assert [(r.segment_by, r.segment) for r in found.gaps] == [("carrier", "B")]
    (gap,) = found.alerts()
    assert (gap.kind, gap.playbook) == ("segments", "segments")
    (told,) = gap.evidence["segments"]
    assert told["gap"] > told["gap_low"] > 0.05
    assert {r.segment: r.units for r in found.rows if r.segment_by} == {"A": 1_000, "B": 1_000, "C": 1_000}


@pytest.mark.stack
def test_the_rows_of_a_window_are_the_same_however_often_it_is_checked(tried: History) -> None:
    tried.served(outcomes(1_000, 2))
    first = checked(tried)
    assert checked(tried) == first
    rows = tried.client.query(
        "SELECT basis, segment_by, segment, units, value, reference, breached, metric, model_version, "
        "toUnixTimestamp64Milli(window_start) FROM model_performance_monitor FINAL ORDER BY basis, segment_by"
    ).result_rows
    by = sorted(first.rows, key=lambda r: (r.basis, r.segment_by))
    assert [row[:6] for row in rows] == [
        (r.basis, r.segment_by, r.segment, r.units, r.value, r.reference) for r in by
    ]
    assert {row[6:] for row in rows} == {(False, "rmse", 3, END - DAY)}


@pytest.mark.stack
def test_a_window_without_anything_is_looked_at_and_kept(tried: History) -> None:
    quiet = checked(tried, end=END + 400 * DAY)
    (row,) = quiet.rows
    assert (row.units, row.value, quiet.judged, quiet.alerts()) == (0, None, False, [])
    kept = tried.client.query("SELECT units, value FROM model_performance_monitor FINAL").result_rows
    assert kept == [(0, None)]


@pytest.mark.stack
def test_labels_count_once_in_the_window_in_which_they_first_come(tried: History) -> None:
    tried.served(outcomes(1_000, 2))
    assert [row.units for row in checked(tried, end=END + 2 * DAY).rows] == [0]  # nothing came or was asked
    tried.client.command(
        "INSERT INTO ground_truth SELECT request_id, model_name, label, happened_at, "
        "log_time + INTERVAL 1 DAY FROM (SELECT * FROM ground_truth LIMIT 300)"
    )  # again, later: the first one counts
    measured = [r.units for r in checked(tried).rows if r.basis == "measured" and not r.segment_by]
    assert measured == [1_000]


@pytest.mark.stack
def test_a_version_without_holdout_is_named(history: History) -> None:
    with pytest.raises(NoReferenceError, match=r"late version 3 has none that has rmse"):
        checked(history)


def test_a_window_of_few_units_is_reported_and_not_judged() -> None:
    (row,) = judged(POLICY, [Measure("", "", 150, 0.9, 0.001)], HOLDOUT)
    assert (row.p_value, row.breached, row.worse) == (None, False, pytest.approx(0.5))


def test_no_more_windows_alarm_than_is_stated() -> None:
    # At the edge of what is tolerated, where a false alarm is the likeliest.
    random, runs = np.random.default_rng(1), 6_000
    policy = replace(POLICY, false_alarms_per_month=3.0)  # one window in ten, a third for what is measured
    worst = HOLDOUT.value + POLICY.threshold if HOLDOUT.value is not None else 0.0
    alarms = sum(
        judged(
            policy,
            [Measure("", "", 500, worst + random.normal(0, 0.01), 0.01)],
            replace(HOLDOUT, value=0.40 + random.normal(0, 0.002)),
        )[0].breached
        for _ in range(runs)
    )
    assert alarms / runs == pytest.approx(policy.level / 3, abs=0.01)


def test_more_is_better_of_some_metrics() -> None:
    auc = replace(POLICY, metric="auc")
    for value, breached in ((0.3, True), (0.5, False)):
        (row,) = judged(auc, [Measure("", "", 500, value, 0.001)], HOLDOUT)
        assert row.breached is breached
        guessed = estimated(auc, Estimate(500, value, value - 0.01, value + 0.01), HOLDOUT)
        assert guessed.breached is breached


def test_intervals_of_gaps_hold_for_all_segments_at_once() -> None:
    random, runs, segments = np.random.default_rng(1), 1_000, 8
    policy = replace(POLICY, false_alarms_per_month=3.0, gap=0.0)
    alarms = above = 0
    for _ in range(runs):
        measures = [
            Measure("carrier", str(i), 300, 0.4 + random.normal(0, 0.02), 0.02) for i in range(segments)
        ]
        rows = judged(policy, measures, HOLDOUT)
        alarms += any(row.breached for row in rows)
        above += any(row.gap_high is not None and row.gap_high < 0 for row in rows)
    for errors in (alarms, above):  # of the lower ends, and of the upper
        assert 0 < errors / runs <= policy.level / 3 + 0.012
