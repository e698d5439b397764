"""Sending records to Kafka until each one is acknowledged."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from confluent_kafka import KafkaException, Producer

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_RETRY_SECONDS = 1.0


class Outgoing(NamedTuple):
    """One record on its way to the log."""

    topic: str
    key: bytes
    value: bytes


class Delivery:
    """Delivers batches in order, at least once. `connect` makes a producer, anew after a failure."""

    def __init__(self, connect: Callable[[], Producer]) -> None:
        self._connect = connect
        self._producer = connect()

    def deliver(self, records: Sequence[Outgoing], stop: threading.Event) -> bool:
        """Send and wait until Kafka has acknowledged all records; outages are waited out.

        False means that `stop` was set first; then some may have arrived and some not.
        """
        left = list(records)
        while left and not stop.is_set():
            sent = self._send(left, stop)
            if sent:
                del left[:sent]
            if left and not stop.wait(_RETRY_SECONDS):
                # An idempotent producer that failed for good never recovers, so a new one takes over.
                self._producer = self._connect()
        return not left

    def _send(self, records: Sequence[Outgoing], stop: threading.Event) -> int:
        """Give how many of the first records are acknowledged without a gap."""
        done: list[bool | None] = [None] * len(records)
        for place, record in enumerate(records):
            report = partial(_note, done, place)
            while done[place] is None and not stop.is_set():
                try:
                    self._producer.produce(record.topic, record.value, record.key, on_delivery=report)
                    break
                except BufferError:
                    self._producer.poll(_POLL_SECONDS)
                except KafkaException as error:
                    _note(done, place, error.args[0], None)
        while None in done and not stop.is_set():
            self._producer.poll(_POLL_SECONDS)
        return next((place for place, ok in enumerate(done) if not ok), len(done))


def _note(done: list[bool | None], place: int, error: object, _message: object) -> None:
    done[place] = error is None
    if error is not None:
        _LOG.warning("a record was not acknowledged by Kafka and is sent again: %s", error)
