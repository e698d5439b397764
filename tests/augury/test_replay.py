import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Message, TopicPartition

from augury.clock import wall_ms
from augury.replay import Event, Replayer
from augury.stack import Stack
from features.compile_inputs import compile_source
from features.definitions import Source
from features.inputs import SourcePlan
from schemas.codec import Codec
from schemas.log import Topic, consumer, create_topics
from schemas.registry import SchemaRegistry

pytestmark = pytest.mark.stack
SKEW_MS = 300_000
T0 = 1_362_873_600_000
MINUTE = 60_000


@pytest.fixture
def codec(stack: Stack) -> Codec:
    create_topics(stack.settings.kafka_bootstrap, [Topic("dead_letters")])
    return Codec(SchemaRegistry(stack.settings.registry_url))


@pytest.fixture
def source(stack: Stack, tmp_path: Path) -> SourcePlan:
    schema = tmp_path / "thing.avsc"
    time_type = {"type": "long", "logicalType": "timestamp-millis"}
    fields = [{"name": "thing_id", "type": "string"}, {"name": "happened_at", "type": time_type}]
    schema.write_text(json.dumps({"type": "record", "name": "thing", "fields": fields}))
    name = f"thing_{uuid4().hex[:8]}"
    settings = {"retention.ms": "-1", "message.timestamp.after.max.ms": str(SKEW_MS)}
    create_topics(stack.settings.kafka_bootstrap, [Topic(name, 2, settings)])
    return compile_source(
        Source(
            name,
            schema=schema,
            event_time="happened_at",
            event_id="thing_id",
            partition_key="thing_id",
            partitions=2,
        )
    )


def event(source: SourcePlan, at: int, name: str = "") -> Event:
    key = name or f"thing-{at}"
    return Event(source.topic, key, at, {"thing_id": key, "happened_at": at - 1_000})


def decoded(codec: Codec, message: Message) -> dict[str, Any]:
    payload = message.value()
    assert payload is not None
    return codec.decode(payload)


def read(stack: Stack, topic: str, partitions: Iterable[int] = (0, 1)) -> dict[int, list[Message]]:
    """Give all that the topic holds, by partition."""
    client = consumer(stack.settings.kafka_bootstrap, f"test-{uuid4().hex}")
    found: dict[int, list[Message]] = {p: [] for p in partitions}
    try:
        for partition, messages in found.items():
            _, high = client.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
            client.assign([TopicPartition(topic, partition, 0)])
            deadline = time.monotonic() + 60
            while len(messages) < high:
                assert time.monotonic() < deadline
                messages += client.consume(min(500, high - len(messages)), timeout=1)
    finally:
        client.close()
    return found


def test_events_keep_their_times_and_every_partition_is_ticked(
    stack: Stack, codec: Codec, source: SourcePlan
) -> None:
    replayer = Replayer(stack.settings.kafka_bootstrap, codec, {source.name: source}, tick_ms=MINUTE)
    odd = [event(source, T0 + i * 10_000) for i in range(1, 60, 2)]
    even = [event(source, T0 + i * 10_000) for i in range(0, 60, 2)]
    seen: list[tuple[int, int]] = []
    counts = replayer.run(
        [odd, even], until=T0 + 15 * MINUTE + 1, progress=lambda at, sent: seen.append((at, sent))
    )
    assert counts.published == {source.topic: 60}
    assert (counts.events, counts.refused) == (60, 0)
    assert seen[-1] == (T0 + 15 * MINUTE + 1, 60)
    records = []
    for messages in read(stack, source.topic).values():
        times = [m.timestamp()[1] for m in messages]
        assert times == sorted(times)
        ticks = [m.timestamp()[1] for m in messages if m.value() is None]
        assert ticks == [*(T0 + i * MINUTE for i in range(1, 16)), T0 + 15 * MINUTE + 1]
        records += [(m.timestamp()[1], decoded(codec, m)) for m in messages if m.value() is not None]
    assert counts.ticks == 2 * 16
    assert sorted(at for at, _ in records) == [T0 + i * 10_000 for i in range(60)]
    assert all(record["happened_at"] == at - 1_000 for at, record in records)


def test_a_record_from_the_far_future_is_a_dead_letter_and_its_neighbours_are_not(
    stack: Stack, codec: Codec, source: SourcePlan
) -> None:
    replayer = Replayer(stack.settings.kafka_bootstrap, codec, {source.name: source}, tick_ms=60 * MINUTE)
    now = wall_ms()
    sound = [event(source, now - 200_000 + i) for i in range(500)]
    ahead = [event(source, now + 2 * 3_600_000 + i, f"ahead-{i % 2}") for i in range(3)]
    counts = replayer.run([sound, ahead], until=now + 3 * 3_600_000)
    assert counts.published == {source.topic: 500}
    assert counts.refused >= 3  # the last ticks stand in the future too
    messages = [m for held in read(stack, source.topic).values() for m in held if m.value() is not None]
    assert sorted((m.key() or b"").decode() for m in messages) == sorted(e.key for e in sound)
    letters = [decoded(codec, m) for m in read(stack, "dead_letters", [0])[0]]
    mine = [d for d in letters if d["topic"] == source.topic and d["payload"] is not None]
    assert sorted(d["at"] for d in mine) == [e.at for e in ahead]
    assert {d["origin"] for d in mine} == {"replay"}
    assert len({(d["partition"], d["offset"]) for d in mine}) == 3
    assert [codec.decode(d["payload"])["thing_id"][:6] for d in mine] == ["ahead-"] * 3


def test_a_paced_replay_takes_its_time(stack: Stack, codec: Codec, source: SourcePlan) -> None:
    replayer = Replayer(stack.settings.kafka_bootstrap, codec, {source.name: source})
    started = time.monotonic()
    replayer.run([[event(source, T0), event(source, T0 + MINUTE)]], until=T0 + 2 * MINUTE, speed=120.0)
    assert time.monotonic() - started >= 0.5


def test_an_empty_replay_only_moves_the_clock(stack: Stack, codec: Codec, source: SourcePlan) -> None:
    counts = Replayer(stack.settings.kafka_bootstrap, codec, {source.name: source}).run([], until=T0)
    assert (counts.events, counts.ticks) == (0, 2)
    assert [[m.timestamp()[1] for m in held] for held in read(stack, source.topic).values()] == [[T0], [T0]]


def test_what_cannot_be_published_is_refused(stack: Stack, codec: Codec, source: SourcePlan) -> None:
    replayer = Replayer(stack.settings.kafka_bootstrap, codec, {source.name: source})
    with pytest.raises(ValueError, match="events come before `until`"):
        replayer.run([[event(source, T0)]], until=T0)
    with pytest.raises(ValueError, match="0 means now"):
        replayer.run([[event(source, 0)]], until=T0)
    with pytest.raises(ValueError, match="'nowhere' has no schema"):
        replayer.run([[Event("nowhere", "k", T0, {})]], until=T0 + 1)
    with pytest.raises(ValueError, match="found 0"):
        Replayer(stack.settings.kafka_bootstrap, codec, {}, tick_ms=0)
