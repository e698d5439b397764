"""Sending records to Kafka until each one is acknowledged."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.tracing import TRACEPARENT

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_RETRY_SECONDS = 1.0
NEVER = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
    }
)  # what a record itself is refused for, at every try


class Outgoing(NamedTuple):
    """One record on its way to the log; `trace` is its `traceparent`, empty where nobody traces it."""

    topic: str
    key: bytes
    value: bytes
    trace: str = ""


def put(producer: Producer, record: Outgoing, report: Callable[[KafkaError | None, object], None]) -> None:
    """Hand a record to a producer, with its trace; raises as `Producer.produce` does."""
    headers: dict[str, str | bytes | None] | None = {TRACEPARENT: record.trace} if record.trace else None
    producer.produce(record.topic, record.value, record.key, on_delivery=report, headers=headers)


class Delivery:
    """Delivers batches in order, at least once. `connect` makes a producer, anew after a failure.

    A record that Kafka refuses for itself, as one beyond the topic's limit, is left out, so that the
    others get through; the letter that `letter` makes of it and the error is sent in its place.
    """

    def __init__(
        self, connect: Callable[[], Producer], letter: Callable[[Outgoing, str], Outgoing] | None = None
    ) -> None:
        self._connect = connect
        self._letter = letter
        self._producer = connect()

    def deliver(self, records: Sequence[Outgoing], stop: threading.Event) -> bool:
        """Send and wait until Kafka has acknowledged or refused all records; outages are waited out.

        False means that `stop` was set first; then some may have arrived and some not.
        """
        left = list(records)
        letters: set[int] = set()  # by identity: the letter of a letter is never written
        alone = False
        while left and not stop.is_set():
            sent, error = self._send(left[:1] if alone else left, stop)
            del left[:sent]
            if error is None:
                alone = False
            elif error.code() in NEVER and (alone or len(left) == 1):
                alone = False
                refused = left.pop(0)
                _LOG.error(
                    "a record of %d bytes for %s is refused by Kafka and left out: %s",
                    len(refused.value),
                    refused.topic,
                    error,
                )
                if self._letter is not None and id(refused) not in letters:
                    left.insert(0, self._letter(refused, str(error)))
                    letters.add(id(left[0]))
            elif error.code() in NEVER:
                alone = True  # a broker refuses a whole batch for one record, so the first one is tried alone
            elif not stop.wait(_RETRY_SECONDS):
                _LOG.warning("a record was not acknowledged by Kafka and is sent again: %s", error)
                # An idempotent producer that failed for good never recovers, so a new one takes over.
                self._producer = self._connect()
        return not left

    def _send(self, records: Sequence[Outgoing], stop: threading.Event) -> tuple[int, KafkaError | None]:
        """Give how many of the first records are acknowledged without a gap, and the error of the next."""
        done: list[KafkaError | bool | None] = []
        for place, record in enumerate(records):
            done.append(None)
            report = partial(_note, done, place)
            while done[place] is None and not stop.is_set():
                try:
                    put(self._producer, record, report)
                    break
                except BufferError:
                    self._producer.poll(_POLL_SECONDS)
                except KafkaException as error:
                    _note(done, place, error.args[0], None)
            if isinstance(done[place], KafkaError):
                break  # what would follow waits, to keep the order
        while any(state is None for state in done) and not stop.is_set():
            self._producer.poll(_POLL_SECONDS)
        first = next((place for place, state in enumerate(done) if state is not True), len(done))
        state = done[first] if first < len(done) else None
        return first, state if isinstance(state, KafkaError) else None


def _note(
    done: list[KafkaError | bool | None], place: int, error: KafkaError | None, _message: object
) -> None:
    done[place] = True if error is None else error
