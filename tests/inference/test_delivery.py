import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from inference.delivery import Delivery, Outgoing
from inference.letters import Letters
from schemas.codec import Codec

from .world import NOW, LocalSchemas


class Broker:
    """Refuses what contains `bad`: at once, or as a broker does, with the whole batch that holds it."""

    def __init__(self, code: int, batch: bool) -> None:
        self.error = KafkaError(code)
        self.batch = batch
        self.taken: list[Outgoing] = []
        self.waiting: list[tuple[Outgoing, Callable[[KafkaError | None, None], None]]] = []

    def produce(
        self, topic: str, value: bytes, key: bytes, on_delivery: Callable[..., None], headers: object
    ) -> None:
        if not self.batch and b"bad" in value:
            raise KafkaException(self.error)
        self.waiting.append((Outgoing(topic, key, value), on_delivery))

    def poll(self, _seconds: float) -> None:
        refused = self.batch and any(b"bad" in record.value for record, _ in self.waiting)
        for record, report in self.waiting:
            if not refused:
                self.taken.append(record)
            report(self.error if refused else None, None)
        self.waiting.clear()


@pytest.mark.parametrize("batch", [False, True])
def test_a_record_that_kafka_never_takes_is_a_letter_and_blocks_nothing(batch: bool) -> None:
    codec = Codec(LocalSchemas())
    letters = Letters(codec, lambda: NOW)
    broker = Broker(KafkaError.MSG_SIZE_TOO_LARGE, batch)
    delivery = Delivery(lambda: cast(Producer, broker), letters.unsent)
    records = [Outgoing("t", b"k", value) for value in (b"1", b"bad 2", b"3", b"bad 4", b"5")]
    assert delivery.deliver(records, threading.Event())
    assert [r.value for r in broker.taken if r.topic == "t"] == [b"1", b"3", b"5"]
    written: list[dict[str, Any]] = [codec.decode(r.value) for r in broker.taken if r.topic != "t"]
    assert len({letter["offset"] for letter in written}) == 2
    for letter in written:
        assert (letter["origin"], letter["topic"], letter["partition"]) == ("delivery", "t", -1)
        assert (letter["payload"], letter["at"]) == (None, NOW)
        assert "5 bytes" in letter["reason"]


def test_a_letter_that_is_refused_has_no_letter() -> None:
    broker = Broker(KafkaError.MSG_SIZE_TOO_LARGE, batch=False)
    delivery = Delivery(lambda: cast(Producer, broker), lambda record, _: Outgoing("d", b"", record.value))
    assert delivery.deliver([Outgoing("t", b"", b"bad"), Outgoing("t", b"", b"1")], threading.Event())
    assert [r.value for r in broker.taken] == [b"1"]


def test_a_long_payload_is_cut_and_the_letter_says_so() -> None:
    codec = Codec(LocalSchemas())
    made = Letters(codec, lambda: NOW).refused("worker", "t", 0, 7, 5, bytes(100_000), "why")
    letter = codec.decode(made.value)
    assert len(letter["payload"]) == 65_536
    assert letter["reason"] == "why (the payload's first 65536 of 100000 bytes)"
