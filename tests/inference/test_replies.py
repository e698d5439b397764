import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from threading import Event

import pytest
from confluent_kafka import Consumer, TopicPartition

from augury.stack import Stack
from inference.delivery import Outgoing
from inference.letters import Letters
from inference.replies import Position, Replies, Reply
from inference.transactions import Transactions
from schemas.codec import Codec
from schemas.log import Topic, committed, consumer, create_topics, producer
from schemas.registry import SchemaRegistry

from .world import NOW

pytestmark = pytest.mark.stack


@dataclass
class Topics:
    """A topic of requests and one of results, whose records have at most 2,000 bytes."""

    requests: str
    results: str
    replies: Replies
    codec: Codec
    reader: Consumer
    letters: int  # where the dead letters of this test begin

    def reply(self, n: int, size: int, smaller: int) -> Reply:
        text = f"{n:03} "
        place = Position(self.requests, 0, n + 1, f"note {n}")
        return Reply([self.record(text, size)], place, lambda _: [self.record(text, smaller)])

    def record(self, text: str, size: int) -> Outgoing:
        return Outgoing(self.results, b"", text.encode() + uuid.uuid4().bytes * (size // 16))

    def read(self, topic: str, begin: int = 0) -> list[bytes]:
        self.reader.assign([TopicPartition(topic, 0, begin)])
        found = []
        while (message := self.reader.poll(30)) is not None and message.error() is None:
            found.append(message.value() or b"")
        return found  # up to the end of the partition


@pytest.fixture
def topics(stack: Stack) -> Iterator[Topics]:
    bootstrap, run = stack.settings.kafka_bootstrap, uuid.uuid4().hex
    wanted = [
        Topic(f"{run}.requests"),
        Topic(f"{run}.results", config={"max.message.bytes": "2000"}),
        Topic("dead_letters"),
    ]
    create_topics(bootstrap, wanted)
    codec = Codec(SchemaRegistry(stack.settings.registry_url))
    letters = Letters(codec, lambda: NOW)
    options = {"transactional.id": run, "compression.type": "none", "log_level": 0}
    replies = Replies(Transactions(partial(producer, bootstrap, **options), Event()), letters)
    reader = consumer(bootstrap, run, **{"enable.partition.eof": True})
    end = reader.get_watermark_offsets(TopicPartition("dead_letters", 0), timeout=30)[1]
    yield Topics(wanted[0].name, wanted[1].name, replies, codec, reader, end)
    reader.close()


def test_what_kafka_refuses_is_replaced_and_the_order_stays(topics: Topics) -> None:
    group = topics.reader.consumer_group_metadata()
    sizes = [100, 3_000, 100, 900, 900, 900, 5_000, 100]  # together they are beyond the limit too
    hopeless = 6
    topics.replies.settle(
        [topics.reply(n, size, 4_000 if n == hopeless else 16) for n, size in enumerate(sizes)], group
    )
    written = topics.read(topics.results)
    assert [value[:3] for value in written] == [f"{n:03}".encode() for n in range(8) if n != hopeless]
    assert len(written[1]) == 20
    (at,) = committed(topics.reader, [TopicPartition(topics.requests, 0)])
    assert (at.offset, at.metadata) == (8, "note 7")
    letters = [topics.codec.decode(value) for value in topics.read("dead_letters", topics.letters)]
    mine = [letter for letter in letters if letter["topic"] == topics.results]
    assert [
        f"record of {size} bytes" in letter["reason"]
        for size, letter in zip((2_996, 4_996), mine, strict=True)
    ] == [True, True]
