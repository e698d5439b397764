"""Augury's Kafka path as a client sees it: requests in, results out, by one worker."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from time import perf_counter, process_time
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from augury.clients import codec
from benchmarks.common import Result
from benchmarks.load import PERCENTILES, percentile
from benchmarks.serving_cases import Shape, Size, draws, key
from benchmarks.serving_runs import compared
from benchmarks.serving_systems import Found, worker
from benchmarks.serving_world import World
from schemas.log import consumer, producer
from schemas.records import load

SYSTEM = "Augury Kafka"
_REQUESTS, _RESULTS = "prediction.requests", "prediction.results"
_PATIENCE_S = 120.0
_TAKEN, _TICK_S = 1_000, 0.001


class StalledError(RuntimeError):
    """The worker did not answer all requests in time."""


class Client:
    """Writes requests and reads the results of those it wrote."""

    def __init__(self, world: World, shape: Shape) -> None:
        bootstrap = world.settings.kafka_bootstrap
        self._shape = shape
        self._codec = codec(world.settings)
        self._encode = self._codec.encoder(_REQUESTS, load("prediction_request"))
        options = {"linger.ms": 1, "queue.buffering.max.messages": 500_000, "log_level": 3}
        self._producer: Producer = producer(bootstrap, **options)
        self._reader: Consumer = consumer(bootstrap, "benchmark.results", **{"fetch.wait.max.ms": 5})
        there = self._reader.list_topics(_RESULTS, timeout=_PATIENCE_S).topics[_RESULTS].partitions
        places = [TopicPartition(_RESULTS, partition) for partition in there]
        ends = [self._reader.get_watermark_offsets(place, timeout=_PATIENCE_S)[1] for place in places]
        self._reader.assign(
            [TopicPartition(p.topic, p.partition, e) for p, e in zip(places, ends, strict=True)]
        )
        self._pending: dict[bytes, float] = {}
        self.payloads: dict[bytes, bytes] = {}

    def encoded(self, request_id: str, entity: int) -> tuple[bytes, bytes]:
        """Give the key and the value of a request."""
        request = {
            "request_id": request_id,
            "model_name": self._shape.model,
            "entity_keys": {"card": key(entity)},
        }
        return request_id.encode(), self._encode(request)

    def send(self, request: tuple[bytes, bytes], due: float) -> None:
        """Write an encoded request, due at a moment of `perf_counter`."""
        name, value = request
        self._pending[name] = due
        self._producer.produce(_REQUESTS, value, name)

    def take(self, wait_s: float) -> list[float]:
        """Take the results that have come; give the seconds since each one's request was due."""
        self._producer.poll(0)
        found = self._reader.consume(_TAKEN, wait_s)
        now = perf_counter()
        waited = []
        for message in found:
            due = self._pending.pop(message.key() or b"", None)  # a result may come twice
            if due is not None:
                waited.append(now - due)
                self.payloads[message.key() or b""] = message.value() or b""
        return waited

    def take_all(self, seen: Callable[[int], None] = lambda _: None) -> list[float]:
        """Take results until each request has one; `seen` hears how many came. Raises `StalledError`."""
        deadline = time.monotonic() + _PATIENCE_S
        waited: list[float] = []
        while self._pending:
            came = self.take(0.1)
            seen(len(came))
            waited += came
            if time.monotonic() > deadline:
                raise StalledError(
                    f"each request has a result in {_PATIENCE_S:.0f} s; {len(self._pending)} have none"
                )
        return waited

    def flush(self) -> None:
        """Wait until the log holds what was written."""
        if self._producer.flush(_PATIENCE_S):
            raise StalledError(f"the log takes all requests; {len(self._producer)} have no answer")

    def found(self, request_id: str) -> Found:
        """Read what a result says."""
        result: dict[str, Any] = self._codec.decode(self.payloads[request_id.encode()])
        return Found([result["prediction"]], [list(result["feature_values_used"].values())])

    def close(self) -> None:
        """Close the clients."""
        self._producer.close()
        self._reader.close()


def measure(at: World, shape: Shape, work: str, size: Size) -> list[Result]:
    """Drain a backlog by one worker and check its results, then send at an even rate, half of that."""
    asked = [entity for (entity,) in draws(at.entities, 1, size.kafka_requests)]
    came: list[tuple[float, int]] = []
    with closing(Client(at, shape)) as client:
        for number, entity in enumerate(asked):
            client.send(client.encoded(f"backlog-{number}", entity), 0.0)
        client.flush()
        with worker(at) as running:
            client.take_all(lambda count: came.append((perf_counter(), count)) if count else None)
            (started, first), (ended, _) = came[0], came[-1]
            rate = (len(asked) - first) / (ended - started)
            count = max(1, int(rate / 2 * size.open_s * size.rounds))
            live = [client.encoded(f"live-{n}", asked[n % len(asked)]) for n in range(count)]
            cpu, own = running.cpu_s(), process_time()
            waited = _live(client, live, rate / 2)
            cpu, own = running.cpu_s() - cpu, process_time() - own
            peak = running.peak_mb()
        found = [([entity], client.found(f"backlog-{number}")) for number, entity in enumerate(asked)]
    figures = [
        ("requests", rate, "1/s"),
        *((f"p{p:g} at half", 1e3 * percentile(waited, p), "ms") for p in PERCENTILES),
        ("CPU of 1,000 requests", 1e3 * cpu / count, "s"),
        ("client's CPU of 1,000", 1e3 * own / count, "s"),
        ("peak memory", peak, "MiB"),
    ]
    return compared(at, shape, work, SYSTEM, found) + [Result(work, SYSTEM, *figure) for figure in figures]


def _live(client: Client, requests: Sequence[tuple[bytes, bytes]], rate: float) -> list[float]:
    """Send requests at an even rate; give the seconds from when each was due to its result."""
    waited: list[float] = []
    started, sent = perf_counter(), 0
    while sent < len(requests):
        due = min(len(requests), 1 + int((perf_counter() - started) * rate))
        for number in range(sent, due):
            client.send(requests[number], started + number / rate)
        sent = due
        waited += client.take(_TICK_S)
    return waited + client.take_all()
