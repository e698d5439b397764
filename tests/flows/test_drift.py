from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from features.policies import DriftPolicy
from flows.check import NoReferenceError, Report
from flows.context import configure
from flows.drift import DRIFT, drift, intervals
from flows.looks import missed
from flows.triggers import Triggers
from flows.worker import FlowWorker
from inference.registry import ModelVersion
from tests.flows.drifting import FEATURES, OUTPUTS, ROWS
from tests.flows.world import DAY, NOW, World
from warehouse.bins import Bins
from warehouse.drift_reports import Finding, Window
from warehouse.references import Reference

NAME = "line_trips.v1/punctual"
END = NOW - NOW % DAY  # the log's clock is at NOW


def report(*, drifted: bool, end: int = END) -> Report:
    window = Window(NAME, "punctual", 1, "line_trips", 1, end - DAY, end)
    reference = Reference("count_1h", "psi", Bins((3.0,)), (500, 500, 0), (0.0,) * 11)
    finding = Finding(reference, (900, 100, 0), 0.8, 300.0, 0.8, 1e-20, 1e-20, 0.02, drifted, ("data",))
    return Report(window, (finding, replace(finding, drifted=False, causes=())))


def test_it_runs_as_often_as_the_policy_that_looks_the_most() -> None:
    hourly = replace(FEATURES, every="1h")
    assert intervals([OUTPUTS, hourly, ROWS]) == {DRIFT: 3_600_000}
    assert intervals([]) == {}


@pytest.fixture
def world(tmp_path: Path, stack: Any) -> Iterator[World]:
    made = World(tmp_path)
    made.crown()
    configure(made.context)
    with temporary_settings({PREFECT_API_URL: stack.settings.prefect_api_url}):
        yield made


@pytest.mark.stack
def test_drift_is_one_alert_of_a_group_and_window_that_sets_off_one_retraining(world: World) -> None:
    world.reports[NAME] = report(drifted=True)
    assert drift() == 1
    assert drift(NAME, END) == 1
    assert world.checked == [(NAME, 1, END)] * 2
    first, again = world.alerts
    assert first == again
    triggers = Triggers(world.context.drift_policies, [])
    asked = triggers.on_alert(first)
    assert asked is not None
    assert asked.parameters == {
        "model_name": "punctual",
        "alert_id": f"drift/{NAME}/{END}",
        "policy": NAME,
        "at": END,
    }


@pytest.mark.parametrize(
    ("done", "wanted"),
    [([], []), ([4], [5, 6]), ([6], []), ([7], []), ([5.5], [6]), ([3, 5, 7], [4, 6]), ([3, 7], [4, 5, 6])],
)
def test_windows_at_which_nobody_looked_are_made_up_for(done: list[float], wanted: list[int]) -> None:
    found = missed(DAY, [round(day * DAY) for day in done], 7 * DAY)
    assert found == [day * DAY for day in wanted]


def test_of_a_long_pause_the_newest_month_is_made_up_for() -> None:
    assert missed(DAY, [0], 100 * DAY) == [day * DAY for day in range(69, 100)]


@pytest.mark.stack
def test_of_windows_that_are_made_up_for_the_newest_with_drift_is_told(world: World) -> None:
    world.reports[NAME] = report(drifted=True)
    configure(replace(world.context, windows_done=lambda *_: [END - 3 * DAY]))
    assert drift() == 1
    assert world.checked == [(NAME, 1, END - 2 * DAY), (NAME, 1, END - DAY), (NAME, 1, END)]
    assert [alert["at"] for alert in world.alerts] == [END]
    world.checked.clear()
    assert drift(at=END) == 1
    assert world.checked == [(NAME, 1, END)]


@pytest.mark.stack
def test_drift_that_was_over_before_anybody_looked_is_told_and_ends(world: World) -> None:
    def check_drift(policy: DriftPolicy, _version: ModelVersion, end: int) -> Report:
        found = report(drifted=end == END - DAY)
        return replace(found, window=replace(found.window, policy=policy.name, end=end))

    configure(replace(world.context, check_drift=check_drift, windows_done=lambda *_: [END - 3 * DAY]))
    assert drift() == 0
    assert [alert["at"] for alert in world.alerts] == [END - DAY]
    assert [incident for incident, _, _ in world.resolved] == [f"drift/{NAME}/line_trips.v1"]


@pytest.mark.stack
def test_the_run_s_page_links_the_playbook_where_documents_are_published(world: World, stack: Any) -> None:
    configure(replace(world.context, documents_url="https://example.com/augury/"))
    world.reports[NAME] = report(drifted=True)
    assert drift() == 1
    answer = httpx.post(
        f"{stack.settings.prefect_api_url}/artifacts/filter",
        json={"artifacts": {"key": {"any_": ["playbook-drift"]}}, "sort": "CREATED_DESC"},
    )
    assert "(https://example.com/augury/docs/playbooks/drift.md)" in answer.json()[0]["data"]


@pytest.mark.stack
def test_no_drift_alarms_nobody(world: World) -> None:
    world.reports[NAME] = report(drifted=False)
    assert drift(at=END + 5) == 0
    assert world.checked == [(NAME, 1, END + 5)]
    assert world.alerts == []
    assert [incident for incident, _, _ in world.resolved] == [f"drift/{NAME}/line_trips.v1"]


@pytest.mark.stack
def test_nothing_is_over_while_a_feature_was_frozen(world: World) -> None:
    world.reports[NAME] = replace(report(drifted=False), frozen=("line_trips.count_1h",))
    assert drift() == 0
    assert (world.alerts, world.resolved) == ([], [])
    of_rows = [replace(p, values="rows") for p in world.context.drift_policies]  # which nothing has frozen
    configure(replace(world.context, project=replace(world.project, policies=tuple(of_rows))))
    assert drift() == 0
    assert [incident for incident, _, _ in world.resolved] == [f"drift/{NAME}/line_trips.v1"]


@pytest.mark.stack
def test_a_model_without_reference_is_passed_over_unless_it_is_named(world: World) -> None:
    assert drift() == 0
    with pytest.raises(NoReferenceError, match="has no reference"):
        drift(NAME)
    with pytest.raises(LookupError, match=rf"\({NAME}\); nothing is called 'gone'"):
        drift("gone")
    assert world.alerts == []


@pytest.mark.stack
def test_a_model_without_champion_has_nothing_to_drift_from(stack: Any, tmp_path: Path) -> None:
    world = World(tmp_path)
    configure(world.context)
    with temporary_settings({PREFECT_API_URL: stack.settings.prefect_api_url}):
        with pytest.raises(NoReferenceError, match="punctual has none"):
            drift(NAME)
        assert drift() == 0
    assert world.checked == []


@pytest.mark.stack
def test_its_deployment_has_a_schedule_counted_from_the_epoch(stack: Any, world: World) -> None:
    api, stop, ready = stack.settings.prefect_api_url, Event(), Event()
    for interval in (7 * DAY, DAY):  # deployed again, there is one schedule, the last
        stop.clear()
        ready.clear()
        worker = FlowWorker(api, [drift], "drifting", poll_s=0.1, intervals_ms={DRIFT: interval})
        thread = Thread(target=worker.run, args=(stop, ready.set))
        thread.start()
        try:
            assert ready.wait(30)
            deployment = httpx.get(f"{api}/deployments/name/{DRIFT}/augury", timeout=30).json()
        finally:
            stop.set()
            thread.join(30)
    (schedule,) = deployment["schedules"]
    assert schedule["active"]
    assert schedule["schedule"]["interval"] == DAY / 1000
    assert schedule["schedule"]["anchor_date"].startswith("1970-01-01T00:00:00")
