import threading
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from augury.settings import Settings
from augury.stack import Stack
from inference.delivery import Delivery, Outgoing
from inference.shipper import Shipper
from inference.spool import Spool
from schemas.log import Topic, create_topics, producer
from schemas.tracing import Tracing, parent_of

pytestmark = pytest.mark.stack


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Stack]:
    with Stack(Settings.with_free_ports(tmp_path / "home"), parts=("kafka",)) as stack:
        yield stack


def test_an_outage_of_kafka_is_waited_out(kafka: Stack, tmp_path: Path) -> None:
    bootstrap, topic = kafka.settings.kafka_bootstrap, f"t{uuid.uuid4().hex}"
    create_topics(bootstrap, [Topic(topic)])
    values = [b"%d" % n for n in range(3_000)]
    quick = {"message.timeout.ms": 2_000, "reconnect.backoff.max.ms": 500}  # so that deliveries do fail
    with Spool(tmp_path / "spool", segment_bytes=5_000) as spool:
        shipper = Shipper(spool, Delivery(partial(producer, bootstrap, **quick)))
        shipper.start()
        for n, value in enumerate(values):
            spool.append([Outgoing(topic, b"k", value)])
            if n == 1_000:
                kafka.kill("kafka")
        outage = threading.Event()
        outage.wait(3)
        kafka.start("kafka")
        shipper.stop(grace=60)
        assert spool.read(spool.position(), 1)[0] == []
        assert len(spool.segments()) == 1
    found = read(bootstrap, topic, values[-1])
    assert sorted(set(found), key=int) == values
    assert list(dict.fromkeys(found)) == values


def test_a_traced_record_tells_its_reader_of_its_way(kafka: Stack, tmp_path: Path) -> None:
    bootstrap, topic = kafka.settings.kafka_bootstrap, f"t{uuid.uuid4().hex}"
    create_topics(bootstrap, [Topic(topic)])
    exporter = InMemorySpanExporter()
    with Tracing("http", "1", exporter) as tracing, Spool(tmp_path / "spool") as spool:
        served = tracing.served("POST", "/v1/predict", "")
        shipper = Shipper(spool, Delivery(partial(producer, bootstrap)), tracing)
        shipper.start()
        spool.append([Outgoing(topic, b"k", b"plain"), Outgoing(topic, b"k", b"traced", served.traceparent)])
        shipper.stop(grace=60)
        served.end()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    sent = spans[f"send {topic}"]
    assert sent.parent is not None
    assert sent.parent.span_id == spans["POST /v1/predict"].context.span_id
    plain, traced = read_headers(bootstrap, topic, 2)
    assert plain == ""
    assert traced.split("-")[1:3] == [f"{sent.context.trace_id:032x}", f"{sent.context.span_id:016x}"]


def read_headers(bootstrap: str, topic: str, count: int) -> list[str]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "nobody", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found: list[str] = []
    while len(found) < count:
        message = consumer.poll(30)
        assert message is not None
        if message.error() is None:
            found.append(parent_of(message.headers()))
    consumer.close()
    return found


def read(bootstrap: str, topic: str, last: bytes) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "nobody", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found: list[bytes] = []
    while not found or found[-1] != last:
        message = consumer.poll(30)
        assert message is not None
        if message.error() is None:
            found.append(message.value() or b"")
    consumer.close()
    return found
