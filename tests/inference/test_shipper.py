import threading
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from augury.settings import Settings
from augury.stack import Stack
from inference.delivery import Delivery, Outgoing
from inference.shipper import Shipper
from inference.spool import Spool
from schemas.log import Topic, create_topics, producer

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
