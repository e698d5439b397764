import signal
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from augury.stack import Stack
from schemas.log import Topic, await_group, create_topics, producer
from schemas.records import load

from .onnx_models import regressor
from .processes import WORKER, Log, prepare, running
from .world import World, make_world

pytestmark = pytest.mark.stack


class Requests:
    """A world on the stack, and requests published to it."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.addresses = prepare(stack.settings, folder)
        self.folder = folder
        self.redis = Redis.from_url(self.addresses.redis)
        self.world: World = make_world(folder, self.redis)
        self.world.serve(regressor(6))
        self.log = Log(self.addresses)
        self.run = uuid.uuid4().hex
        self.producer = producer(self.addresses.kafka)
        self.encode = self.log.codec.encoder("prediction.requests", load("prediction_request"))

    def publish(self, n: int, *, key: str | None = None, **change: Any) -> str:
        request_id = f"{self.run}-{n}"
        vector = [float(n), 0.0, 0.0, 0.0, 0.0, 0.0]
        record = {
            "request_id": request_id,
            "model_name": "late",
            "entity_keys": {},
            "inputs": {},
            "vector": vector,
        }
        whole = {"model_version": None, "requested_at": None, **record, **change}
        self.put(self.encode(whole), key or request_id)
        return request_id

    def put(self, payload: bytes | None, key: str | None = None) -> None:
        self.producer.produce("prediction.requests", payload, key=key or self.run)
        self.producer.poll(0)

    def shadowed(self) -> None:
        """Put a second version on trial, whose predictions are twice the champion's."""
        self.world.register(regressor(6, 2.0))
        self.world.registry.start_trial("late", 2, by="t", why="t")

    def worker(self) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return running(WORKER, self.addresses, self.run, str(self.folder / "batches"))

    def await_answers(self, count: int) -> None:
        """Wait until `count` requests of this run are answered."""
        with self.log.reading("prediction.results") as results:
            while count:
                count -= next(results)["request_id"].startswith(self.run)

    def settled(self, topic: str, ids: set[str]) -> list[dict[str, Any]]:
        """Give all records of this run on a topic, when each request has one and the workers rest."""
        self.log.collect(topic, ids)
        await_group(self.addresses.kafka, self.run, 60)
        return [r for r in self.log.all(topic) if r["request_id"].startswith(self.run)]


@pytest.fixture
def requests(stack: Stack, tmp_path: Path) -> Iterator[Requests]:
    requests = Requests(stack, tmp_path)
    yield requests
    requests.producer.flush()
    requests.world.registry.close()
    requests.redis.close()


def once(results: list[dict[str, Any]], factor: float = 1.0) -> set[str]:
    """The answered requests, each once and rightly."""
    counts = Counter(r["request_id"] for r in results)
    assert counts.most_common(1)[0][1] == 1
    assert all(r["prediction"] == factor * float(r["request_id"].split("-")[1]) for r in results)
    return set(counts)


def test_requests_are_answered_and_what_is_wrong_is_said(requests: Requests) -> None:
    requests.shadowed()
    good = requests.publish(1)
    unknown = requests.publish(2, model_name="early")
    requests.put(b"not avro " + requests.run.encode())
    foreign = {"type": "record", "name": "other", "fields": [{"name": "request_id", "type": "string"}]}
    malformed = f"{requests.run}-3"
    requests.put(requests.log.codec.encoder("tests.other", foreign)({"request_id": malformed}))
    last = requests.publish(4)
    with requests.worker() as worker:
        found = requests.log.collect("prediction.results", {good, unknown, malformed, last})
        shadows = requests.log.collect("prediction.shadow", {good, last})
        with requests.log.reading("dead_letters") as letters:
            torn = next(
                x for x in letters if (x["payload"] or b"").startswith(b"not avro " + requests.run.encode())
            )
            odd = next(x for x in letters if malformed.encode() in (x["payload"] or b""))
        with requests.log.reading("dead_letters") as letters:
            wrong = next(x for x in letters if unknown.encode() in (x["payload"] or b""))
            held = [x["payload"] for x in requests.log.all("dead_letters")]
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
    assert wrong["reason"] == refused["error"]
    assert not [text for text in held if text and (good.encode() in text or last.encode() in text)]


def test_requests_of_one_key_are_answered_in_their_order_under_their_key(requests: Requests) -> None:
    asked = [f"{requests.run}-{n}" for n in range(40)]
    for name in asked:
        requests.publish(int(name.rpartition("-")[2]), key=f"EWR {requests.run}")
    with requests.worker():
        requests.log.collect("prediction.results", set(asked))
    with requests.log.reading("prediction.results") as results:
        own = [(key, r["request_id"]) for key, r in results.keyed() if r["request_id"] in asked]
    assert own == [(f"EWR {requests.run}".encode(), name) for name in asked]


def test_each_request_has_one_answer_and_one_shadow_whenever_the_worker_is_killed(requests: Requests) -> None:
    requests.shadowed()
    ids = {requests.publish(n) for n in range(4_000)}
    for answered in (1, 700, 2_000):
        with requests.worker() as worker:
            requests.await_answers(answered)
            worker.send_signal(signal.SIGKILL)
    with requests.worker():
        assert once(requests.settled("prediction.results", ids)) == ids
        assert once(requests.settled("prediction.shadow", ids), 2.0) == ids


def test_a_worker_that_was_taken_for_dead_writes_nothing_more(requests: Requests) -> None:
    ids = {requests.publish(n) for n in range(2_000)}
    with requests.worker() as sleeper:
        requests.await_answers(1)
        sleeper.send_signal(signal.SIGSTOP)
        ids |= {requests.publish(n) for n in range(2_000, 4_000)}
        with requests.worker():
            requests.log.collect("prediction.results", ids)
            sleeper.send_signal(signal.SIGCONT)
            ids |= {requests.publish(n) for n in range(4_000, 6_000)}
            assert once(requests.settled("prediction.results", ids)) == ids
            sleeper.send_signal(signal.SIGTERM)
            assert sleeper.wait(30) == 0


def test_workers_that_come_and_go_share_the_requests(requests: Requests) -> None:
    ids: set[str] = set()

    def flow(answered: int) -> None:
        """Publish on until so many requests of the run are answered."""
        with requests.log.reading("prediction.results") as results:
            while answered:
                ids.add(requests.publish(len(ids)))
                requests.producer.flush()
                found = [r for r in results.there() if r["request_id"].startswith(requests.run)]
                answered -= min(answered, len(found))

    with requests.worker() as first:
        flow(100)
        with requests.worker() as second:
            flow(400)
            first.send_signal(signal.SIGTERM)
            flow(700)
            assert first.wait(20) == 0
            with requests.worker():
                flow(1_000)
                second.send_signal(signal.SIGTERM)
                assert second.wait(20) == 0
                assert once(requests.settled("prediction.results", ids)) == ids


def test_a_result_that_kafka_does_not_take_is_an_error_and_the_others_pass(requests: Requests) -> None:
    # Kafka refuses batches of records, so those of the small ones stay below the limit.
    requests.addresses = replace(requests.addresses, kafka_options={"batch.size": 4_000, "log_level": 0})
    limit = Topic("prediction.results", config={"max.message.bytes": "10000"})
    create_topics(requests.addresses.kafka, [limit])
    try:
        noise = {str(n): uuid.uuid4().hex for n in range(600)}  # it does not compress
        ids = {requests.publish(n) for n in range(40)}
        big = {requests.publish(n, model_name="early", inputs=noise) for n in (40, 41)}
        ids |= {requests.publish(n) for n in range(42, 80)}
        with requests.worker():
            found = requests.settled("prediction.results", ids | big)
            with requests.log.reading("dead_letters") as letters:
                letter = next(x for x in letters if f"{requests.run}-41" in x["reason"])
    finally:
        create_topics(requests.addresses.kafka, [Topic(limit.name, config={"max.message.bytes": "1048588"})])
    assert once([r for r in found if r["request_id"] not in big]) == ids
    errors = {r["request_id"]: r["error"] for r in found if r["request_id"] in big}
    assert errors.keys() == big
    assert all("Message size too large" in error for error in errors.values())
    assert (letter["origin"], letter["topic"]) == ("delivery", "prediction.results")


def test_kafka_may_die_meanwhile(requests: Requests, stack: Stack) -> None:
    requests.shadowed()
    ids = {requests.publish(n) for n in range(3_000)}
    with requests.worker() as worker:
        requests.await_answers(1)
        stack.kill("kafka")
        stack.start("kafka")
        ids |= {requests.publish(n) for n in range(3_000, 4_000)}
        assert once(requests.settled("prediction.results", ids)) == ids
        assert once(requests.settled("prediction.shadow", ids), 2.0) == ids
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
