"""An alert on the log freezes what looks broken; the door serves its default, until a thaw brings it back."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from augury.stack import Stack
from features.layout import row_key
from features.policies import DriftPolicy
from flows.context import configure
from flows.freeze import freeze_features
from flows.runs import PrefectRuns
from flows.triggers import Triggers
from flows.worker import FlowWorker
from inference.registry import publish_events
from schemas.log import producer
from schemas.records import load
from tests.flows.test_bridge import START, Given, eventually
from tests.flows.world import World as Flows
from tests.inference.onnx_models import regressor
from tests.inference.processes import running
from tests.inference.served import Served
from tests.inference.world import make_model

pytestmark = pytest.mark.stack

MEAN, COUNT = "carrier_delay.arr_delay_mean_1h", "carrier_delay.count_1d"
EVIDENCE = {
    "looks_like": "a broken pipeline",
    "features": [
        {"feature": "arr_delay_mean_1h", "causes": ["scaled by 60"]},
        {"feature": "count_1d", "causes": ["missing values"]},  # which has no default
        {"feature": "diverted_last", "causes": ["data"]},
    ],
}


class World:
    """A model with a door of its own, a bridge and a worker of flows, by a name that nobody else has."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        settings = stack.settings
        self.model = f"late_{uuid.uuid4().hex[:8]}"
        self.served = Served(stack, folder)
        self.held = self.served.world.registry
        filled = replace(self.served.world.plan_filled("serve", {}), name=self.model)
        self.served.world.register(regressor(len(filled.names)), filled)
        self.held.promote(self.model, 1, by="t", why="t")
        self.entities = {"carrier": self.model, "route": f"{self.model}|LAX"}
        values = {"arr_delay_mean_1h": 150.0, "count_1d": 3, "diverted_last": False}
        self.served.world.put("carrier_delay", self.entities["carrier"], **values)
        self.served.world.put("route_delay", self.entities["route"], arr_delay_mean_7d=2.0)
        group = replace(self.served.world.groups["carrier_delay"], defaults={"arr_delay_mean_1h": -0.5})
        model = replace(make_model(folder), name=self.model)
        self.policy = DriftPolicy(group, model, retrain=True, on_broken="freeze")
        self.log = Given(settings, folder)
        self.log.model, self.log.triggers = self.model, Triggers([self.policy], [])
        self.api = settings.prefect_api_url
        self._encode = self.log.codec.encoder("registry.events", load("registry_event"))
        self._producer = producer(settings.kafka_bootstrap)
        configure(replace(Flows(folder).context, registry=self.held, publish=self.publish))

    def publish(self) -> int:
        return publish_events(self.held, self._producer, self._encode)

    def alert(self, alert_id: str, at: int) -> None:
        record = {"alert_id": alert_id, "policy": self.policy.name, "kind": "drift", "subject": "x"}
        told = {"model_name": self.model, "severity": "warning", "evidence": json.dumps(EVIDENCE), "at": at}
        self.log.write("alerts", record | told)

    def told(self) -> tuple[dict[str, Any], list[str]]:
        """The features of an answer, and which of them are frozen."""
        inputs = {"scheduled_at": START, "distance": 900.0}
        body = {"request_id": uuid.uuid4().hex, "model_name": self.model, "inputs": inputs}
        answer = self.served.client.post("/v1/predict", json=body | {"entity_keys": self.entities}).json()
        return answer["feature_values_used"], answer["frozen"]

    @contextmanager
    def working(self) -> Iterator[None]:
        stop, ready = Event(), Event()
        worker = FlowWorker(self.api, [freeze_features], f"w-{self.model}", poll_s=0.1)
        thread = Thread(target=worker.run, args=(stop, ready.set))
        thread.start()
        try:
            assert ready.wait(60)
            with (
                PrefectRuns(self.api) as runs,
                self.log.bridge(runs, f"bridge-{self.model}"),
                running(*self.served.arguments),
            ):
                self.served.await_ready()
                yield
        finally:
            stop.set()
            thread.join(60)

    def close(self) -> None:
        self.served.redis.delete(row_key("carrier_delay", 1, self.entities["carrier"]))
        self.served.redis.delete(row_key("route_delay", 2, self.entities["route"]))
        self.served.close()


@pytest.fixture
def world(stack: Any, tmp_path: Path) -> Iterator[World]:
    world = World(stack, tmp_path)
    yield world
    world.close()


def test_an_alert_freezes_what_looks_broken_until_it_is_thawed(world: World) -> None:
    with world.working():
        held, frozen = world.told()
        assert (held[MEAN], held[COUNT], frozen) == (150.0, 3.0, [])
        for alert_id, at in (("a1", START), ("a1", START), ("a2", START + 1)):
            world.alert(alert_id, at)
        eventually(lambda: world.told() == (held | {MEAN: -0.5}, [MEAN]))
        eventually(lambda: world.log.found()[0]["state"]["type"] == "COMPLETED")
        (run,) = (key for key in world.log.runs() if key.startswith(world.policy.name))
        assert run.startswith(f"{world.policy.name}/{START}/")
        (period,) = world.held.freezes.history()
        assert (period.feature, period.by, period.alert_id, period.until) == (MEAN, "drift", "a1", None)

        assert world.held.freezes.thaw(world.model, MEAN, by="ann", why="mended")
        assert world.publish() == 1
        eventually(lambda: world.told() == (held, []))


def test_a_run_says_what_was_frozen_and_why_the_rest_was_not(world: World) -> None:
    with temporary_settings({PREFECT_API_URL: world.api}):
        first, again = (freeze_features(world.model, [MEAN, COUNT], "a1", "a policy") for _ in range(2))
    assert (first[MEAN], again[MEAN]) == ("frozen at its default", "frozen already")  # again, as after a kill
    assert "carrier_delay.v1 states none for 'count_1d'; nothing was changed" in first[COUNT]
    (period,) = world.held.freezes.history()
    assert (period.value, period.why) == (-0.5, "it looks broken by a policy (alert a1)")
    assert world.held.unpublished_events() == []
