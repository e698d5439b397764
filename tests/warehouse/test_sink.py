import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from augury.clock import wall_ms
from features.compile import compile_group
from schemas import records
from schemas.codec import Codec
from schemas.log import Topic, await_group, consumer, create_topics, producer
from schemas.registry import SchemaRegistry
from schemas.tracing import Tracing
from tests.definitions import plain
from tests.warehouse.sink_process import SCHEMA, landed
from warehouse.client import connect, migrate
from warehouse.sink import READING, Sink, StaleTableError
from warehouse.tables import group_tables, source_table
from warehouse.targets import RECORDS, Target, group_target, source_target

pytestmark = pytest.mark.stack
KEPT = {"retention.ms": "-1"}  # the tests' events are old
EVENT = {"id": "a", "at": 1_000, "delay": 1.5, "stops": 1, "diverted": False}


def until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.05)


class World:
    """A source and a database of their own on the real stack."""

    def __init__(self, settings: Any, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.name = f"landed_{uuid.uuid4().hex[:12]}"
        self.source = landed(self.name, folder)
        create_topics(settings.kafka_bootstrap, [Topic(self.name, 2, KEPT), Topic("dead_letters")])
        self.codec = Codec(SchemaRegistry(settings.registry_url))
        self.encode = self.codec.encoder(self.name, SCHEMA)
        self.producer = producer(settings.kafka_bootstrap)
        self.client = connect(settings.warehouse_url, database=self.name)
        migrate(self.client)
        self.client.command(source_table(self.source))
        self.targets: dict[str, Target] = {self.name: source_target(self.source)}

    def send(self, event: dict[str, Any] | bytes | None, kafka_time: int, partition: int = 0) -> None:
        value = self.encode(event) if isinstance(event, dict) else event
        while True:
            try:
                self.producer.produce(self.name, value, partition=partition, timestamp=kafka_time)
            except BufferError:
                self.producer.poll(0.1)
            else:
                return

    def sink(self, client: Client | None = None, tracing: Tracing | None = None) -> Sink:
        return Sink(
            consumer(self.settings.kafka_bootstrap, f"sink.{self.name}", **READING),
            client or self.client,
            self.codec,
            self.targets,
            self.producer,
            max_seconds=0.1,
            tracing=tracing,
        )

    def process(self) -> "subprocess.Popen[bytes]":
        s = self.settings
        addresses = (s.kafka_bootstrap, s.registry_url, s.warehouse_url, self.name, self.name)
        script = Path(__file__).with_name("sink_process.py")
        return subprocess.Popen([sys.executable, script, *addresses, self.folder])

    def query(self, sql: str, client: Client | None = None) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in (client or self.client).query(sql).result_rows]

    def one(self, sql: str) -> Any:
        return self.query(sql)[0][0]

    def count(self, table: str | None = None) -> int:
        return int(self.one(f"SELECT count() FROM {table or self.name}"))

    def committed(self) -> list[tuple[int, str | None]]:
        reader = consumer(self.settings.kafka_bootstrap, f"sink.{self.name}")
        partitions = [TopicPartition(self.name, p) for p in range(2)]
        found = [(p.offset, p.metadata) for p in reader.committed(partitions, timeout=20)]
        reader.close()
        return found


@pytest.fixture
def world(stack: Any, tmp_path: Path) -> Iterator[World]:
    world = World(stack.settings, tmp_path)
    yield world
    world.producer.flush(10)
    world.client.command(f"DROP DATABASE {world.name}")
    world.client.close()


class Running:
    """A sink in a thread, stopped at the end of the block."""

    def __init__(self, sink: Sink, ready: Callable[[], None] = lambda: None) -> None:
        self._sink = sink
        self._ready = ready
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.error: Exception | None = None

    def _run(self) -> None:
        try:
            self._sink.run(self._stop, self._ready)
        except Exception as error:
            self.error = error

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


T = "toUnixTimestamp64Milli(log_time)"


def test_events_land_with_the_clock_of_the_log(world: World) -> None:
    world.send(EVENT, 5_000)
    world.send(EVENT | {"id": "b", "at": -5, "delay": None, "diverted": None}, 4_000)
    world.send(None, 7_000)
    world.send(EVENT | {"id": "c", "diverted": True}, 6_000)
    world.send(EVENT | {"id": "d"}, 100, partition=1)
    world.send(None, 9_000, partition=1)
    with Running(world.sink()):
        until(lambda: world.count() == 4)
        until(lambda: len(world.query("SELECT 1 FROM log_clock FINAL WHERE log_time >= 7")) == 2)
    place = f"log_topic, log_partition, log_offset, {T}"
    columns = f"id, toUnixTimestamp64Milli(at), delay, stops, diverted, {place}"
    assert world.query(f"SELECT {columns} FROM {world.name} ORDER BY id") == [
        ("a", 1_000, 1.5, 1, False, world.name, 0, 0, 5_000),
        ("b", -5, None, 1, None, world.name, 0, 1, 5_000),
        ("c", 1_000, 1.5, 1, True, world.name, 0, 3, 7_000),
        ("d", 1_000, 1.5, 1, False, world.name, 1, 0, 100),
    ]
    clocks = f"SELECT topic, partition, offset, {T} FROM log_clock FINAL ORDER BY partition"
    assert world.query(clocks) == [(world.name, 0, 3, 7_000), (world.name, 1, 1, 9_000)]
    assert world.committed() == [(4, "7000"), (2, "9000")]
    # The clock survives the restart, and what comes late keeps it.
    world.send(EVENT | {"id": "e"}, 1)
    with Running(world.sink()):
        until(lambda: world.count() == 5)
    assert world.one(f"SELECT {T} FROM {world.name} WHERE id = 'e'") == 7_000


def test_what_breaks_a_rule_is_a_dead_letter(world: World) -> None:
    world.targets["dead_letters"] = RECORDS["dead_letters"]
    unknown = struct.pack(">bI", 0, 2**31 - 1)
    other = world.codec.encoder(
        f"{world.name}.other",
        {"type": "record", "name": "x", "fields": [{"name": "stops", "type": "string"}]},
    )
    refused = [
        b"not Avro",
        b"",
        unknown,
        other({"stops": "two"}),
        world.encode(EVENT)[:-3],
        world.encode(EVENT | {"id": None}),
        world.encode(EVENT | {"at": None}),
        world.encode(EVENT | {"at": 10_413_792_000_000}),
    ]
    for value in refused:
        world.send(value, 8_000)
    world.send(EVENT, 5_000)
    letters = f"FROM dead_letters FINAL WHERE topic = '{world.name}'"
    sink = world.sink()
    with Running(sink):
        until(lambda: world.one(f"SELECT count() {letters}") == len(refused))
        until(lambda: world.count() == 1)
    assert (sink.inserted[world.name], sink.refused) == (1, len(refused))
    columns = "origin, partition, offset, toUnixTimestamp64Milli(at), hex(payload)"
    assert world.query(f"SELECT {columns} {letters} ORDER BY offset") == [
        ("sink", 0, offset, 8_000, value.hex().upper()) for offset, value in enumerate(refused)
    ]
    reasons = [row[0] for row in world.query(f"SELECT reason {letters} ORDER BY offset")]
    wanted = [
        "of 8 bytes",
        "of 0 bytes",
        "is not",
        "does not follow",
        "does not follow",
        "event id",
        "event time",
    ]
    assert all(part in reason for part, reason in zip([*wanted, "2299"], reasons, strict=True)), reasons
    assert world.one(f"SELECT {T} FROM {world.name}") == 8_000  # refused records move the clock, too


def test_a_traced_record_is_followed_into_its_table(world: World) -> None:
    exporter = InMemorySpanExporter()
    with Tracing("sink", "1", exporter) as tracing:
        sent = tracing.sent(world.name, "")
        headers: dict[str, str | bytes | None] = {"traceparent": sent.traceparent}
        world.producer.produce(world.name, world.encode(EVENT), partition=1, timestamp=5_000, headers=headers)
        world.send(EVENT | {"id": "b"}, 5_000)
        with Running(world.sink(tracing=tracing)):
            until(lambda: world.count() == 2)
    (span,) = exporter.get_finished_spans()
    assert span.name == f"process {world.name}"
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == sent.traceparent.split("-")[2]
    attributes = span.attributes or {}
    assert (attributes["messaging.destination.partition.id"], attributes["messaging.kafka.offset"]) == (
        "1",
        0,
    )


def test_rows_of_a_group_are_one_for_each_entity_and_seq(world: World) -> None:
    group = compile_group(plain)
    for statement in group_tables(group):
        world.client.command(statement)
    topic = f"{group.topic}.{world.name}"
    create_topics(world.settings.kafka_bootstrap, [Topic(topic, config=KEPT)])
    world.targets[topic] = group_target(group)
    encode = world.codec.encoder(topic, group.avro_schema())
    decay = {"entity": "AA|é", "event_timestamp": 60_000, "last_event_time": 5, "seq": 2}
    decay |= {"topic": None, "partition": None, "offset": None} | dict.fromkeys(
        f.name for f in group.features
    )
    event = decay | {"seq": 1, "topic": "landed", "partition": 0, "offset": 7}
    for row in (event, decay, event, decay):  # as a restarted job repeats them
        world.producer.produce(topic, encode(row), timestamp=1)
    with Running(world.sink()):
        until(lambda: world.count(group.table) >= 2)
        until(lambda: world.count(f"{group.table} FINAL") == 2)
    places = "seq, entity, toUnixTimestamp64Milli(event_timestamp), topic, offset"
    assert world.query(f"SELECT {places} FROM {group.table} FINAL ORDER BY seq") == [
        (1, "AA|é", 60_000, "landed", 7),
        (2, "AA|é", 60_000, None, None),
    ]


def test_another_writer_schema(world: World) -> None:
    """A column that the writer lacks is NULL, as the streaming job reads it; an added one is left out."""
    fields = [f for f in SCHEMA["fields"] if f["name"] != "stops"]
    newer = {**SCHEMA, "fields": [*fields, {"name": "more", "type": "string", "default": ""}]}
    world.send(world.codec.encoder(f"{world.name}.newer", newer)(EVENT | {"more": "x"}), 1)
    with Running(world.sink()):
        until(lambda: world.count() == 1)
    assert world.query(f"SELECT id, stops, delay FROM {world.name}") == [("a", None, 1.5)]


def test_records_land_in_their_tables(world: World) -> None:
    told_at = wall_ms()  # reports of long ago are not kept
    answer = {
        "deduplication_key": "AA m r1",
        "request_id": "r1",
        "model_name": "m",
        "model_version_used": 3,
        "variant": "champion",
        "door": "http",
        "prediction": 0.25,
        "error": None,
        "entity_keys": {"carrier": "AA", "route": "a|b"},
        "inputs": {"hour": 7, "far": 1.5, "late": None, "night": True, "text": 'é"'},
        "feature_values_used": {"g.z": 1.0, "g.a": None},
        "rows": [
            {
                "group": "g",
                "version": 1,
                "entity": "AA",
                "event_timestamp": 5,
                "seq": 2,
                "state": "fresh",
                "age_ms": 3,
                "defaulted": True,
            }
        ],
        "requested_at": 10,
        "predicted_at": 12,
        **{f"latency_{p}_ms": 0.5 for p in ("features", "on_demand", "model", "total")},
        "outputs": [0.75, 0.25],
        "predicted_class": "0",
        "bias": -1.5,
        "contributions": {"g.z": 0.5, "g.a": 0.0},
        "frozen": ["g.z"],
    }
    failed = answer | {"deduplication_key": "k2", "prediction": None, "error": "no such model", "rows": []}
    failed |= {"model_version_used": None, "inputs": {}, "feature_values_used": {}, "outputs": []}
    failed |= {"predicted_class": None, "bias": None, "contributions": {}, "frozen": []}
    sent: dict[str, list[dict[str, Any]]] = {
        "prediction.results": [answer, failed, answer],
        "prediction.shadow": [answer, answer | {"model_version_used": 4}, answer],
        "ground_truth": [{"request_id": "r1", "model_name": "m", "label": 1.0, "happened_at": 20}] * 2,
        "registry.events": [
            {
                "event_id": "e1",
                "model_name": "m",
                "version": 1,
                "kind": "promoted",
                "status": "champion",
                "by": "x",
                "why": "y",
                "at": 5,
                "sha256": None,
                "artifact_uri": "file:///m",
            }
        ],
        "alerts": [
            {
                "alert_id": "a1",
                "policy": "p",
                "kind": "drift",
                "subject": "g",
                "model_name": None,
                "severity": "high",
                "evidence": "{}",
                "at": 5,
            }
        ]
        * 2,
        "features.freshness": [{"group": "g", "version": 1, "at": told_at, "clock": None, "log_time": 7}] * 2,
    }
    for topic, sending in sent.items():
        own = f"{topic}.{world.name}"
        create_topics(world.settings.kafka_bootstrap, [Topic(own, config=KEPT)])
        world.targets[own] = RECORDS[topic]
        encode = world.codec.encoder(own, records.load(records.TOPICS[topic]))
        for record in sending:
            world.producer.produce(own, encode(record), timestamp=99)
    expected = {
        "model_prediction_log": 2,
        "shadow_predictions": 2,
        "ground_truth": 1,
        "model_registry_events": 1,
        "alerts": 1,
        "group_freshness": 1,
    }
    with Running(world.sink()):
        for table, rows in expected.items():
            until(lambda: world.count(f"{table} FINAL") == rows)  # noqa: B023
    found = dict(
        next(
            iter(
                world.client.query(
                    "SELECT * FROM model_prediction_log FINAL ARRAY JOIN rows WHERE request_id = 'r1'"
                ).named_results()
            )
        )
    )
    assert found["inputs"] == '{"hour":7,"far":1.5,"late":null,"night":true,"text":"é\\""}'
    assert list(found["feature_values_used"].items()) == [("g.z", 1.0), ("g.a", None)]
    assert found["entity_keys"] == answer["entity_keys"]
    assert (found["rows.group"], found["rows.seq"], found["rows.age_ms"]) == ("g", 2, 3)
    assert found["rows.defaulted"] is True
    assert (found["prediction"], found["model_version_used"], found["variant"]) == (0.25, 3, "champion")
    assert (found["outputs"], found["predicted_class"]) == ([0.75, 0.25], "0")
    assert (found["bias"], found["contributions"]) == (-1.5, {"g.z": 0.5, "g.a": 0.0})
    assert found["frozen"] == ["g.z"]
    told = "outputs, predicted_class, bias, contributions"
    assert world.query(f"SELECT {told} FROM model_prediction_log WHERE error IS NOT NULL") == [
        ([], None, None, {})
    ]
    assert found["log_time"].timestamp() == pytest.approx(0.099)
    assert world.query("SELECT error, prediction FROM model_prediction_log WHERE error IS NOT NULL") == [
        ("no such model", None)
    ]
    assert world.query("SELECT model_version_used FROM shadow_predictions FINAL ORDER BY 1") == [(3,), (4,)]
    shown = ", ".join(f"toUnixTimestamp64Milli({name})" for name in ("at", "clock", "newest", "log_time"))
    assert world.query(f"SELECT {shown} FROM group_freshness FINAL") == [(told_at, None, 7, 99)]


def test_killed_in_mid_stream_counts_are_exact(world: World) -> None:
    chance = random.Random(5)
    sent = 0
    process = world.process()
    try:
        for kill in range(4):
            for _ in range(3_000):
                world.send(EVENT | {"id": str(sent)}, chance.randrange(1, 10**6), partition=sent % 2)
                sent += 1
                if sent % 100 == 0:
                    world.send(b"junk", chance.randrange(1, 10**6))
            world.producer.flush(20)
            if kill < 3:
                least = kill * 3_000 + 1
                until(lambda: world.count() >= least)  # noqa: B023
                process.send_signal(signal.SIGKILL)
                process.wait(10)
                process = world.process()
        until(lambda: world.count(f"{world.name} FINAL") == sent)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(10)
    assert world.count() == sent  # not even a copy for FINAL to merge
    assert sum(offset for offset, _ in world.committed()) == sent + sent // 100
    held = world.query(f"SELECT log_partition, log_offset, {T} FROM {world.name} ORDER BY 1, 2")
    assert [row[2] for row in held] == clocks(world)


def clocks(world: World) -> list[int]:
    """Work T out from the log itself, for each record that is an event."""
    reader = consumer(world.settings.kafka_bootstrap, f"check.{world.name}", **{"enable.partition.eof": True})
    reader.assign([TopicPartition(world.name, p, 0) for p in range(2)])
    seen: dict[int, list[tuple[int, bool]]] = {0: [], 1: []}
    ended = 0
    while ended < 2:
        message = reader.poll(20)
        assert message is not None
        if message.error() is not None:
            ended += 1
            continue
        number = message.partition()
        assert number is not None
        seen[number].append((message.timestamp()[1], message.value() != b"junk"))
    reader.close()
    times = []
    for records_seen in seen.values():
        clock = 0
        for kafka_time, event in records_seen:
            clock = max(clock, kafka_time)
            if event:
                times.append(clock)
    return times


def test_a_kill_between_insert_and_commit_leaves_no_copy(world: World) -> None:
    for number in range(10):
        world.send(EVENT | {"id": str(number)}, number + 1)
    world.producer.flush(10)
    with Running(world.sink()):
        until(lambda: world.count() == 10)
    # As if the commit had not come to pass:
    reader = consumer(world.settings.kafka_bootstrap, f"sink.{world.name}")
    reader.commit(offsets=[TopicPartition(world.name, 0, 3, metadata="3")], asynchronous=False)
    reader.close()
    world.send(EVENT | {"id": "more"}, 1)
    with Running(world.sink()):
        until(lambda: world.count() == 11)
    held = world.query(f"SELECT log_offset, {T} FROM {world.name} ORDER BY 1")
    assert held == [*((number, number + 1) for number in range(10)), (10, 10)]


def test_an_outage_of_the_warehouse_is_waited_out(world: World, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def door() -> "subprocess.Popen[bytes]":
        at = ("--path", tmp_path / "door", "--host", "127.0.0.1", "--port", str(port))
        started = subprocess.Popen([sys.executable, "-m", "warehouse.door", *at])
        until(lambda: answers(f"http://127.0.0.1:{port}/ping"))
        return started

    running = door()
    try:
        client = connect(f"http://127.0.0.1:{port}")
        migrate(client)
        client.command(source_table(world.source))
        with Running(world.sink(client)) as sink:
            world.send(EVENT, 1)
            until(lambda: world.query(f"SELECT count() FROM {world.name}", client) == [(1,)])
            running.kill()
            running.wait(10)
            for number in range(100):
                world.send(EVENT | {"id": str(number)}, 2)
            world.producer.flush(10)
            time.sleep(1)  # the sink meets the outage
            running = door()
            until(lambda: world.query(f"SELECT count() FROM {world.name}", client) == [(101,)])
            assert sink.error is None
        client.close()
    finally:
        running.terminate()
        assert running.wait(30) == 0


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False


def test_a_topic_made_anew_is_refused(world: World) -> None:
    world.send(EVENT, 1)
    world.producer.flush(10)
    row = ["old", 0, 0, 0, False, 0, world.name, 0, 7]
    world.client.insert(world.name, [row])
    with Running(world.sink()) as sink:
        sink.join()
    assert isinstance(sink.error, StaleTableError)
    assert f"holds offset 7 of {world.name}, partition 0, which ends at 1" in str(sink.error)


class Unsteady(Consumer):
    """A consumer whose log is away at its first assignment."""

    asked = 0

    def committed(self, *given: Any, **more: Any) -> list[TopicPartition]:
        self.asked += 1
        if self.asked < 3:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return super().committed(*given, **more)


def test_the_ends_of_transactions_are_not_waited_for(world: World) -> None:
    """A transaction's end takes an offset of the log, as a record does, and no reader is given it."""
    writer = producer(world.settings.kafka_bootstrap, **{"transactional.id": world.name})
    writer.init_transactions(60)
    with Running(world.sink()) as running:
        for end in (writer.commit_transaction, writer.abort_transaction):
            writer.begin_transaction()
            writer.produce(world.name, world.encode(EVENT | {"id": end.__name__}), partition=0, timestamp=1)
            writer.flush(60)
            end(60)
        until(lambda: world.count() == 1)
        await_group(world.settings.kafka_bootstrap, f"sink.{world.name}", 60)
        world.send(EVENT | {"id": "later"}, 2)
        until(lambda: world.count() == 2)
        assert running.error is None
    assert world.committed()[0] == (5, "2")


def test_an_outage_of_the_log_at_an_assignment_is_waited_out(world: World) -> None:
    reader = Unsteady(
        {
            "bootstrap.servers": world.settings.kafka_bootstrap,
            "group.id": f"sink.{world.name}",
            "enable.auto.commit": False,
        }
    )
    ready = threading.Event()
    world.send(EVENT, 1)
    sink = Sink(reader, world.client, world.codec, world.targets, world.producer, max_seconds=0.1)
    with Running(sink, ready.set) as running:
        until(lambda: world.count() == 1)
        assert running.error is None
    assert ready.is_set()
    assert reader.asked == 3


def test_what_is_refused_is_in_the_log_before_the_tables_tell_of_it(world: World) -> None:
    """A restart passes over the offsets that a table holds, whatever became of their neighbours."""
    world.send(b"junk", 1)
    world.send(EVENT, 1)
    world.producer.flush(10)
    reader = consumer(world.settings.kafka_bootstrap, f"letters.{world.name}")
    end = reader.get_watermark_offsets(TopicPartition("dead_letters", 0), timeout=20)[1]

    def drop() -> None:
        world.client.command(f"DROP TABLE {world.name}")

    with Running(world.sink(), drop) as running:
        running.join()
    assert isinstance(running.error, DatabaseError)
    reader.assign([TopicPartition("dead_letters", 0, end)])
    origins = set()
    while world.name not in origins:
        message = reader.poll(20)
        assert message is not None
        origins.add(world.codec.decode(message.value() or b"")["topic"])
    reader.close()


def test_a_missing_table_is_an_error(world: World) -> None:
    world.send(EVENT, 1)
    world.producer.flush(10)
    world.client.command(f"DROP TABLE {world.name}")
    with Running(world.sink()) as sink:
        sink.join()
    assert isinstance(sink.error, DatabaseError)
