"""The Kafka door: requests from `prediction.requests`, results to `prediction.results`."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import httpx
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from redis import RedisError

from inference.delivery import Delivery, Outgoing
from inference.encoding import RESULTS, SHADOW, ResultEncoder
from inference.letters import Letters
from inference.models import OutageError
from inference.predictor import Predictor
from inference.records import ID_CHARACTERS, Request, RequestError, Result, request_of
from schemas.codec import Codec, RefusedRecordError

REQUESTS = "prediction.requests"
ORIGIN, DOOR = "worker", "kafka"
_BATCH = 500
_POLL_SECONDS = 0.2
_RETRY_SECONDS = 1.0
T = TypeVar("T")
_LOG = logging.getLogger(__name__)


class Worker:
    """Answers requests at least once: offsets are committed when the results are acknowledged.

    A request answered twice has the same `deduplication_key`. What cannot be read goes to
    `dead_letters`, and gets an error as its result where its `request_id` can be read. Outages of the
    online store, of both registries, of the artifact store and of Kafka are waited out.
    """

    def __init__(
        self,
        consumer: Consumer,
        delivery: Delivery,
        codec: Codec,
        encoder: ResultEncoder,
        predictor: Predictor,
        letters: Letters,
    ) -> None:
        self._consumer = consumer
        self._delivery = delivery
        self._codec = codec
        self._encoder = encoder
        self._predictor = predictor
        self._letters = letters

    def run(self, stop: threading.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Answer until `stop`, then leave the group; raises what Kafka holds for fatal.

        `ready` is called at each assignment of partitions, when they are about to be read.
        """
        self._consumer.subscribe([REQUESTS], on_assign=lambda *_: ready())
        try:
            while not stop.is_set():
                first = self._consumer.poll(_POLL_SECONDS)
                if first is None:
                    continue
                messages = [first, *self._consumer.consume(_BATCH - 1, 0)]
                self._answer([message for message in messages if _is_record(message)], stop)
        finally:
            self._consumer.close()

    def _answer(self, messages: Sequence[Message], stop: threading.Event) -> None:
        read = _patiently(lambda: [self._read(message) for message in messages], stop) or []
        requests = [request for request, _ in read if isinstance(request, Request)]
        answers = _patiently(lambda: self._predictor.predict(requests, DOOR), stop)
        if answers is None or not messages:
            return
        results = [answer.result for answer in answers]
        results += [result for result, _ in read if isinstance(result, Result)]
        letters = [letter for _, letter in read if letter is not None]
        if not self._delivery.deliver(self._encoder.records(RESULTS, results) + letters, stop):
            return
        # The answers have left. Their offsets wait, so that after a kill the shadow still gets its turn.
        shadows = _patiently(lambda: self._predictor.shadow(answers), stop)
        if shadows is not None and self._delivery.deliver(self._encoder.records(SHADOW, shadows), stop):
            self._commit(messages)

    def _read(self, message: Message) -> tuple[Request | Result | None, Outgoing | None]:
        """Give the request; or the dead letter, with a result where somebody can be told."""
        record: Any = None
        try:
            record = self._codec.decode(message.value() or b"")
            return request_of(record), None
        except RefusedRecordError as error:
            return None, self._letter(message, error.reason)
        except RequestError as error:
            letter = self._letter(message, str(error))
            request_id = record.get("request_id") if isinstance(record, Mapping) else None
            if not isinstance(request_id, str) or len(request_id) > ID_CHARACTERS:
                return None, letter
            request = Request(request_id, str(record.get("model_name"))[:ID_CHARACTERS])
            return self._predictor.refuse(request, DOOR, error), letter

    def _letter(self, message: Message, reason: str) -> Outgoing:
        place = str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)
        return self._letters.refused(ORIGIN, *place, message.timestamp()[1], message.value(), reason)

    def _commit(self, messages: Sequence[Message]) -> None:
        upto: dict[tuple[Any, Any], int] = {}
        for message in messages:
            upto[message.topic(), message.partition()] = (message.offset() or 0) + 1
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in upto.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # A rebalance gave the partitions to another worker, which answers these requests again.
            _LOG.warning("the offsets of %d answered requests were not committed: %s", len(messages), error)


def _is_record(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.fatal():
        raise KafkaException(error)
    _LOG.warning("requests could not be read: %s", error)
    return False


def _patiently(step: Callable[[], T], stop: threading.Event) -> T | None:
    """Do a step, again and again in an outage of a store; None where `stop` came first."""
    while not stop.is_set():
        try:
            return step()
        except (RedisError, OutageError, httpx.HTTPError) as error:
            _LOG.warning("requests wait, for a store does not answer: %s", error)
            stop.wait(_RETRY_SECONDS)
    return None
