import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from prefect import flow, task
from prefect.runtime import flow_run

from flows.context import configure
from flows.evaluate import evaluate, start_trial
from flows.retrain import retrain
from flows.runs import PrefectRuns, prefect_client
from flows.steps import RETRIED
from flows.tune import tune
from flows.worker import FlowWorker
from inference.registry import ModelStatus, Trial
from tests.flows.test_bridge import eventually
from tests.flows.test_trial import WIN
from tests.flows.test_tune import SEARCH, searched
from tests.flows.world import NOW, World

pytestmark = pytest.mark.stack

# A worker of one flow, which writes down each start and ends only when it finds the file `go`.
_PROGRAM = """
import sys, threading
from pathlib import Path
from prefect import flow
from flows.worker import FlowWorker

api, name, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])

@flow(name=f"slow-{name}")
def slow(model_name: str) -> None:
    with (folder / "starts").open("a") as starts:
        starts.write("x")
    while not (folder / "go").exists():
        threading.Event().wait(0.05)

worker = FlowWorker(api, [slow], name, pool=f"pool-{name}", training=[slow.name])
worker.run(threading.Event(), lambda: (folder / "ready").touch())
"""


def state(api: str, run: str) -> str:
    answer = httpx.get(f"{api}/flow_runs/{run}", timeout=30)
    return str(answer.json()["state"]["type"]) if answer.is_success else answer.reason_phrase


def asked(api: str, method: str, path: str, **body: Any) -> dict[str, Any]:
    with prefect_client(api, None) as http:
        return dict(http.request(method, path, json=body or None).raise_for_status().json())


def active_slots(api: str, model_name: str) -> int:
    return int(asked(api, "GET", f"/v2/concurrency_limits/training-{model_name}")["active_slots"])


def cancel(api: str, run: str) -> None:
    """Do what the button of Prefect's page of a run does."""
    asked(api, "POST", f"/flow_runs/{run}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})


@contextmanager
def working(*workers: FlowWorker) -> Iterator[None]:
    stop, ready = Event(), [Event() for _ in workers]
    threads = [Thread(target=w.run, args=(stop, r.set)) for w, r in zip(workers, ready, strict=True)]
    for thread in threads:
        thread.start()
    try:
        assert all(each.wait(60) for each in ready)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_a_run_whose_worker_is_killed_is_run_again(stack: Any, tmp_path: Path) -> None:
    api, name = stack.settings.prefect_api_url, f"w{uuid.uuid4().hex[:6]}"
    command = [sys.executable, "-c", _PROGRAM, api, name, str(tmp_path)]
    first = subprocess.Popen(command)
    starts = tmp_path / "starts"
    try:
        eventually((tmp_path / "ready").exists)
        with PrefectRuns(api) as runs:
            run = runs(f"slow-{name}", {"model_name": name}, "once")
        eventually(starts.exists)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert state(api, run) == "RUNNING"
    assert active_slots(api, name) == 1  # the slot of the dead worker: its lease lasts for a minute
    second = subprocess.Popen(command)
    try:
        eventually(lambda: starts.read_text() == "xx")
        (tmp_path / "go").touch()
        eventually(lambda: state(api, run) == "COMPLETED")
        eventually(lambda: active_slots(api, name) == 0)
    finally:
        second.kill()
        second.wait()


def test_an_alert_ends_with_a_new_champion(stack: Any, tmp_path: Path) -> None:
    world = World(tmp_path)
    world.crown()
    configure(world.context)
    api, unique = stack.settings.prefect_api_url, uuid.uuid4().hex
    worker = FlowWorker(api, [retrain, start_trial, evaluate], f"w-{uuid.uuid4()}", poll_s=0.1)
    with working(worker), PrefectRuns(api) as runs:
        parameters = {"model_name": "punctual", "alert_id": unique, "policy": "p", "at": NOW}
        run = runs("retrain", parameters, unique)
        eventually(lambda: state(api, run) == "COMPLETED")
        run = runs("start-trial", {"model_name": "punctual", "version": 2}, unique)
        eventually(lambda: state(api, run) == "COMPLETED")
        world.units = [(f"r{i}", *WIN) for i in range(40)]
        run = runs("evaluate", {"model_name": "punctual", "version": 2, "until": NOW}, unique)
        eventually(lambda: state(api, run) == "COMPLETED")
        run = runs("evaluate", {"model_name": "no_such_model", "version": 9, "until": NOW}, unique + "b")
        eventually(lambda: state(api, run) == "COMPLETED")
    assert world.registry.get("punctual", 2).status is ModelStatus.CHAMPION
    assert world.registry.get("punctual", 1).status is ModelStatus.RETIRED


def test_one_training_of_a_model_at_a_time_whichever_workers_there_are(stack: Any) -> None:
    api, unique = stack.settings.prefect_api_url, uuid.uuid4().hex[:6]
    one, other, go, begun = f"one-{unique}", f"other-{unique}", Event(), list[str]()
    # As a server leaves it that dies between giving a slot and writing down its lease.
    asked(api, "POST", "/v2/concurrency_limits/", name=f"training-{other}", limit=1, active_slots=1)

    @flow(name=f"train-{unique}")
    def train(model_name: str) -> None:
        begun.append(model_name)
        assert go.wait(120)

    workers = [
        FlowWorker(api, [train], f"{unique}-{n}", pool=unique, training=[train.name], poll_s=0.1)
        for n in range(2)
    ]
    with working(*workers), PrefectRuns(api) as runs:
        trained = {
            name: runs(train.name, {"model_name": name[:-2]}, name) for name in (f"{one}-a", f"{one}-b")
        }
        eventually(lambda: sorted(state(api, run) for run in trained.values()) == ["RUNNING", "SCHEDULED"])
        trained[other] = runs(train.name, {"model_name": other}, other)
        eventually(lambda: begun == [one, other])
        assert sorted(state(api, run) for run in trained.values()) == ["RUNNING", "RUNNING", "SCHEDULED"]
        go.set()
        eventually(lambda: all(state(api, run) == "COMPLETED" for run in trained.values()))
    assert sorted(begun) == [one, one, other]
    assert active_slots(api, one) == active_slots(api, other) == 0


def test_a_run_that_is_cancelled_ends_between_two_steps(stack: Any) -> None:
    api, unique = stack.settings.prefect_api_url, uuid.uuid4().hex[:6]
    steps, go = list[str](), Event()

    @task(**RETRIED)
    def step(name: str) -> None:
        steps.append(f"{name} begins")
        assert go.wait(120)
        steps.append(f"{name} ends")

    @flow(name=f"steps-{unique}")
    def in_steps(name: str) -> None:
        step(f"{name} 1")
        step(f"{name} 2")

    worker = FlowWorker(api, [in_steps], unique, pool=unique, poll_s=0.1)
    with working(worker), PrefectRuns(api) as runs:
        first, second, third = (runs(in_steps.name, {"name": name}, name) for name in "abc")
        eventually(lambda: steps == ["a 1 begins"])
        cancel(api, first)
        cancel(api, second)
        assert [state(api, run) for run in (first, second, third)] == ["CANCELLING", "CANCELLED", "SCHEDULED"]
        go.set()
        eventually(lambda: state(api, third) == "COMPLETED")
    assert steps == [f"{step} {end}" for step in ("a 1", "c 1", "c 2") for end in ("begins", "ends")]
    assert state(api, first) == state(api, second) == "CANCELLED"
    assert worker.ended == {(in_steps.name, "cancelled"): 1, (in_steps.name, "completed"): 1}


def test_a_cancelled_retraining_leaves_nothing_half_done_and_may_be_run_again(
    stack: Any, tmp_path: Path
) -> None:
    world = World(tmp_path)
    world.crown()
    api, unique = stack.settings.prefect_api_url, uuid.uuid4().hex

    def cancelled_meanwhile(_until: int) -> None:
        cancel(api, str(flow_run.get_id()))
        configure(world.context)

    configure(replace(world.context, wait_for_warehouse=cancelled_meanwhile))
    worker = FlowWorker(api, [retrain], unique, training=[retrain.name], poll_s=0.1)
    with working(worker), PrefectRuns(api) as runs:
        parameters = {"model_name": "punctual", "alert_id": unique, "policy": "p", "at": NOW}
        run = runs("retrain", parameters, unique)
        eventually(lambda: state(api, run) == "CANCELLED")
        assert [version.version for version in world.registry.versions("punctual")] == [1]
        assert runs("retrain", parameters, unique) == run  # what asked for it asks in vain; a person may
        asked(api, "POST", f"/flow_runs/{run}/set_state", state={"type": "SCHEDULED"})
        eventually(lambda: state(api, run) == "COMPLETED")
    assert world.registry.get("punctual", 2).status is ModelStatus.STAGING
    assert active_slots(api, "punctual") == 0


def test_a_cancelled_search_ends_at_its_next_trial_and_goes_on_where_it_was(
    stack: Any, tmp_path: Path
) -> None:
    world = World(tmp_path)
    api, study = stack.settings.prefect_api_url, uuid.uuid4().hex
    context = searched(world, SEARCH)

    def cancelled_meanwhile(_trial: Trial) -> None:
        cancel(api, str(flow_run.get_id()))
        configure(context)

    configure(replace(context, on_trial=cancelled_meanwhile))
    worker = FlowWorker(api, [tune], study, training=[tune.name], poll_s=0.1)
    with working(worker), PrefectRuns(api) as runs:
        run = runs(tune.name, {"model_name": "punctual", "study": study, "at": NOW}, study)
        eventually(lambda: bool(worker.ended))
        assert state(api, run) == "CANCELLED"
        (kept,) = world.registry.experiments.trials(study)
        assert world.registry.training_config("punctual") is None
        asked(api, "POST", f"/flow_runs/{run}/set_state", state={"type": "SCHEDULED"})
        eventually(lambda: state(api, run) == "COMPLETED")
    assert worker.ended == {(tune.name, "cancelled"): 1, (tune.name, "completed"): 1}
    trials = world.registry.experiments.trials(study)
    assert trials[0] == kept
    assert len(trials) == SEARCH.trials
    config = world.registry.training_config("punctual")
    assert config is not None
    assert config.provenance["study"] == study
