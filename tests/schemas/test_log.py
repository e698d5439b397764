import uuid
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from schemas.log import (
    Topic,
    TopicMismatchError,
    UndeliveredError,
    committed,
    consumer,
    create_topics,
    deliver,
    producer,
)

pytestmark = pytest.mark.stack


def test_missing_topics_are_created_once(stack: Any) -> None:
    bootstrap = stack.settings.kafka_bootstrap
    one, two = (Topic(f"log.{uuid.uuid4()}", 2, {"retention.ms": "-1"}) for _ in range(2))
    assert create_topics(bootstrap, [one]) == [one.name]
    assert create_topics(bootstrap, [one, two]) == [two.name]
    assert create_topics(bootstrap, [one, two]) == []
    admin = AdminClient({"bootstrap.servers": bootstrap})
    assert len(admin.list_topics(timeout=10).topics[two.name].partitions) == 2
    resource = ConfigResource(ResourceType.TOPIC, two.name)
    assert admin.describe_configs([resource])[resource].result()["retention.ms"].value == "-1"


def test_a_topic_that_is_there_gets_its_settings(stack: Any) -> None:
    bootstrap, name = stack.settings.kafka_bootstrap, f"log.{uuid.uuid4()}"
    create_topics(bootstrap, [Topic(name, config={"retention.ms": "-1", "segment.ms": "70000"})])
    stamped = {"retention.ms": "-1", "message.timestamp.type": "LogAppendTime"}
    assert create_topics(bootstrap, [Topic(name, config=stamped)]) == []
    resource = ConfigResource(ResourceType.TOPIC, name)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    held = admin.describe_configs([resource])[resource].result()
    values = [held[key].value for key in ("retention.ms", "message.timestamp.type", "segment.ms")]
    assert values == ["-1", "LogAppendTime", "70000"]


def test_another_number_of_partitions_is_refused(stack: Any) -> None:
    bootstrap, name, more = stack.settings.kafka_bootstrap, f"log.{uuid.uuid4()}", f"log.{uuid.uuid4()}"
    create_topics(bootstrap, [Topic(name, 2)])
    with pytest.raises(TopicMismatchError, match=f"{name} should have 3 and has 2"):
        create_topics(bootstrap, [Topic(more), Topic(name, 3)])
    assert create_topics(bootstrap, [Topic(more)]) == [more]  # nothing was done


def test_delivery_is_checked(stack: Any) -> None:
    bootstrap, name = stack.settings.kafka_bootstrap, f"log.{uuid.uuid4()}"
    create_topics(bootstrap, [Topic(name, config={"max.message.bytes": "1000"})])
    sender = producer(bootstrap, **{"compression.type": "none"})
    deliver(sender, [])
    deliver(sender, [{"topic": name, "value": b"small"}])
    with pytest.raises(UndeliveredError, match="of 1 it took 0"):
        deliver(sender, [{"topic": name, "value": b"x" * 5_000}])


def test_what_is_committed(stack: Any) -> None:
    bootstrap, name = stack.settings.kafka_bootstrap, f"log.{uuid.uuid4()}"
    create_topics(bootstrap, [Topic(name, 2)])
    reader = consumer(bootstrap, name)
    reader.commit(offsets=[TopicPartition(name, 1, 5)], asynchronous=False)
    found = committed(reader, [TopicPartition(name, 0), TopicPartition(name, 1)])
    assert [p.offset for p in found] == [OFFSET_INVALID, 5]
    assert committed(reader, []) == []
    reader.close()


def test_a_topic_that_the_log_refuses(stack: Any) -> None:
    with pytest.raises(KafkaException):
        create_topics(stack.settings.kafka_bootstrap, [Topic("not/a/name")])


def test_a_record_goes_through_and_stays_uncommitted(stack: Any) -> None:
    bootstrap, topic = stack.settings.kafka_bootstrap, f"log.{uuid.uuid4()}"
    create_topics(bootstrap, [Topic(topic)])
    sender = producer(bootstrap)
    sender.produce(topic, b"value", b"key", timestamp=5)
    assert sender.flush(10) == 0
    for _ in range(2):
        reader = consumer(bootstrap, topic)
        reader.subscribe([topic])
        message = reader.poll(20)
        assert message is not None
        assert (message.key(), message.value(), message.timestamp()[1]) == (b"key", b"value", 5)
        reader.close()
