"""A canary from its first share to the end, by requests to a door that is a process of its own."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from augury.clients import warehouse
from augury.clock import wall_ms
from features import CanaryPolicy
from features.project import collect
from flows.canary import canary
from flows.context import configure
from flows.rollout import look_at
from inference.registry import ModelStatus, Registry, ServingConfig, publish_events
from schemas.log import producer
from schemas.records import load
from tests.flows.test_bridge import eventually
from tests.flows.world import World
from tests.inference.onnx_models import regressor
from tests.inference.processes import running
from tests.inference.served import Served
from tests.inference.world import make_model
from tests.warehouse.answers import publish
from warehouse.client import migrate

pytestmark = pytest.mark.stack


class Shop:
    """A door that serves a model, its registry by the wall clock, and the flow that looks at its canaries."""

    def __init__(self, stack: Any, folder: Path) -> None:
        self.served = Served(stack, folder)
        self.registry = Registry(self.served.addresses.registry, wall_ms)
        self.client = warehouse(stack.settings)
        migrate(self.client)
        model = make_model(folder)
        module = ModuleType("live")
        steps = CanaryPolicy(model, steps=(0.05, 0.5), hold="1s", min_requests=25, max_latency_ratio=20.0)
        vars(module).update(model=model, canary=steps)
        log = producer(self.served.addresses.kafka)
        encode = self.served.log.codec.encoder("registry.events", load("registry_event"))
        self.world = World(folder)
        self.publish = partial(publish_events, self.registry, log, encode)
        context = replace(
            self.world.context,
            project=collect(module),
            registry=self.registry,
            look_at_canary=partial(look_at, self.client, wall_ms),
            publish=self.publish,
        )
        configure(context)
        self.unread, self.seen = set[str](), list[dict[str, Any]]()

    def begin(self, weight: float) -> int:
        """Let a version begin its canary, and wait until the door gives it a share."""
        self.served.world.register(regressor(6, weight))
        version = self.registry.versions("late")[-1].version
        self.registry.start_trial("late", version, by="a test", why="a test")
        self.registry.canaries.begin("late", version, 0.05, by="a test", why="a test")
        self.publish()
        return version

    def ask(self, count: int = 100) -> None:
        """Ask of as many entities, and note each answer; one that is refused would be no answer."""
        for _ in range(count):
            request_id = uuid.uuid4().hex
            body = {
                "request_id": request_id,
                "model_name": "late",
                "entity_keys": {"carrier": request_id[:6], "route": "r"},
                "vector": [1.0] * 6,
            }
            answer = self.served.client.post("/v1/predict", json=body)
            self.unread.add(request_id)
            self.seen.append({**answer.json(), "status": answer.status_code, "request_id": request_id})

    def look(self) -> str:
        """Bring what the log has of the answers to the warehouse, and look."""
        found = self.served.log.collect("prediction.results", self.unread)
        publish(self.client, [results[0] for name, results in found.items() if name in self.unread])
        self.unread.clear()
        return canary()["late"]

    def close(self) -> None:
        asked = [answer["request_id"] for answer in self.seen]
        delete = "DELETE FROM model_prediction_log WHERE request_id IN {asked:Array(String)}"
        self.client.command(delete, parameters={"asked": asked})
        self.client.close()
        self.registry.close()
        self.served.close()


@pytest.fixture
def shop(stack: Any, tmp_path: Path) -> Iterator[Shop]:
    with temporary_settings({PREFECT_API_URL: stack.settings.prefect_api_url}):
        shop = Shop(stack, tmp_path)
        yield shop
        shop.close()


def test_a_sound_version_takes_over_by_shares_and_one_that_errs_is_taken_back(shop: Shop) -> None:
    with running(*shop.served.arguments) as door:
        shop.served.await_ready()
        sound, said = shop.begin(2.0), list[str]()

        def looked_after_more(ending: str) -> bool:
            assert door.poll() is None
            shop.ask()
            said.append(shop.look())
            return ending in said[-1]

        eventually(lambda: looked_after_more("has a share of 0.5 now"))
        grown = len(shop.seen)
        assert shop.registry.serving_config("late") == ServingConfig("late", sound, 0.5, canary=True)
        eventually(lambda: looked_after_more("promoted"))
        assert shop.registry.get("late", sound).status is ModelStatus.CHAMPION
        assert {answer["status"] for answer in shop.seen} == {httpx.codes.OK}
        assert all(a["prediction"] == 6.0 * a["model_version_used"] for a in shop.seen)
        shares = [
            sum(a["model_version_used"] == sound for a in part) / len(part)
            for part in (shop.seen[:grown], shop.seen[grown:])
        ]
        assert shares[0] < 0.2 < shares[1]
        eventually(lambda: shop.ask(1) is None and shop.seen[-1]["variant"] == "champion")

        after = len(shop.seen)
        broken = shop.begin(1e38)  # six of which are more than a float32 holds
        eventually(lambda: looked_after_more("rolled back"))
        assert shop.registry.get("late", broken).status is ModelStatus.REJECTED
        assert shop.registry.serving_config("late") == ServingConfig("late")
        (alert,) = shop.world.alerts
        assert alert["alert_id"].startswith(f"canary/late/v{broken}/")
        failed = [a for a in shop.seen[after:] if a["status"] != httpx.codes.OK]
        assert failed
        assert len(failed) < 0.2 * len(shop.seen[after:])
        assert all(f"version {broken} " in a["detail"] for a in failed)
        # Once the door has heard of it, nothing fails any more.
        eventually(lambda: (shop.ask(60), all(a["status"] == httpx.codes.OK for a in shop.seen[-60:]))[1])
        assert shop.seen[-1]["model_version_used"] == sound
