import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from prefect import Flow, flow
from prefect.client.schemas.objects import FlowRun
from prefect.states import Failed

from features.alerts import AlertedError, incident
from flows.failures import Failures, of
from flows.runs import PrefectRuns
from flows.worker import FlowWorker
from tests.flows.test_bridge import eventually
from tests.flows.test_worker import asked, state, working

NOW = 1_700_000_000_000


class Told:
    """What was told of runs: alerts by the run's name, and the incidents that are over."""

    def __init__(self, out: int = 0) -> None:
        self.alerts: list[Mapping[str, Any]] = []
        self.over: list[str] = []
        self.out = out  # how often the log is not there

    def send(self, alert: Mapping[str, Any]) -> None:
        self.out -= 1
        if self.out >= 0:
            raise ConnectionError("the log is out")
        self.alerts.append(alert)

    def resolve(self, incident: str, why: str, at: int) -> None:
        assert (why.endswith("has ended well"), at) == (True, NOW)
        self.over.append(incident)

    def failures(self, *again_s: float) -> Failures:
        return Failures(
            self.send, self.resolve, lambda: NOW, lambda name: f"owner of {name}", again_s, grace_s=0
        )


def failing(*endings: BaseException | None) -> tuple[Flow[..., Any], Callable[[], int]]:
    """Give a flow that ends each time by the next of `endings`, and how often it has begun."""
    left, begun = list(endings), list[str]()

    @flow(name=f"failing-{uuid.uuid4().hex[:6]}")
    def fails(model_name: str) -> None:
        begun.append(model_name)
        ending = left.pop(0)
        if ending is not None:
            raise ending

    return fails, lambda: len(begun)


def test_an_alert_names_the_run_and_what_ended_it() -> None:
    run = FlowRun(
        flow_id=uuid.uuid4(),
        name="p/1",
        run_count=2,
        parameters={"policy": "daily"},
        state=Failed(message="no table " + "x" * 9_000),
    )
    alert = of("drift", run, NOW, "ann")
    assert (alert.alert_id, alert.subject, alert.model_name) == (f"run/{run.id}/2", "daily", None)
    assert incident(alert.record) == "run/flows/drift/daily"
    assert (alert.evidence["run"], alert.evidence["state"], alert.evidence["starts"]) == ("p/1", "Failed", 2)
    assert len(alert.evidence["message"]) == 2_000
    assert of("drift", run.model_copy(update={"parameters": {}}), NOW, "").subject == "drift"


@pytest.mark.stack
def test_a_run_that_an_outage_has_ended_is_told_of_and_tried_again(stack: Any) -> None:
    api, unique, told = stack.settings.prefect_api_url, uuid.uuid4().hex[:6], Told()
    fails, begun = failing(ConnectionError("the warehouse is out"), ConnectionError("it still is"), None)
    worker = FlowWorker(api, [fails], unique, pool=unique, poll_s=0.1, failures=told.failures(0.1, 0.1))
    with working(worker), PrefectRuns(api) as runs:
        run = runs(fails.name, {"model_name": "m"}, "once")
        eventually(lambda: state(api, run) == "COMPLETED")
        eventually(lambda: told.over)
    assert begun() == 3
    assert [alert["alert_id"] for alert in told.alerts] == [f"run/{run}/1", f"run/{run}/2"]
    assert "the warehouse is out" in told.alerts[0]["evidence"]
    assert (told.alerts[0]["owner"], told.alerts[0]["at"]) == ("owner of m", NOW)
    assert told.over == [f"run/flows/{fails.name}/m"]


@pytest.mark.stack
def test_tries_have_an_end_and_a_refusal_has_none(stack: Any) -> None:
    api, unique, told = stack.settings.prefect_api_url, uuid.uuid4().hex[:6], Told()
    out, begun = failing(ConnectionError("out"), ConnectionError("out"))
    refused, asked_of = failing(LookupError("no such model"), AlertedError("gates have failed"))
    worker = FlowWorker(api, [out, refused], unique, pool=unique, poll_s=0.1, failures=told.failures(0.1))
    with working(worker), PrefectRuns(api) as runs:
        one = runs(out.name, {"model_name": "m"}, "once")
        others = [runs(refused.name, {"model_name": "m"}, key) for key in ("a", "b")]
        eventually(lambda: begun() == 2 and all(state(api, r) == "FAILED" for r in (one, *others)))
        eventually(lambda: len(told.alerts) == 3)
    assert asked_of() == 2
    alerts = {alert["alert_id"] for alert in told.alerts}
    assert alerts == {f"run/{one}/1", f"run/{one}/2", f"run/{others[0]}/1"}


@pytest.mark.stack
def test_what_could_not_be_told_or_ended_without_its_worker_is_told_of_later(stack: Any) -> None:
    api, unique, told = stack.settings.prefect_api_url, uuid.uuid4().hex[:6], Told(out=1)
    fails, begun = failing(ConnectionError("out"))
    first = FlowWorker(api, [fails], unique, pool=unique, poll_s=0.1, failures=told.failures())
    with working(first), PrefectRuns(api) as runs:
        failed = runs(fails.name, {"model_name": "m"}, "failed")
        eventually(lambda: state(api, failed) == "FAILED")
        eventually(lambda: told.out <= 0)
    with PrefectRuns(api) as runs:
        crashed = runs(fails.name, {"model_name": "m"}, "crashed")
    asked(api, "POST", f"/flow_runs/{crashed}/set_state", state={"type": "CRASHED"}, force=True)
    second = FlowWorker(api, [fails], unique, pool=unique, poll_s=0.1, failures=told.failures())
    with working(second):
        eventually(lambda: len(told.alerts) == 2)
    assert {alert["alert_id"] for alert in told.alerts} == {f"run/{failed}/1", f"run/{crashed}/0"}
    assert begun() == 1


@pytest.mark.stack
def test_a_failed_run_whose_worker_died_is_tried_again_by_another(stack: Any) -> None:
    api, unique, told = stack.settings.prefect_api_url, uuid.uuid4().hex[:6], Told()
    fails, begun = failing(ConnectionError("out"), None)
    first = FlowWorker(api, [fails], unique, pool=unique, poll_s=0.1)  # one that does nothing further
    with working(first), PrefectRuns(api) as runs:
        run = runs(fails.name, {"model_name": "m"}, "once")
        eventually(lambda: state(api, run) == "FAILED")
    second = FlowWorker(api, [fails], "another", pool=unique, poll_s=0.1, failures=told.failures(0.1))
    with working(second):
        eventually(lambda: state(api, run) == "COMPLETED")
        eventually(lambda: told.over)
    assert begun() == 2
    assert [alert["alert_id"] for alert in told.alerts] == [f"run/{run}/1"]
