import threading
import uuid
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition

from augury.stack import Stack
from inference.delivery import Outgoing
from inference.transactions import Transactions, UnwrittenError
from schemas.log import Topic, committed, consumer, create_topics, producer

from .test_shipper import read

pytestmark = pytest.mark.stack


def test_a_call_that_never_comes_back_is_given_up_and_fenced(stack: Stack) -> None:
    """As librdkafka does where the group's coordinator goes away in mid-call."""
    bootstrap, name = stack.settings.kafka_bootstrap, f"t{uuid.uuid4().hex}"
    create_topics(bootstrap, [Topic(name)])
    released, finished = threading.Event(), threading.Event()
    late: list[Exception] = []

    class Stuck(Producer):
        def send_offsets_to_transaction(self, *arguments: Any) -> None:
            released.wait()
            try:
                super().send_offsets_to_transaction(*arguments)
                self.commit_transaction(30)
            except Exception as error:
                late.append(error)
            finished.set()

    options: dict[str, str | float] = {"transactional.id": name, "log_level": 0}
    connects = iter([lambda: Stuck({"bootstrap.servers": bootstrap, **options})])

    def connect() -> Producer:
        return next(connects, partial(producer, bootstrap, **options))()

    reader = consumer(bootstrap, name)
    transactions = Transactions(connect, threading.Event())
    place = TopicPartition(name, 0, 5)
    group = reader.consumer_group_metadata()
    with pytest.raises(UnwrittenError, match="coordinator does not answer"):
        transactions.write([Outgoing(name, b"k", b"given up")], [place], group)
    transactions.write([Outgoing(name, b"k", b"written")], [place], group)
    released.set()
    assert finished.wait(60)
    assert late
    assert committed(reader, [TopicPartition(name, 0)])[0].offset == 5
    assert read(bootstrap, name, b"written") == [b"written"]
    reader.close()
