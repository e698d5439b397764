"""Records, and the offsets of what they answer, in one Kafka transaction."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from inference.delivery import NEVER, Outgoing, put

_CALL_SECONDS = 5.0
_MORE_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_POLL_SECONDS = 0.1
_LOG = logging.getLogger(__name__)


class UnwrittenError(RuntimeError):
    """A transaction has not come about, or may not have: the committed offsets tell."""


class RefusedError(RuntimeError):
    """Kafka takes one of the records at no try, so it has taken none of them."""


class Transactions:
    """Writes transactions, one after the other, until `stop`. `connect` makes a transactional producer.

    All producers of one process have the same `transactional.id`, and no other process has it: a new one,
    after a failure, ends what the old one has left. Another process is fenced by the generation of its
    consumer, which is sent with the offsets (KIP-447).
    """

    def __init__(self, connect: Callable[[], Producer], stop: threading.Event) -> None:
        self._connect = connect
        self._stop = stop
        self._producer: Producer | None = None

    def write(
        self,
        records: Sequence[Outgoing],
        offsets: Sequence[TopicPartition],
        group: Any,  # noqa: ANN401  # what Consumer.consumer_group_metadata gives, which has no type
    ) -> None:
        """Write all records and commit the offsets for the consumer's `group`, or none of it.

        An outage of Kafka is waited out. Raises `RefusedError`; `UnwrittenError`, also where `stop` came
        first; and `confluent_kafka.KafkaException` where Kafka lets this process write no transactions.
        """
        producer = self._ready()
        refusals: list[KafkaError] = []

        def note(error: KafkaError | None, _: object) -> None:
            if error is not None:
                refusals.append(error)

        try:
            producer.begin_transaction()
            for record in records:
                _produce(producer, record, note)
            if offsets:
                _bounded(partial(producer.send_offsets_to_transaction, list(offsets), group, _CALL_SECONDS))
            producer.commit_transaction(_CALL_SECONDS)
        except KafkaException as error:
            producer.poll(0)  # the step that fails may be behind the record that is refused
            cause = error.args[0]
            refused = next((each for each in (cause, *refusals) if each.code() in NEVER), None)
            # Behind a refused record a producer has lost count of what it sent; one that did not hear from
            # Kafka may not know how its transaction ended. A new one ends it, and the offsets tell how.
            if not _aborted(producer, cause) or refused is not None:
                self._producer = None
                self._ready()
            if refused is not None:
                raise RefusedError(refused.str()) from error
            raise UnwrittenError(str(error)) from error

    def _ready(self) -> Producer:
        while self._producer is None:
            producer = self._connect()
            try:
                producer.init_transactions(_CALL_SECONDS)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
                _LOG.warning("a transaction waits for Kafka: %s", error)
                if self._stop.wait(_RETRY_SECONDS):
                    raise UnwrittenError("the process ends, and Kafka does not answer") from error
            else:
                self._producer = producer
        return self._producer


def _bounded(call: Callable[[], object]) -> None:
    """Do a call that is bounded by `_CALL_SECONDS`, and give it up where it does not come back by then.

    librdkafka (2.16) waits for ever, whatever its time-out, where the group's coordinator goes away while it
    is asked. What is given up may go on: a new producer of the same id fences it, so it can write nothing.
    """
    errors: list[Exception] = []

    def run() -> None:
        try:
            call()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="transaction", daemon=True)
    thread.start()
    thread.join(_CALL_SECONDS + _MORE_SECONDS)
    if thread.is_alive():
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the offsets' coordinator does not answer"))
    if errors:
        raise errors[0]


def _aborted(producer: Producer, cause: KafkaError) -> bool:
    """Abort a transaction that failed for `cause`, where the producer can."""
    if not cause.txn_requires_abort() and cause.code() not in NEVER:
        return False
    try:
        producer.abort_transaction(_CALL_SECONDS)
    except KafkaException as error:
        _LOG.warning("a transaction could not be aborted: %s", error)
        return False
    return True


def _produce(producer: Producer, record: Outgoing, note: Callable[[KafkaError | None, Any], None]) -> None:
    while True:
        try:
            put(producer, record, note)
        except BufferError:
            producer.poll(_POLL_SECONDS)
        else:
            return
