import uuid
from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from schemas.log import Topic, consumer, create_topics, producer

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
