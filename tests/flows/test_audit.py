import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.audit import AUDIT, DifferingVectorsError, audit
from flows.context import configure
from flows.runs import PrefectRuns
from flows.triggers import Triggers
from flows.worker import FlowWorker
from schemas.codec import Codec
from schemas.records import load
from tests.flows.test_bridge import eventually
from tests.flows.test_worker import state
from tests.flows.world import DAY, NOW, World
from tests.inference.world import LocalSchemas
from warehouse.audit import Audit, Cause, Difference

pytestmark = pytest.mark.stack
WRONG = Audit(9, 2, (Difference("line_trips.count_1h", Cause.VALUE, 2),), 1)


@pytest.fixture
def world(tmp_path: Path, stack: Any) -> Iterator[World]:
    made = World(tmp_path)
    configure(made.context)
    with temporary_settings({PREFECT_API_URL: stack.settings.prefect_api_url}):
        yield made


def test_an_audit_without_differences_gives_its_size_and_alarms_nobody(world: World) -> None:
    assert audit("punctual", NOW - DAY, NOW) == 3
    assert audit("punctual", NOW - DAY, NOW, 2) == 3
    assert world.audited == [
        (f"punctual/{NOW - DAY}/{NOW}/all", "punctual", NOW - DAY, NOW, None),
        (f"punctual/{NOW - DAY}/{NOW}/2", "punctual", NOW - DAY, NOW, 2),
    ]
    assert world.alerts == []


def test_differences_fail_the_run_and_are_one_alert_however_often_it_runs(world: World) -> None:
    world.found = WRONG
    for _ in range(2):
        with pytest.raises(DifferingVectorsError, match="2 of 9 of punctual differ"):
            audit("punctual", NOW - DAY, NOW)
    first, again = world.alerts
    assert first == again
    assert (first["policy"], first["model_name"], first["at"]) == (AUDIT, "punctual", NOW)
    assert json.loads(first["evidence"])["differences"] == [
        {"feature": "line_trips.count_1h", "cause": "value differs", "vectors": 2}
    ]
    codec = Codec(LocalSchemas())
    assert codec.decoder(load("alert"))(codec.encoder("alerts", load("alert"))(first)) == first
    assert Triggers([], []).on_alert(first) is None  # the bridge passes it by


def test_an_unknown_model_is_named_at_once(world: World) -> None:
    with pytest.raises(LookupError, match="no_such_model"):
        audit("no_such_model", 0, NOW)
    assert world.audited == []


def test_it_runs_as_a_deployment_with_its_parameters_checked(stack: Any, tmp_path: Path) -> None:
    world = World(tmp_path)
    world.found = WRONG
    configure(world.context)
    api, stop, ready = stack.settings.prefect_api_url, Event(), Event()
    worker = FlowWorker(api, [audit], f"w-{uuid.uuid4()}", poll_s=0.1)
    thread = Thread(target=worker.run, args=(stop, ready.set))
    thread.start()
    key = uuid.uuid4().hex
    try:
        assert ready.wait(30)
        with PrefectRuns(api) as runs:
            parameters = {"model_name": "punctual", "since": 0, "until": NOW, "sample": 5}
            run = runs(AUDIT, parameters, key)
            assert runs(AUDIT, parameters, key) == run
            eventually(lambda: state(api, run) == "FAILED")
    finally:
        stop.set()
        thread.join(30)
    assert [audited[-1] for audited in world.audited] == [5]
    assert len(world.alerts) == 1
