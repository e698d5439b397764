"""The log's topics and clients."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # they are, but for `__all__`
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

COORDINATING = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)
"""What a broker says of a group while who keeps its offsets is not settled: it passes."""
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Topic:
    """A topic as it should be; `config` holds the broker's topic settings, such as `retention.ms`."""

    name: str
    partitions: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


class TopicMismatchError(ValueError):
    """A topic is there with another number of partitions than it should have."""


class UndeliveredError(RuntimeError):
    """The log did not take all records in time."""


def create_topics(bootstrap: str, topics: Iterable[Topic], **more: str | float) -> list[str]:
    """Create those of `topics` that are missing, and give their names in the order given.

    Of those that are there, the settings that differ from `config` are changed; others are left alone. The
    broker's default sets the replication. Raises `TopicMismatchError`, before anything is done, for a topic
    with another number of partitions, `KafkaException` if the log cannot be reached or refuses a topic.
    """
    admin, topics = _admin(bootstrap, more), list(topics)
    there = admin.list_topics(timeout=_TIMEOUT_S).topics
    for topic in topics:
        found = len(there[topic.name].partitions) if topic.name in there else topic.partitions
        if found != topic.partitions:
            raise TopicMismatchError(
                f"a topic keeps its number of partitions, for keys and clocks belong to them: {topic.name} "
                f"should have {topic.partitions} and has {found}. Nothing was created; state {found}, or "
                "make the topic anew"
            )
    _configure(admin, [topic for topic in topics if topic.name in there and topic.config])
    missing = [topic for topic in topics if topic.name not in there]
    if not missing:
        return []
    created = _create(admin, missing)
    _ends(bootstrap, [(t.name, p) for t in missing for p in range(t.partitions)], more)  # they have leaders
    return created


def delete_topics(bootstrap: str, prefix: str, **more: str | float) -> None:
    """Delete the topics whose names begin with `prefix`. Raises `KafkaException` where the log refuses."""
    admin = _admin(bootstrap, more)
    names = [name for name in admin.list_topics(timeout=_TIMEOUT_S).topics if name.startswith(prefix)]
    if names:
        for deleted in admin.delete_topics(names, operation_timeout=_TIMEOUT_S).values():
            deleted.result(timeout=_TIMEOUT_S)


def _create(admin: AdminClient, missing: Sequence[Topic]) -> list[str]:
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


def _configure(admin: AdminClient, topics: Sequence[Topic]) -> None:
    """Set what differs from the topics' `config`."""
    if not topics:
        return
    wanted = {topic.name: topic.config for topic in topics}
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in wanted])
    changed = []
    for resource, future in asked.items():
        held = future.result(timeout=_TIMEOUT_S)
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in wanted[resource.name].items()
            if key not in held or held[key].value != value
        ]
        if entries:
            changed.append(ConfigResource(ResourceType.TOPIC, resource.name, incremental_configs=entries))
    if changed:
        for future in admin.incremental_alter_configs(changed).values():
            future.result(timeout=_TIMEOUT_S)


def deliver(sender: Producer, records: Sequence[Mapping[str, Any]]) -> None:
    """Write `records`, each the arguments of `Producer.produce`, and return once the log holds them all.

    Raises `UndeliveredError` if some were refused or not answered for in time; a caller that then sends all
    again may write some of them twice.
    """
    delivered: list[bool] = []
    for record in records:
        while True:
            try:
                sender.produce(**record, on_delivery=lambda error, _: delivered.append(error is None))
            except BufferError:  # the queue is full: let some go
                sender.poll(0.1)
            else:
                break
        sender.poll(0)
    sender.flush(_TIMEOUT_S)
    if delivered.count(True) < len(records):
        raise UndeliveredError(
            f"the log must hold a record before work goes on; of {len(records)} it took "
            f"{delivered.count(True)} within {_TIMEOUT_S:.0f} s"
        )


def committed(
    reader: Consumer, partitions: list[TopicPartition], timeout: float = _TIMEOUT_S
) -> list[TopicPartition]:
    """Give what the reader's group has committed of each partition; offset -1001 means never.

    Raises `KafkaException` if any of them is not known within `timeout` seconds: taken for never, it would be
    read from the start.
    """
    found = reader.committed(partitions, timeout=timeout) if partitions else []
    for partition in found:
        if partition.error is not None:
            raise KafkaException(partition.error)
    return found


def is_fatal(error: KafkaException) -> bool:
    """Tell whether the client is beyond recovery; everything else is an outage, to be waited out."""
    cause = error.args[0] if error.args else None
    return isinstance(cause, KafkaError) and bool(cause.fatal())


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


def consumer(bootstrap: str, group: str, **more: str | float | Callable[[str], None]) -> Consumer:
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
    committed = _committed(bootstrap, group, more)
    ends = _ends(bootstrap, list(committed), more)
    return sum(max(0, ends[place] - offset) for place, offset in committed.items())


def await_group(bootstrap: str, group: str, patience_s: float, **more: str | float) -> None:
    """Wait until a consumer group has committed all that the log holds now, in the partitions it reads.

    Raises `TimeoutError` where it has not after `patience_s`, `KafkaException` if the log cannot be reached.
    """
    ends = _ends(bootstrap, list(_committed(bootstrap, group, more)), more)
    deadline = time.monotonic() + patience_s
    while behind := sum(
        max(0, ends[place] - offset)
        for place, offset in _committed(bootstrap, group, more).items()
        if place in ends
    ):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{group} follows the log within {patience_s:.0f} s; it is {behind} records behind, so what "
                "reads its tables now would miss them"
            )
        time.sleep(0.1)


def _committed(bootstrap: str, group: str, more: Mapping[str, str | float]) -> dict[tuple[str, int], int]:
    admin = _admin(bootstrap, more)  # kept: what it was asked ends with it
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        try:
            found = asked[group].result(timeout=_TIMEOUT_S).topic_partitions
        except KafkaException as error:
            if error.args[0].code() not in COORDINATING or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return {(p.topic, p.partition): p.offset for p in found}


def _ends(
    bootstrap: str, places: Sequence[tuple[str, int]], more: Mapping[str, str | float]
) -> dict[tuple[str, int], int]:
    reader = consumer(bootstrap, "augury.ends", **more)
    deadline = time.monotonic() + _TIMEOUT_S
    ends: dict[tuple[str, int], int] = {}
    try:
        while len(ends) < len(places):
            place = places[len(ends)]
            try:
                mark = reader.get_watermark_offsets(TopicPartition(*place), timeout=_TIMEOUT_S)
            except KafkaException:  # a topic just made may have no leader yet
                if time.monotonic() > deadline:
                    raise
                mark = None
                time.sleep(0.05)
            if mark is not None:
                ends[place] = mark[1]
            elif time.monotonic() > deadline:
                raise TimeoutError(
                    f"the log tells where {place[0]} ends within {_TIMEOUT_S:.0f} s; it has not"
                )
        return ends
    finally:
        reader.close()
