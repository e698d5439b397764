import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from augury.stack import Stack
from schemas.log import producer
from schemas.records import load

from .onnx_models import regressor
from .processes import WORKER, Log, prepare, running
from .world import World, make_world

pytestmark = pytest.mark.stack


class Requests:
    """A world on the stack, and requests published to it."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.addresses = prepare(stack.settings, folder)
        self.redis = Redis.from_url(self.addresses.redis)
        self.world: World = make_world(folder, self.redis)
        self.world.serve(regressor(6))
        self.log = Log(self.addresses)
        self.run = uuid.uuid4().hex
        self.producer = producer(self.addresses.kafka)
        self.encode = self.log.codec.encoder("prediction.requests", load("prediction_request"))

    def publish(self, n: int, **change: Any) -> str:
        request_id = f"{self.run}-{n}"
        vector = [float(n), 0.0, 0.0, 0.0, 0.0, 0.0]
        record = {
            "request_id": request_id,
            "model_name": "late",
            "entity_keys": {},
            "inputs": {},
            "vector": vector,
        }
        self.put(self.encode({"model_version": None, "requested_at": None, **record, **change}))
        return request_id

    def put(self, payload: bytes | None) -> None:
        self.producer.produce("prediction.requests", payload, key=self.run)


@pytest.fixture
def requests(stack: Stack, tmp_path: Path) -> Iterator[Requests]:
    requests = Requests(stack, tmp_path)
    yield requests
    requests.producer.flush()
    requests.world.registry.close()
    requests.redis.close()


def test_requests_are_answered_and_what_is_wrong_is_said(requests: Requests) -> None:
    world = requests.world
    world.register(regressor(6, 2.0))
    world.registry.start_trial("late", 2, by="t", why="t")
    good = requests.publish(1)
    unknown = requests.publish(2, model_name="early")
    requests.put(b"not avro " + requests.run.encode())
    foreign = {"type": "record", "name": "other", "fields": [{"name": "request_id", "type": "string"}]}
    malformed = f"{requests.run}-3"
    requests.put(requests.log.codec.encoder("tests.other", foreign)({"request_id": malformed}))
    last = requests.publish(4)
    with running(WORKER, requests.addresses, requests.run) as worker:
        found = requests.log.collect("prediction.results", {good, unknown, malformed, last})
        shadows = requests.log.collect("prediction.shadow", {good, last})
        with requests.log.reading("dead_letters") as letters:
            torn = next(x for x in letters if requests.run.encode() in (x["payload"] or b""))
            odd = next(x for x in letters if malformed.encode() in (x["payload"] or b""))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
    ((answer,), (refused,), (misread,), _) = (found[i] for i in (good, unknown, malformed, last))
    assert (answer["prediction"], answer["door"], answer["variant"]) == (1.0, "kafka", "champion")
    assert shadows[good][0]["prediction"] == 2.0
    assert "nothing can answer for 'early'" in refused["error"]
    assert "its model_name is None" in misread["error"]
    assert (torn["origin"], torn["topic"]) == ("worker", "prediction.requests")
    assert "zero byte" in torn["reason"]
    assert "model_name" in odd["reason"]


def test_sigkill_loses_no_request(requests: Requests) -> None:
    ids = {requests.publish(n) for n in range(3_000)}
    for answered in (300, 1_500):
        with running(WORKER, requests.addresses, requests.run) as worker:
            with requests.log.reading("prediction.results") as results:
                seen = 0
                while seen < answered:
                    seen += next(results)["request_id"] in ids
            worker.send_signal(signal.SIGKILL)
    with running(WORKER, requests.addresses, requests.run):
        found = requests.log.collect("prediction.results", ids)
    for request_id, results in found.items():
        assert {(r["deduplication_key"], r["prediction"]) for r in results} == {
            (f"|late|{request_id}", float(request_id.split("-")[1]))
        }
