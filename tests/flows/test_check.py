import json
from dataclasses import replace
from types import ModuleType

import pytest

from features.policies import DriftPolicy
from features.project import collect
from flows.causes import BEYOND, CONSTANT, DATA, NEW_CATEGORY, NULLS, STALE
from flows.check import NoReferenceError, Report, check, window_end
from flows.reference import freeze
from flows.watched import NothingWatchedError
from schemas.codec import Codec
from schemas.records import load
from tests.definitions import landed, plain, whole
from tests.flows.drifting import (
    DAY,
    END,
    FEATURES,
    MODEL,
    OUTPUTS,
    ROWS,
    SERVED,
    TABLE,
    TRAINED,
    VERSION,
    History,
    project,
    values,
)
from tests.inference.world import LocalSchemas

pytestmark = pytest.mark.stack


@pytest.fixture
def trained(history: History) -> History:
    """A model trained and its references frozen."""
    drawn = values(TRAINED, 1)
    history.trained(drawn)
    for day in range(12, 15):
        history.emitted(END - day * DAY, 1_000, ["A1", "A1", "B2", "C3", None], day)
    freeze(
        history.client, project(), "late", VERSION.experiment_id, TABLE, drawn["prediction"], drawn["label"]
    )
    return history


def checked(history: History, policy: DriftPolicy = FEATURES, end: int = END) -> Report:
    return check(history.client, project(policy), policy, VERSION, end)


def causes(report: Report) -> dict[str, tuple[str, ...]]:
    return {f.reference.feature: f.causes for f in report.drifted}


def test_what_is_served_as_it_was_trained_drifts_nowhere(trained: History) -> None:
    trained.served(values(SERVED, 2))
    trained.emitted(END - DAY, 1_000, ["A1", "A1", "B2", "C3", None], 3)
    for policy, features in ((FEATURES, 2), (OUTPUTS, 2), (ROWS, 5)):
        report = checked(trained, policy)
        assert report.drifted == ()
        assert report.alert() is None
        assert len(report.findings) == features
        assert {f.rows for f in report.findings} == {SERVED}
        assert all(f.q_value is not None and f.q_value > policy.level for f in report.findings)


def test_a_drifted_feature_is_reported_and_is_one_alert(trained: History) -> None:
    drawn = values(SERVED, 2)
    trained.served(drawn | {"delay": [None if v is None else v + 6 for v in drawn["delay"]]})
    report = checked(trained)
    assert causes(report) == {"delay_mean_1h": (DATA,)}
    alert = report.alert()
    assert alert is not None
    assert (alert.policy, alert.kind, alert.subject) == ("plain.v1/late", "drift", "plain.v1")
    assert (alert.alert_id, alert.at) == (f"drift/plain.v1/late/{END}", END)
    evidence = json.loads(alert.record["evidence"])
    assert evidence["looks_like"] == "a change of the data"
    assert [f["feature"] for f in evidence["features"]] == ["delay_mean_1h"]
    assert (evidence["features"][0]["n"], evidence["false_alarms_per_month"]) == (SERVED, 0.5)
    codec = Codec(LocalSchemas())
    assert codec.decoder(load("alert"))(codec.encoder("alerts", load("alert"))(alert.record)) == alert.record


def test_the_segments_that_explain_drift_are_named(trained: History) -> None:
    drawn = values(SERVED, 2)
    carriers = ["B" if i % 5 == 0 else "AC"[i % 2] for i in range(SERVED)]
    moved = [
        v + 25 if c == "B" and v is not None else v for c, v in zip(carriers, drawn["delay"], strict=True)
    ]
    trained.served(drawn | {"delay": moved, "carrier": carriers})
    report = checked(trained)
    (segment,) = report.segments
    assert (segment.feature, segment.segment_by, segment.segment) == ("delay_mean_1h", "carrier", "B")
    assert (segment.rows, segment.explains > 0.8) == (0.2, True)
    alert = report.alert()
    assert alert is not None
    assert json.loads(alert.record["evidence"])["segments"] == [vars(segment)]


def test_each_feature_has_segments_of_its_own(trained: History) -> None:
    drawn = values(SERVED, 2)
    carriers = ["ABCDE"[i % 5] for i in range(SERVED)]
    late = [
        v + 25 if c == "B" and v is not None else v for c, v in zip(carriers, drawn["delay"], strict=True)
    ]
    busy = [v + 60 if c == "C" else v for c, v in zip(carriers, drawn["count"], strict=True)]
    trained.served(drawn | {"delay": late, "count": busy, "carrier": carriers})
    report = checked(trained)
    assert {(s.feature, s.segment) for s in report.segments} == {("delay_mean_1h", "B"), ("count_1h", "C")}


def test_no_segment_explains_what_has_happened_to_all(trained: History) -> None:
    drawn = values(SERVED, 2)
    everywhere = [None if v is None else v + 6 for v in drawn["delay"]]
    trained.served(drawn | {"delay": everywhere, "carrier": ["ABCDE"[i % 5] for i in range(SERVED)]})
    report = checked(trained)
    assert (causes(report), report.segments) == ({"delay_mean_1h": (DATA,)}, ())


def test_the_report_is_one_row_a_feature_however_often_it_is_checked(trained: History) -> None:
    trained.served(values(SERVED, 2))
    reports = [checked(trained), checked(trained)]
    assert reports[0] == reports[1]
    found = trained.client.query(
        "SELECT feature, group, version, model_version, method, n_reference, n, statistic, effect_size,"
        " p_value, q_value, threshold, drifted, missing_share, toUnixTimestamp64Milli(window_start),"
        " reference_counts, counts, edges FROM feature_drift_report FINAL ORDER BY feature"
    ).result_rows
    finding = {f.reference.feature: f for f in reports[0].findings}["delay_mean_1h"]
    assert len(found) == 2
    row = found[1]
    assert row[:7] == ("delay_mean_1h", "plain", 1, 3, "psi", TRAINED, SERVED)
    assert row[7:11] == (finding.statistic, finding.effect_size, finding.p_value, finding.q_value)
    assert row[11:14] == (FEATURES.level, False, finding.missing_share)
    assert row[14] == END - DAY
    assert (tuple(row[15]), tuple(row[16]), tuple(row[17])) == (
        *(finding.reference.counts, finding.counts),
        finding.reference.bins.edges,
    )


def test_what_looks_like_a_broken_pipeline_is_named(trained: History) -> None:
    drawn = values(SERVED, 2)
    broken = {"count": [v * 60 for v in drawn["count"]], "delay": [None] * 200 + drawn["delay"][200:]}
    trained.served(drawn | broken, state="stale")
    report = checked(trained)
    found = causes(report)
    assert found["delay_mean_1h"] == (NULLS, STALE)
    assert found["count_1h"][0].startswith("scaled by 60")
    alert = report.alert()
    assert alert is not None
    assert alert.evidence["looks_like"] == "a broken pipeline"
    assert alert.record["playbook"] == "docs/playbooks/broken-pipeline.md"


def test_what_the_contract_calls_impossible_looks_broken_whatever_its_shape(trained: History) -> None:
    drawn = values(SERVED, 2)
    kelvin = [v and v + 273.15 for v in drawn["delay"]]
    trained.served(drawn | {"delay": kelvin})
    assert causes(checked(trained)) == {"delay_mean_1h": (DATA,)}
    group = replace(plain, ranges={"delay_mean_1h": (-100, 150), "count_1h": (0, 1_000)})
    model = replace(MODEL, features=[group["count_1h"], group["delay_mean_1h"]])
    stated, module = replace(FEATURES, group=group, model=model), ModuleType("ranged")
    vars(module).update(policy=stated)
    report = check(trained.client, collect(module), stated, VERSION, END)
    assert causes(report) == {"delay_mean_1h": (BEYOND,)}
    alert = report.alert()
    assert alert is not None
    assert alert.evidence["looks_like"] == "a broken pipeline"


def test_what_was_frozen_in_the_window_is_told_and_not_judged(trained: History) -> None:
    drawn = values(SERVED, 2)
    counts = [0.0] * (SERVED // 2) + [v * 60 for v in drawn["count"][SERVED // 2 :]]
    moved = [None if v is None else v + 6 for v in drawn["delay"]]
    trained.served(drawn | {"count": counts}, frozen=["plain.count_1h"])
    report = checked(trained)
    assert (report.frozen, report.alert()) == (("plain.count_1h",), None)
    judged = {f.reference.feature: (f.rows, f.q_value is not None) for f in report.findings}
    assert judged == {"count_1h": (SERVED, False), "delay_mean_1h": (SERVED, True)}
    trained.client.command("TRUNCATE TABLE model_prediction_log")
    trained.served(drawn | {"count": counts, "delay": moved}, frozen=["plain.count_1h"])
    alert = checked(trained).alert()
    assert alert is not None
    assert [f["feature"] for f in alert.evidence["features"]] == ["delay_mean_1h"]
    told = (alert.evidence["looks_like"], alert.evidence["frozen"], alert.playbook)
    assert told == ("a broken pipeline", ("plain.count_1h",), "broken-pipeline")  # so nothing is retrained


def test_what_breaks_is_seen_in_the_newest_stretch_of_a_long_window(trained: History) -> None:
    drawn = values(SERVED, 2)
    long = replace(FEATURES, window="30d", every="6h", threshold=3.0)
    newest = SERVED // 4  # of the day that is served
    as_it_was, held = drawn["delay"][-newest:], drawn["delay"][:-newest]
    for broken, found in (
        (as_it_was, {}),
        ([v and v + 6 for v in as_it_was], {}),  # the data changed, and by the threshold not by much
        ([None] * newest, {"delay_mean_1h": (NULLS,)}),
    ):
        trained.client.command("TRUNCATE TABLE model_prediction_log")
        trained.served(drawn | {"delay": [*held, *broken]})
        report = checked(trained, long)
        assert causes(report) == found
        assert {f.rows for f in report.findings} == {SERVED}
        assert max(f.psi for f in report.findings) < 3
        assert checked(trained, replace(long, every="30d")).drifted == ()
    assert checked(trained, replace(long, min_rows=newest + 1)).drifted == ()  # too few to be judged


def test_constants_and_new_categories_of_rows_are_named(trained: History) -> None:
    trained.emitted(END - DAY, 1_000, ["A1", "A1", "D9"], 4)
    assert NEW_CATEGORY in causes(checked(trained, ROWS))["carrier_last"]
    trained.client.command("TRUNCATE TABLE features_lifetime_v1")
    trained.emitted(END - DAY, 1_000, ["A1"], 4)
    assert CONSTANT in causes(checked(trained, ROWS))["carrier_last"]


def test_predictions_are_the_versions_own_and_labels_the_windows(trained: History) -> None:
    drawn = values(SERVED, 2)
    drawn["label"][:500] = [1.0] * 500
    trained.served(drawn)
    trained.served(drawn | {"prediction": [0.99] * SERVED}, version=4)  # a challenger's
    report = checked(trained, OUTPUTS)
    assert list(causes(report)) == ["label"]
    assert {f.reference.feature: f.rows for f in report.findings} == {"prediction": SERVED, "label": SERVED}
    alert = report.alert()
    assert alert is not None
    assert (alert.policy, alert.subject) == ("outputs/late", "late")


def test_what_never_varied_drifts_when_it_does(history: History) -> None:
    drawn = values(TRAINED, 1) | {"count": [4.0] * TRAINED}
    history.trained(drawn)
    freeze(
        history.client, project(), "late", VERSION.experiment_id, TABLE, drawn["prediction"], drawn["label"]
    )
    for value in (3.0, 5.0):
        history.served(values(SERVED, 2) | {"count": [value] * SERVED})
        assert list(causes(checked(history))) == ["count_1h"]
        history.client.command("TRUNCATE TABLE model_prediction_log")


def test_the_classical_rule_goes_by_the_index(trained: History) -> None:
    drawn = values(SERVED, 2)
    trained.served(drawn | {"delay": [None if v is None else v + 2.5 for v in drawn["delay"]]})
    assert list(causes(checked(trained))) == ["delay_mean_1h"]  # certain, and small
    report = checked(trained, replace(FEATURES, threshold=0.25))
    assert report.drifted == ()
    assert {f.threshold for f in report.findings} == {0.25}


def test_a_window_of_few_rows_is_reported_and_not_judged(trained: History) -> None:
    drawn = values(150, 2)
    trained.served(drawn | {"count": [v * 60 for v in drawn["count"]]})
    for policy in (FEATURES, replace(FEATURES, threshold=0.1)):
        report = checked(trained, policy)
        assert report.drifted == ()
        assert {(f.rows, f.p_value) for f in report.findings} == {(150, None)}
        assert max(f.psi for f in report.findings) > 1
    empty = checked(trained, end=END + 5 * DAY)
    assert {(f.rows, f.psi, f.p_value) for f in empty.findings} == {(0, 0.0, None)}


@pytest.mark.parametrize("method", ["ks", "wasserstein"])
def test_other_methods_find_it_too(history: History, method: str) -> None:
    policy = replace(FEATURES, method=method)
    drawn = values(TRAINED, 1)
    history.trained(drawn)
    freeze(
        history.client,
        project(policy),
        "late",
        VERSION.experiment_id,
        TABLE,
        drawn["prediction"],
        drawn["label"],
    )
    now = values(SERVED, 2)
    history.served(now | {"delay": [None if v is None else v + 6 for v in now["delay"]]})
    report = checked(history, policy)
    assert list(causes(report)) == ["delay_mean_1h"]
    assert {f.reference.method for f in report.findings} == {method}


def test_a_few_values_beyond_all_of_the_reference_are_found(trained: History) -> None:
    drawn = values(SERVED, 2)
    trained.served(drawn | {"delay": [-999.0] * 8 + drawn["delay"][8:]})
    report = checked(trained)
    assert list(causes(report)) == ["delay_mean_1h"]
    (finding,) = report.drifted
    assert finding.reference.beyond(finding.counts) >= 8
    assert finding.psi < 0.05


def test_what_there_is_no_reference_for_is_named(history: History) -> None:
    with pytest.raises(NoReferenceError, match=r"version 3 .*plain\.v1/late \(count_1h, delay_mean_1h\)"):
        checked(history)
    with pytest.raises(NothingWatchedError, match=r"late reads none of whole\.v2"):
        checked(history, DriftPolicy(replace(whole, source=landed()), MODEL))


def test_windows_end_on_whole_steps_of_the_logs_clock() -> None:
    assert window_end(FEATURES, END + 5) == END
    assert window_end(FEATURES, END) == END
    assert window_end(replace(FEATURES, every="1h"), END + 5 * 3_600_000 + 1) == END + 5 * 3_600_000
