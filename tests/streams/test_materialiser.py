import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from redis import Redis

from features.layout import Layout, clock_key, row_key, unpack_clock
from features.plan import Feature
from features.types import DataType, to_avro
from schemas import records
from schemas.codec import Codec
from schemas.log import Topic, consumer, create_topics, producer
from schemas.registry import SchemaRegistry
from streams.lag import Lag
from streams.materialiser import READING, Materialiser

pytestmark = pytest.mark.stack
KEPT = {"retention.ms": "-1"}  # the tests' records are old
FEATURES = (Feature("n", DataType.INTEGER), Feature("name", DataType.TEXT))
LAYOUT = Layout(7, FEATURES)
SCHEMA = {
    "type": "record",
    "name": "row",
    "fields": [
        {"name": "entity", "type": "string"},
        {"name": "event_timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "seq", "type": "long"},
        *({"name": f.name, "type": ["null", to_avro(f.type)]} for f in FEATURES),
    ],
}


def until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.02)


class World:
    """A group of its own on the real stack, with a writer of its topics."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.group = f"g{uuid.uuid4().hex[:12]}"
        self.topic = f"features.{self.group}.v1"
        create_topics(
            settings.kafka_bootstrap, [Topic(self.topic, 2, KEPT), Topic("features.clocks", config=KEPT)]
        )
        self.codec = Codec(SchemaRegistry(settings.registry_url))
        self.encode = self.codec.encoder(self.topic, SCHEMA)
        self.encode_clock = self.codec.encoder("features.clocks", records.load("feature_clock"))
        self.producer = producer(settings.kafka_bootstrap)
        self.redis = Redis.from_url(settings.redis_url)

    def row(self, entity: str, seq: int, n: int | None = None, name: str | None = None) -> None:
        row = {"entity": entity, "event_timestamp": 1_000 + seq, "seq": seq, "n": n, "name": name}
        self.raw(self.encode(row), entity)

    def raw(self, value: bytes, key: str = "") -> None:
        self.producer.produce(self.topic, value, key, timestamp=5_000)

    def clock(self, clock: int, group: str | None = None) -> None:
        record = {"group": group or self.group, "version": 1, "clock": clock}
        self.producer.produce("features.clocks", self.encode_clock(record))

    def held(self, entity: str) -> dict[str, Any] | None:
        value = self.redis.get(row_key(self.group, 1, entity))
        return LAYOUT.unpack(value) if isinstance(value, bytes) else None

    def shown_clock(self) -> int | None:
        value = self.redis.get(clock_key(self.group, 1))
        return unpack_clock(value) if isinstance(value, bytes) else None

    def materialiser(self) -> Materialiser:
        return Materialiser(
            consumer(self.settings.kafka_bootstrap, f"materialiser.{self.group}", **READING),
            self.redis,
            self.codec,
            {self.topic: (self.group, 1, LAYOUT)},
            clock=lambda: 5_250,
        )

    def process(self) -> "subprocess.Popen[bytes]":
        s = self.settings
        script = Path(__file__).with_name("materialiser_process.py")
        addresses = (s.kafka_bootstrap, s.registry_url, s.redis_url)
        return subprocess.Popen([sys.executable, script, *addresses, self.topic, self.group])

    def committed(self) -> int:
        reader = consumer(self.settings.kafka_bootstrap, f"materialiser.{self.group}")
        partitions = [TopicPartition(self.topic, p) for p in range(2)]
        offsets = [max(p.offset, 0) for p in reader.committed(partitions, timeout=20)]
        reader.close()
        return sum(offsets)


@pytest.fixture
def world(stack: Any) -> Iterator[World]:
    world = World(stack.settings)
    yield world
    world.producer.flush(10)
    world.redis.close()


class Running:
    """A materialiser in a thread, stopped at the end of the block."""

    def __init__(self, materialiser: Materialiser, ready: Callable[[], None] = lambda: None) -> None:
        self.materialiser = materialiser
        self._stop = threading.Event()
        self._thread = threading.Thread(target=materialiser.run, args=(self._stop, ready))

    def __enter__(self) -> Materialiser:
        self._thread.start()
        return self.materialiser

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def test_the_newest_row_of_each_entity_is_visible(world: World) -> None:
    for seq in (1, 2, 4, 3):
        world.row("AA", seq, n=seq, name=f"é{seq}")
    world.row("B|\\6", 1)
    with Running(world.materialiser()) as materialiser:
        until(lambda: world.held("AA") and world.held("B|\\6"))
        until(lambda: materialiser.counts.read == 5)
        assert world.held("AA") == {"event_timestamp": 1_004, "seq": 4, "n": 4, "name": "é4"}
        assert world.held("B|\\6") == {"event_timestamp": 1_001, "seq": 1, "n": None, "name": None}
        world.row("AA", 3, n=33)  # as a restarted job repeats it
        world.row("AA", 5, n=5)
        until(lambda: (world.held("AA") or {})["seq"] == 5)
        counts = materialiser.counts
        assert counts.written + counts.older + counts.conflated == counts.read
        assert materialiser.lag.percentiles(0, 50, 100) == [250, 250, 250]
        progress = materialiser.progress[world.group, 1]
        assert progress.written == counts.written
        upto, total = progress.lags.read()
        assert dict(upto)["0.1"] == 0
        assert dict(upto)["0.25"] == dict(upto)["+Inf"] == materialiser.lag.count
        assert total == pytest.approx(0.25 * materialiser.lag.count)


def test_a_restart_never_goes_back(world: World) -> None:
    world.row("AA", 8, n=8)
    with Running(world.materialiser()):
        until(lambda: world.held("AA"))
    assert world.committed() == 1
    world.row("AA", 7, n=7)
    world.row("BB", 1)
    with Running(world.materialiser()) as again:
        until(lambda: again.counts.read == 2)
        until(lambda: world.held("BB"))
    assert (world.held("AA") or {})["n"] == 8
    assert (again.counts.written, again.counts.older) == (1, 1)


def test_clocks_follow_rows_and_never_go_back(world: World) -> None:
    world.clock(100)
    world.clock(50)
    world.clock(999, group=f"{world.group}x")
    for seq in range(1, 5_001):
        world.row("AA", seq)
    world.producer.flush(20)
    with Running(world.materialiser()):
        until(world.shown_clock)
        held = world.held("AA")
        assert world.shown_clock() == 100
        assert held is not None
        assert held["seq"] == 5_000
        world.clock(70)
        world.clock(120)
        until(lambda: world.shown_clock() == 120)
        world.clock(110)
        world.row("AA", 5_001)
        until(lambda: (world.held("AA") or {})["seq"] == 5_001)
    assert world.shown_clock() == 120
    assert world.redis.get(clock_key(f"{world.group}x", 1)) is None


def test_a_clock_waits_for_rows_that_another_process_writes(world: World) -> None:
    """Half of the topic is another's, whose commit tells how far it is."""
    world.clock(100)
    for number, entity in enumerate(("AA", "BB")):
        row = {"entity": entity, "event_timestamp": 1_000, "seq": 1, "n": 1, "name": None}
        world.producer.produce(world.topic, world.encode(row), entity, partition=number, timestamp=5_000)
    world.producer.flush(20)
    other = consumer(world.settings.kafka_bootstrap, f"materialiser.{world.group}")
    other.subscribe([world.topic])
    until(lambda: other.poll(0.1))
    ready = threading.Event()
    with Running(world.materialiser(), ready.set) as running:
        until(lambda: (other.poll(0.1), len(other.assignment()) == 1)[1])
        until(lambda: running.counts.read == 1)
        assert ready.is_set()
        time.sleep(0.5)  # long enough for the clock to settle
        assert world.shown_clock() is None
        theirs = other.assignment()[0].partition
        other.commit(offsets=[TopicPartition(world.topic, theirs, 1)], asynchronous=False)
        until(world.shown_clock)
        assert world.shown_clock() == 100
    other.close()


def test_a_clock_waits_for_rows_that_come_a_little_later(world: World) -> None:
    """Rows and clocks come by two producers, so that a row may be behind its clock."""
    with Running(world.materialiser()):
        for seq in range(1, 21):
            world.clock(seq)
            world.producer.flush(10)
            world.row("AA", seq)
            world.producer.flush(10)
            until(lambda: world.shown_clock() == seq)  # noqa: B023
            assert (world.held("AA") or {"seq": 0})["seq"] == seq


def test_a_clock_that_was_not_shown_is_read_again(world: World) -> None:
    world.row("AA", 1)
    world.clock(100)
    world.producer.flush(10)
    gone = consumer(world.settings.kafka_bootstrap, f"materialiser.{world.group}")
    gone.subscribe([world.topic])  # takes a partition, and never writes it
    until(lambda: gone.poll(0.1))
    materialiser = world.materialiser()
    with Running(materialiser):
        until(lambda: (gone.poll(0.1), len(gone.assignment()) == 1)[1])
        theirs = gone.assignment()[0].partition
        world.producer.produce(
            world.topic,
            world.encode({"entity": "BB", "event_timestamp": 1, "seq": 1, "n": 1, "name": None}),
            "BB",
            partition=theirs,
            timestamp=5_000,
        )
        world.clock(200)
        world.producer.flush(10)
        time.sleep(1.5)  # the clock is read, held, and would have been committed
        assert world.shown_clock() != 200
    gone.close()
    with Running(world.materialiser()):
        until(lambda: world.shown_clock() == 200)
    assert world.held("BB")


class Unsteady(Consumer):
    """A consumer whose log is away at its first assignment."""

    asked = 0

    def committed(self, *given: Any, **more: Any) -> list[TopicPartition]:
        self.asked += 1
        if self.asked < 3:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return super().committed(*given, **more)


def test_an_outage_of_the_log_at_an_assignment_is_waited_out(world: World) -> None:
    world.row("AA", 1)
    group = f"materialiser.{world.group}"
    settings = {"bootstrap.servers": world.settings.kafka_bootstrap, "group.id": group}
    reader = Unsteady({**settings, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    layouts = {world.topic: (world.group, 1, LAYOUT)}
    with Running(Materialiser(reader, world.redis, world.codec, layouts, clock=lambda: 5_250)):
        until(lambda: world.held("AA"))


def test_what_is_no_row_is_passed_over(world: World) -> None:
    world.raw(b"not Avro")
    world.raw(b"")
    world.producer.produce(world.topic, None, b"AA")
    wrong = world.codec.encoder(world.topic, {**SCHEMA, "fields": SCHEMA["fields"][:3]})
    world.raw(wrong({"entity": "AA", "event_timestamp": 1, "seq": 99}))
    world.row("AA", 1, n=1)
    with Running(world.materialiser()) as materialiser:
        until(lambda: world.held("AA"))
        until(lambda: materialiser.counts.refused == 4)
    assert (world.held("AA") or {})["seq"] == 1


def test_killed_in_mid_stream_nothing_is_lost(world: World) -> None:
    chance = random.Random(3)
    newest: dict[str, int] = {}
    entities = [f"e{i}" for i in range(300)]
    process = world.process()
    try:
        for kill in range(4):
            for _ in range(4_000):
                entity = chance.choice(entities)
                newest[entity] = newest.get(entity, 0) + 1
                world.row(entity, newest[entity], n=newest[entity], name=entity)
            world.producer.flush(20)
            if kill < 3:
                until(lambda: world.held(entities[0]), 60)
                process.send_signal(signal.SIGKILL)
                process.wait(10)
                process = world.process()
        until(lambda: all((world.held(e) or {}).get("seq") == seq for e, seq in newest.items()), 60)
        assert all((world.held(e) or {})["n"] == seq for e, seq in newest.items())
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert world.committed() == sum(newest.values())
    finally:
        process.kill()
        process.wait(10)


def test_lag_keeps_the_last() -> None:
    lag = Lag(capacity=3)
    assert str(lag.percentiles(50, 99)) == "[nan, nan]"
    lag.add([1, 2])
    assert lag.percentiles(0, 100) == [1, 2]
    lag.add([3, 4])
    lag.add([])
    assert (lag.percentiles(0, 100), lag.count) == ([2, 4], 4)
    lag.add([5, 6, 7, 8, 9])
    assert (lag.percentiles(0, 50, 100), lag.count) == ([7, 8, 9], 9)
