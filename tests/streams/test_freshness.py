import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.freshness import FRESH, QUIET, STALLED, Changes, Known, Limits, heard, judged

MINUTE = 60_000
LIMITS = Limits("carrier_delay.v1", "ann", expected_max_lag_ms=10 * MINUTE, alert_after_ms=30 * MINUTE)


def report(at: int, clock: int | None, log_time: int | None) -> dict[str, Any]:
    return {"group": "carrier_delay", "version": 1, "at": at, "clock": clock, "log_time": log_time}


def followed(*reports: dict[str, Any]) -> tuple[Known, list[Changes]]:
    """Judge a group at each of its reports."""
    known, found = None, []
    for each in reports:
        known, changes = judged(LIMITS, heard(known, each), each["at"])
        found.append(changes)
    assert known is not None
    return known, found


def test_a_log_that_goes_on_without_the_group_is_a_stalled_pipeline() -> None:
    at = [n * MINUTE for n in (100, 130, 131, 140, 141)]
    known, found = followed(
        report(at[0], at[0], at[0]),
        report(at[1], at[0], at[1]),  # 30 minutes are not more than 30
        report(at[2], at[0], at[2]),
        report(at[3], at[0], at[3]),
        report(at[4], at[3], at[4]),
    )
    raised = found[2].alerts
    assert [bool(each.alerts or each.states) for each in found] == [False, False, True, False, True]
    (alert,) = raised
    assert (alert["severity"], alert["owner"], alert["at"]) == ("critical", "ann", at[2])
    assert alert["playbook"] == "docs/playbooks/stalled-pipeline.md"
    evidence = json.loads(alert["evidence"])
    assert (evidence["verdict"], evidence["lag_ms"]) == (STALLED, 31 * MINUTE)
    (state,) = found[4].states
    assert (state["alert_id"], state["state"], state["why"]) == (
        alert["alert_id"],
        "resolved",
        "it is fresh again",
    )
    assert (known.verdict, known.alert_id) == (FRESH, "")


def test_a_log_that_stands_is_a_quiet_source_and_may_become_a_stalled_pipeline() -> None:
    at = [n * MINUTE for n in (100, 140, 150)]
    known, found = followed(
        report(at[0], at[0], at[0]), report(at[1], at[0], at[0] + MINUTE), report(at[2], at[0], at[2])
    )
    assert [a["severity"] for a in found[1].alerts] == ["warning"]
    assert [a["severity"] for a in found[2].alerts] == ["critical"]
    assert [s["why"] for s in found[2].states] == ["it is stalled now"]
    assert known.verdict == STALLED


def test_a_verdict_that_comes_back_at_the_same_clock_is_another_alert() -> None:
    known = heard(None, report(0, 0, 0))
    raised = []
    known, changes = judged(LIMITS, known, 31 * MINUTE)  # nobody reports
    raised += changes.alerts
    for at, log_time in ((32, 1), (33, 33)):  # the log stands, then goes on without the job
        known, changes = judged(LIMITS, heard(known, report(at * MINUTE, 0, log_time * MINUTE)), at * MINUTE)
        raised += changes.alerts
    assert [json.loads(a["evidence"])["verdict"] for a in raised] == [STALLED, QUIET, STALLED]
    assert len({a["alert_id"] for a in raised}) == 3


def test_an_open_alert_ends_at_the_expected_lag_and_not_at_the_threshold() -> None:
    at = 200 * MINUTE
    late = heard(None, report(at, at - 31 * MINUTE, at))
    held, _ = judged(LIMITS, late, at)
    for lag, verdict in ((29, STALLED), (11, STALLED), (10, FRESH)):
        found, _ = judged(LIMITS, heard(held, report(at, at - lag * MINUTE, at)), at)
        assert found.verdict == verdict


def test_a_group_that_nobody_reports_is_stalled() -> None:
    known = heard(None, report(0, 0, 0))
    assert judged(LIMITS, known, 30 * MINUTE) == (known, Changes())
    found, changes = judged(LIMITS, known, 30 * MINUTE + 1)
    assert (found.verdict, len(changes.alerts)) == (STALLED, 1)


def test_a_group_without_a_clock_has_its_first_report_for_one() -> None:
    known = heard(heard(None, report(0, None, 5)), report(29 * MINUTE, None, 29 * MINUTE))
    assert judged(LIMITS, known, 29 * MINUTE)[0].verdict == FRESH
    known = heard(known, report(31 * MINUTE, None, 31 * MINUTE))
    assert judged(LIMITS, known, 31 * MINUTE)[0].verdict == STALLED
    empty = heard(heard(None, report(0, None, None)), report(31 * MINUTE, None, None))
    assert judged(LIMITS, empty, 31 * MINUTE)[0].verdict == QUIET


def test_a_source_that_may_be_quiet_is_told_of_later_and_a_stalled_pipeline_is_not() -> None:
    patient = replace(LIMITS, quiet_after_ms=12 * 60 * MINUTE)
    known = heard(None, report(0, 0, 0))
    night = 12 * 60 * MINUTE
    asleep = heard(known, report(night, 0, 0))
    assert judged(patient, asleep, night) == (asleep, Changes())
    told, changes = judged(patient, heard(asleep, report(night + 1, 0, 0)), night + 1)
    assert (told.verdict, len(changes.alerts)) == (QUIET, 1)
    awake = heard(asleep, report(night, 0, night))
    assert judged(patient, awake, night)[0].verdict == STALLED
    assert judged(patient, known, 31 * MINUTE)[0].verdict == STALLED  # nobody reports


times = st.none() | st.integers(0, 100 * MINUTE)


@given(st.lists(st.tuples(st.integers(0, 20 * MINUTE), times, times), min_size=1, max_size=30))
def test_whatever_is_reported_each_alert_is_raised_once_and_resolved_at_most_once(
    steps: list[tuple[int, int | None, int | None]],
) -> None:
    at, reports = 0, []
    for gap, clock, log_time in steps:
        at += gap
        reports.append(report(at, clock, log_time))
    known, found = followed(*reports)
    raised = [a["alert_id"] for changes in found for a in changes.alerts]
    ended = [s["alert_id"] for changes in found for s in changes.states]
    opened = [known.alert_id] if known.alert_id else []
    assert raised == [*ended, *opened]  # one at a time
    assert len(set(raised)) == len(raised)
    assert (known.verdict == FRESH) == (not opened)
    again, changes = judged(LIMITS, known, at)
    assert (again, changes) == (known, Changes())
    assert Known(**json.loads(json.dumps(known.to_dict()))) == known
