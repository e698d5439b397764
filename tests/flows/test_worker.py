import signal
import subprocess
import sys
import uuid
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from flows.context import configure
from flows.evaluate import evaluate, start_trial
from flows.retrain import retrain
from flows.runs import PrefectRuns
from flows.worker import FlowWorker
from inference.registry import ModelStatus
from tests.flows.test_bridge import eventually
from tests.flows.test_trial import WIN
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
def slow() -> None:
    with (folder / "starts").open("a") as starts:
        starts.write("x")
    while not (folder / "go").exists():
        threading.Event().wait(0.05)

FlowWorker(api, [slow], name).run(threading.Event(), lambda: (folder / "ready").touch())
"""


def state(api: str, run: str) -> str:
    answer = httpx.get(f"{api}/flow_runs/{run}", timeout=30)
    return str(answer.json()["state"]["type"]) if answer.is_success else answer.reason_phrase


def test_a_run_whose_worker_is_killed_is_run_again(stack: Any, tmp_path: Path) -> None:
    api, name = stack.settings.prefect_api_url, f"w{uuid.uuid4().hex[:6]}"
    command = [sys.executable, "-c", _PROGRAM, api, name, str(tmp_path)]
    first = subprocess.Popen(command)
    starts = tmp_path / "starts"
    try:
        eventually((tmp_path / "ready").exists)
        with PrefectRuns(api) as runs:
            run = runs(f"slow-{name}", {}, "once")
        eventually(starts.exists)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert state(api, run) == "RUNNING"
    second = subprocess.Popen(command)
    try:
        eventually(lambda: starts.read_text() == "xx")
        (tmp_path / "go").touch()
        eventually(lambda: state(api, run) == "COMPLETED")
    finally:
        second.kill()
        second.wait()


def test_an_alert_ends_with_a_new_champion(stack: Any, tmp_path: Path) -> None:
    world = World(tmp_path)
    world.crown()
    configure(world.context)
    api, stop, ready = stack.settings.prefect_api_url, Event(), Event()
    worker = FlowWorker(api, [retrain, start_trial, evaluate], f"w-{uuid.uuid4()}", poll_s=0.1)
    thread = Thread(target=worker.run, args=(stop, ready.set))
    thread.start()
    unique = uuid.uuid4().hex
    try:
        assert ready.wait(30)
        with PrefectRuns(api) as runs:
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
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert world.registry.get("punctual", 2).status is ModelStatus.CHAMPION
    assert world.registry.get("punctual", 1).status is ModelStatus.RETIRED
