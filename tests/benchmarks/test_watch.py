from dataclasses import replace
from itertools import pairwise

import pytest

from benchmarks.common import Result
from benchmarks.watch import ACTS, STRETCHES
from benchmarks.watch import STRIKE as STRIKE_ACT
from benchmarks.watch_findings import Stretch, Told, complaints, results
from benchmarks.watch_live import NAME, not_so
from features.alerts import BROKEN, CHANGED, SEQUENTIAL
from flows.causes import DATA, NULLS, SILENT

HOUR, DAY = 3_600_000, 86_400_000
QUIET, FEED, _, AIRPORT, SEASON = STRETCHES
_, STRIKE = STRIKE_ACT
SUBJECT = FEED.subject
MISSING = Told(
    "drift", "warning", SUBJECT, FEED.since + DAY, BROKEN, {"humid": (DATA,), "wind": (NULLS,)}, resolved=True
)
HARM = Told(
    "performance",
    "critical",
    STRIKE.subject,
    STRIKE.since + DAY,
    CHANGED,
    {"auc": (SEQUENTIAL,)},
    resolved=False,
)
WARM = replace(
    MISSING, at=SEASON.since + DAY, looks_like=CHANGED, causes={"temperature": (DATA,)}, resolved=False
)


def held(stretch: Stretch, *alerts: Told, retrainings: tuple[int, ...] = ()) -> dict[str, float | str]:
    return {r.metric: r.value for r in results(stretch, alerts, retrainings)}


def complained(
    stretch: Stretch, *alerts: Told, retrainings: tuple[int, ...] = (), frozen: int | None = None
) -> list[str]:
    names = ["x"] * (stretch.freezes if frozen is None else frozen)
    return complaints([stretch], results(stretch, alerts, retrainings, names))


def test_stretches_follow_each_other_and_their_faults_end_two_looks_before_them() -> None:
    for stretches in ACTS.values():
        assert all(a.until <= b.since for a, b in pairwise(stretches))
        assert all((s.until - s.since) % DAY == 0 == s.since % DAY for s in stretches)
    for stretch in (s for s in STRETCHES if s.fault):
        assert stretch.fault is not None
        assert stretch.since < stretch.fault.since < stretch.fault.until <= stretch.until - DAY


def test_a_fault_is_noticed_by_the_first_alert_that_names_its_cause() -> None:
    early = replace(MISSING, at=FEED.since)  # of the stretch before
    later = replace(MISSING, at=FEED.since + 2 * DAY, causes={"wind": (NULLS,), "gust": (NULLS,)})
    found = held(FEED, early, MISSING, later)
    assert (found["noticed"], found["after"]) == ("2013-03-05 00:00", 18.0)
    assert (found["alert"], found["cause"], found["features"]) == ("drift, warning", NULLS, "wind")
    assert (found["alerts"], found["looks like"]) == (2, BROKEN)
    assert complained(FEED, early, MISSING, later) == []


@pytest.mark.parametrize(
    ("alert", "complaint"),
    [
        (replace(MISSING, at=FEED.until + 1), "nobody noticed"),
        (replace(MISSING, subject="another"), "nobody noticed"),
        (replace(MISSING, causes={"wind": (f"{SILENT}: EWR",)}), "nobody noticed"),
        (replace(MISSING, looks_like=CHANGED), "1 of another kind"),
        (replace(MISSING, resolved=False), "1 open at the end"),
    ],
)
def test_what_is_not_noticed_or_taken_for_something_else_is_complained_of(
    alert: Told, complaint: str
) -> None:
    assert any(complaint in text for text in complained(FEED, alert))


def test_a_fault_is_not_retrained_on_and_a_season_is_once() -> None:
    assert complained(FEED, MISSING, retrainings=(MISSING.at,)) == [f"{FEED.name}: 1 retrainings, not 0"]
    assert complained(SEASON, WARM, retrainings=(MISSING.at, WARM.at)) == []
    for times in ((), (WARM.at, WARM.at + DAY)):
        assert complained(SEASON, WARM, retrainings=times) == [
            f"{SEASON.name}: {len(times)} retrainings, not 1"
        ]


def test_anything_told_of_nothing_is_a_false_alarm() -> None:
    assert complained(QUIET) == []
    for alert in (MISSING, WARM, replace(WARM, kind="performance")):
        assert complained(QUIET, replace(alert, at=QUIET.until)) == [f"{QUIET.name}: 1 false alarms"]


def test_harm_has_to_lead_to_versions_that_are_judged() -> None:
    times = [HARM.at, HARM.at + 5 * DAY]

    def found(alert: Told, *kinds: str) -> list[str]:
        return complaints([STRIKE], results(STRIKE, [alert], times, (), kinds))

    judged = ("registered", "trial_started", "rejected", "registered", "trial_started")
    assert found(HARM, *judged) == []
    assert (held(STRIKE, HARM)["noticed"], held(STRIKE, HARM)["cause"]) == ("2013-02-15 00:00", SEQUENTIAL)
    assert found(HARM, "registered") == [f"{STRIKE.name}: no version came to rejected: registered"]
    for wrong in (replace(HARM, looks_like=BROKEN), replace(HARM, kind="drift")):
        assert found(wrong, *judged)[0].startswith(f"{STRIKE.name}: nobody noticed")
    drift = replace(WARM, subject=STRIKE.subject, at=HARM.at)  # its answers are others too
    assert complaints([STRIKE], results(STRIKE, [HARM, drift], times, (), judged)) == []


def test_what_a_fault_spoils_for_all_is_frozen_and_nothing_else() -> None:
    assert complained(FEED, MISSING, frozen=0) == [f"{FEED.name}: 0 features were frozen"]
    assert complained(QUIET, frozen=2) == [f"{QUIET.name}: 2 features were frozen"]
    assert not AIRPORT.freezes


def test_a_lost_airport_is_noticed_by_its_name() -> None:
    alert = replace(MISSING, at=AIRPORT.until, causes={"wind": (NULLS, f"{SILENT}: EWR")})
    assert held(AIRPORT, alert)["cause"] == f"{SILENT}: EWR"
    other = replace(alert, causes={"wind": (f"{SILENT}: JFK",)})
    assert complained(AIRPORT, other)[0].startswith(f"{AIRPORT.name}: nobody noticed")


def test_figures_are_of_a_workload_each() -> None:
    found = results(FEED, [MISSING], [])
    assert {(r.workload, r.system) for r in found} == {(FEED.name, "Augury")}
    assert all(isinstance(r, Result) for r in found)


def test_a_job_that_stands_still_is_told_of_once() -> None:
    def found(**figures: float | str) -> list[Result]:
        held = {"false alarms": 0, "alerts": 1, "looks like": "stalled"} | figures
        return [Result(NAME, "Augury", name, value, "") for name, value in held.items()]

    assert not_so(found()) == []
    assert not_so(found(alerts=2)) == [f"{NAME}: alerts 2, not 1"]
    assert not_so([*found(**{"looks like": "quiet"}), Result("the season", "Augury", "alerts", 3, "")]) == [
        f"{NAME}: looks like quiet, not stalled"
    ]
