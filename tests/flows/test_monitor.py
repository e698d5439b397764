import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from features.policies import MonitoringPolicy
from flows.check import NoReferenceError
from flows.context import configure
from flows.monitor import MONITOR, intervals, monitor
from flows.performance import Performance
from flows.triggers import Triggers
from inference.registry import ModelVersion
from tests.flows.drifting import FEATURES, MODEL
from tests.flows.test_drift import report
from tests.flows.world import DAY, NOW, World
from warehouse.performance_reports import Row, Watched

NAME = "auc/punctual"
END = NOW - NOW % DAY


def test_it_runs_as_often_as_the_policy_that_looks_the_most() -> None:
    daily = MonitoringPolicy(MODEL)
    assert intervals([FEATURES, daily, replace(daily, metric="rmse", every="1h")]) == {MONITOR: 3_600_000}
    assert intervals([FEATURES]) == {}


@pytest.fixture
def world(tmp_path: Path, stack: Any) -> Iterator[World]:
    made = World(tmp_path)
    made.crown()
    configure(made.context)
    with temporary_settings({PREFECT_API_URL: stack.settings.prefect_api_url}):
        yield made


def found(world: World, *, breached: bool, judged: bool = True) -> Performance:
    (policy,) = world.context.monitoring_policies
    watched = Watched(NAME, "punctual", 1, "auc", policy.threshold, END - 7 * DAY, END)
    row = Row("measured", "", "", 900, 0.6, 0.55, 0.65, 0.8, 0.2, 1e-9 if judged else None)
    return Performance(policy, watched, DAY, (replace(row, breached=breached),))


@pytest.mark.stack
def test_harm_is_one_alert_however_often_it_is_looked_at(world: World) -> None:
    world.performances[NAME] = found(world, breached=True)
    assert monitor() == 1
    assert monitor(NAME, END) == 1
    first, again = world.alerts
    assert first == again
    assert first["alert_id"] == f"performance/{NAME}/{END}"
    assert [incident for incident, _, _ in world.resolved] == [f"segments/{NAME}/punctual"] * 2


@pytest.mark.stack
def test_an_alert_tells_what_drifted_and_whether_a_pipeline_looks_broken(world: World) -> None:
    drift = "line_trips.v1/punctual"
    world.performances[NAME] = found(world, breached=True)
    world.reports[drift] = report(drifted=True)
    assert monitor() == 1
    told = json.loads(world.alerts[0]["evidence"])
    assert told["looks_like"] == "a change of the data"
    assert told["features"] == [{"feature": "line_trips.count_1h", "psi": 0.8, "causes": ["data"]}]
    findings = world.reports[drift].findings
    broken = (replace(findings[0], causes=("missing values",)), findings[1])
    world.reports[drift] = replace(world.reports[drift], findings=broken)
    assert monitor() == 1
    assert json.loads(world.alerts[1]["evidence"])["looks_like"] == "a broken pipeline"
    assert world.alerts[1]["playbook"] == "docs/playbooks/broken-pipeline.md"
    world.reports[drift] = replace(report(drifted=False), frozen=("line_trips.count_1h",))
    assert monitor() == 1
    told = json.loads(world.alerts[2]["evidence"])
    assert (told["looks_like"], told["frozen"]) == ("a broken pipeline", ["line_trips.count_1h"])
    world.reports.clear()  # nothing watches the group's values
    configure(replace(world.context, stalled_groups=lambda: ["line_trips.v1", "another.v1"]))
    assert monitor() == 1
    told = json.loads(world.alerts[3]["evidence"])
    assert (told["looks_like"], told["stalled"]) == ("a broken pipeline", ["line_trips.v1"])


@pytest.mark.stack
def test_a_broken_group_that_nobody_watches_is_seen_before_anything_is_set_off(world: World) -> None:
    (policy,) = world.context.monitoring_policies
    reading = replace(policy.model, features=[world.project.groups[0]["count_1h"]])
    unwatched = replace(policy, model=reading)
    configure(
        replace(world.context, project=replace(world.project, models=(reading,), policies=(unwatched,)))
    )
    world.performances[NAME] = found(world, breached=True)
    seen = report(drifted=True)
    broken = (replace(seen.findings[0], causes=("missing values",)), seen.findings[1])
    world.reports["line_trips.v1/punctual"] = replace(seen, findings=broken)
    assert monitor() == 1
    told = json.loads(world.alerts[0]["evidence"])
    assert told["looks_like"] == "a broken pipeline"
    assert Triggers([], [], [unwatched]).on_alert(world.alerts[0]) is None


@pytest.mark.stack
def test_of_windows_that_are_made_up_for_each_kind_s_newest_alert_is_told(world: World) -> None:
    def look(policy: MonitoringPolicy, _version: ModelVersion, end: int) -> Performance:
        held = found(world, breached=end == END - 2 * DAY)
        segment = replace(held.rows[0], segment_by="line", segment="a", gap=0.3, breached=end == END - DAY)
        return replace(held, watched=replace(held.watched, end=end), rows=(*held.rows, segment))

    done = [END - 3 * DAY]
    configure(replace(world.context, check_performance=look, windows_done=lambda *_: done))
    monitor()
    assert [(a["kind"], a["at"]) for a in world.alerts] == [
        ("performance", END - 2 * DAY),
        ("segments", END - DAY),
    ]


@pytest.mark.stack
def test_a_window_within_the_policy_resolves_what_is_open(world: World) -> None:
    world.performances[NAME] = found(world, breached=False)
    assert monitor() == 0
    assert world.alerts == []
    assert [(i, at) for i, _, at in world.resolved] == [
        (f"performance/{NAME}/punctual", END),
        (f"segments/{NAME}/punctual", END),
    ]


@pytest.mark.stack
def test_a_window_that_was_not_judged_resolves_nothing(world: World) -> None:
    world.performances[NAME] = found(world, breached=False, judged=False)
    assert monitor() == 0
    assert world.resolved == []


@pytest.mark.stack
def test_a_model_without_holdout_is_passed_over_unless_it_is_named(world: World) -> None:
    assert monitor() == 0
    with pytest.raises(NoReferenceError, match="has no holdout"):
        monitor(NAME)
    with pytest.raises(LookupError, match=rf"\({NAME}\); none is called 'gone'"):
        monitor("gone")
