"""The log's topics and clients."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Topic:
    """A topic as it should be; `config` holds the broker's topic settings, such as `retention.ms`."""

    name: str
    partitions: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


def create_topics(bootstrap: str, topics: Iterable[Topic], **more: str | float) -> list[str]:
    """Create those of `topics` that are missing, and give their names in the order given.

    The broker's default sets the replication. Raises `KafkaException` if the log cannot be reached or
    refuses a topic.
    """
    admin = _admin(bootstrap, more)
    there = admin.list_topics(timeout=_TIMEOUT_S).topics
    missing = [topic for topic in topics if topic.name not in there]
    if not missing:
        return []
    created = []
    asked = [NewTopic(t.name, num_partitions=t.partitions, config=dict(t.config)) for t in missing]
    for name, future in admin.create_topics(asked, operation_timeout=_TIMEOUT_S).items():
        try:
            future.result(timeout=_TIMEOUT_S)
            created.append(name)
        except KafkaException as error:
            # Somebody else was faster, which is as good.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    return created


def producer(bootstrap: str, **more: str | float) -> Producer:
    """Give an idempotent producer; `more` adds or replaces librdkafka settings.

    Keys land in the partitions where Java clients put them.
    """
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            **more,
        }
    )


def consumer(bootstrap: str, group: str, **more: str | float) -> Consumer:
    """Give a consumer of committed records that starts a new group at the earliest and never commits alone.

    `more` adds or replaces librdkafka settings.
    """
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            **more,
        }
    )


def _admin(bootstrap: str, more: Mapping[str, str | float]) -> AdminClient:
    # below warnings it only says that it was closed
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 4, **more})


def backlog(bootstrap: str, group: str, **more: str | float) -> int:
    """Count the records that the log holds behind a consumer group's committed offsets.

    Partitions that the group has never committed are left out. Raises `KafkaException` if the log cannot
    be reached.
    """
    admin = _admin(bootstrap, more)
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
    committed = asked[group].result(timeout=_TIMEOUT_S).topic_partitions
    reader = consumer(bootstrap, group, **more)
    try:
        ends = [reader.get_watermark_offsets(p, timeout=_TIMEOUT_S) for p in committed]
        return sum(max(0, end[1] - p.offset) for p, end in zip(committed, ends, strict=True) if end)
    finally:
        reader.close()
