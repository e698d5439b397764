"""The Kafka door: `prediction.requests` and `prediction.batches` to `prediction.results`, exactly once."""

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from msgspec.structs import replace

from inference.batches import BATCHES, Batches
from inference.delivery import Outgoing
from inference.letters import Letters
from inference.outages import StoppedError
from inference.predictor import Answer
from inference.problems import is_client_fault
from inference.records import Request, RequestError, Result, request_of
from inference.replies import Position, Replies, Reply
from inference.scoring import Scoring
from inference.transactions import UnwrittenError
from schemas.codec import Codec, RefusedRecordError
from schemas.log import committed, is_fatal
from schemas.tracing import Span, Tracing, parent_of

REQUESTS = "prediction.requests"
ORIGIN = "worker"
_BATCH = 1_000
_POLL_SECONDS = 0.2
_RETRY_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


class Worker:
    """Answers each request once: results, dead letters and offsets are of one transaction.

    A result has the key of its request's record, so what is keyed by entity is answered in an entity's order.
    What cannot be read goes to `dead_letters`, and gets an error as its result where its `request_id` can be
    read; a request that is wrong has both too. Outages of the online store, of both registries, of the
    artifact store and of Kafka are waited out. Whatever goes wrong with a transaction, reading goes on from
    what is committed.

    The shadow's records follow in a transaction of their own, so that no answer waits for them. The note
    of an offset says from which offset on the shadow is still due: after a kill those requests are read
    again, for the shadow alone.
    """

    def __init__(
        self,
        consumer: Consumer,
        codec: Codec,
        scoring: Scoring,
        batches: Batches,
        replies: Replies,
        letters: Letters,
        stop: threading.Event,
        group_id: str = "",
        tracing: Tracing | None = None,
    ) -> None:
        self._consumer = consumer
        self._codec = codec
        self._scoring = scoring
        self._batches = batches
        self._replies = replies
        self._letters = letters
        self._stop = stop
        self._group_id = group_id
        self._tracing = tracing
        self._group: Any = (
            None  # as it was assigned: asked for later it could be another, which fences nothing
        )
        self._assignments = 0
        self._paused: set[int] = set()
        self._answered: dict[int, int] = {}  # by partition: where the requests without an answer begin

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Answer until the worker is stopped, then leave the group; raises what Kafka holds for fatal.

        `ready` is called at each assignment of partitions, when they are about to be read.
        """

        def assigned(_: Consumer, partitions: list[TopicPartition]) -> None:
            self._assigned(partitions)
            ready()

        self._consumer.subscribe(
            [REQUESTS, BATCHES], on_assign=assigned, on_revoke=self._revoked, on_lost=self._revoked
        )
        try:
            while not self._stop.is_set():
                try:
                    self._step()
                except UnwrittenError as error:
                    _LOG.warning("requests are read again, for a transaction was not written: %s", error)
                    self._stop.wait(_RETRY_SECONDS)
                    self._begin(self._consumer.assignment())
        except StoppedError:
            pass
        finally:
            self._consumer.close()

    def _step(self) -> None:
        """Answer what is there, then a slice of each batch."""
        messages = self._take()
        requests = [message for message in messages if message.topic() == REQUESTS]
        for message in messages:
            if message.topic() == BATCHES:
                self._batches.add(message)
        self._hold()
        if requests:
            self._answer(requests)
        if self._batches.ready:
            for replies in self._batches.slices():
                self._replies.settle(replies, self._group)
            self._hold()

    def _take(self) -> list[Message]:
        first = self._consumer.poll(0 if self._batches.ready else _POLL_SECONDS)
        if first is None:
            return []
        assignments = self._assignments
        messages = [first, *self._consumer.consume(_BATCH - 1, 0)]
        if assignments != self._assignments:  # some may be of partitions that are another worker's now
            self._begin(self._consumer.assignment())
            return []
        return [message for message in messages if _is_record(message)] if self._group is not None else []

    def _answer(self, messages: Sequence[Message]) -> None:
        spans = self._spans(messages)
        found = self._scoring.patiently(lambda: [self._read(message) for message in messages])
        read = [request for request, _ in found]
        places = [(int(message.partition() or 0), int(message.offset() or 0)) for message in messages]
        answers, results, records = self._scoring.score(
            read, [message.timestamp()[1] for message in messages]
        )
        due = dict(reversed(places))  # the first of each partition: from there on the shadow is due
        replies, fresh, refused, left = [], list[Answer](), 0, iter(answers)
        for message, (partition, offset), (request, letter), result, record, span in zip(
            messages, places, found, results, records, spans, strict=True
        ):
            answer = [next(left)] if isinstance(request, Request) else []
            if record is not None:
                trace = "" if span is None else span.traceparent
                record = record._replace(key=message.key() or record.key, trace=trace)
            if offset >= self._answered.get(partition, 0):  # else it is read again for the shadow
                fresh += answer
                refused += letter is not None
                if answer and is_client_fault(answer[0].problem):
                    letter = self._letter(message, answer[0].result.error or "")
                replies.append(
                    Reply(
                        [each for each in (record, letter) if each is not None],
                        Position(REQUESTS, partition, offset + 1, str(due[partition])),
                        None if result is None else partial(self._scoring.too_large, result),
                    )
                )
        with contextlib.ExitStack() as traced:
            for span in spans:
                if span is not None:
                    traced.enter_context(span)
            self._replies.settle(replies, self._group)
        self._scoring.settled(fresh, refused)
        self._shadow(places, read, answers)

    def _spans(self, messages: Sequence[Message]) -> list[Span | None]:
        """Begin a span for each traced request."""
        if self._tracing is None:
            return [None] * len(messages)
        return [
            self._tracing.received(
                REQUESTS, int(m.partition() or 0), int(m.offset() or 0), self._group_id, parent
            )
            if (parent := parent_of(m.headers()))
            else None
            for m in messages
        ]

    def _shadow(
        self,
        places: Sequence[tuple[int, int]],
        read: Sequence[Request | Result | None],
        answers: Sequence[Answer],
    ) -> None:
        """Let the shadow see the requests whose answers have left."""
        shadows = self._scoring.shadow(answers)
        if not shadows:
            return
        upto = {partition: offset + 1 for partition, offset in places}
        last = {each.request_id: place for place, each in zip(places, read, strict=True) if each is not None}
        replies = []
        for place, each in zip(places, read, strict=True):
            partition, offset = place
            told = each is not None and last[each.request_id] == place
            replies.append(
                Reply(
                    shadows.get(each.request_id, []) if told and each is not None else [],
                    Position(
                        REQUESTS,
                        partition,
                        max(upto[partition], self._answered.get(partition, 0)),
                        str(offset + 1),
                    ),
                )
            )
        self._replies.settle(replies, self._group)

    def _read(self, message: Message) -> tuple[Request | Result | None, Outgoing | None]:
        """Give the request; or the dead letter, with a result where somebody can be told."""
        try:
            record = self._codec.decode(message.value() or b"")
        except RefusedRecordError as error:
            return None, self._letter(message, error.reason)
        try:
            request = request_of(record)
        except RequestError as error:
            return self._scoring.refusal(record, error), self._letter(message, str(error))
        if (message.offset() or 0) < self._answered.get(message.partition() or 0, 0):
            request = replace(request, timeout_ms=None)  # it was answered in time, and the shadow is due
        return request, None

    def _letter(self, message: Message, reason: str) -> Outgoing:
        place = str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)
        return self._letters.refused(ORIGIN, *place, message.timestamp()[1], message.value(), reason)

    def _assigned(self, partitions: Sequence[TopicPartition]) -> None:
        self._assignments += 1
        group = self._consumer.consumer_group_metadata()
        # One that has been left behind meanwhile has no name, and would be let through unchecked.
        self._group = group if self._consumer.memberid() else None
        self._begin(partitions)

    def _revoked(self, *_: object) -> None:
        self._assignments += 1
        self._group = None
        self._batches.begin([])

    def _begin(self, partitions: Sequence[TopicPartition]) -> None:
        """Read the assigned partitions from what is committed of them."""
        positions = [
            Position(place.topic, place.partition, place.offset, place.metadata or "")
            for place in self._committed(list(partitions))
        ]
        self._answered = {p.partition: p.offset for p in positions if p.topic == REQUESTS}
        self._batches.begin([p for p in positions if p.topic == BATCHES])
        self._consumer.assign([TopicPartition(p.topic, p.partition, _start(p)) for p in positions])
        if self._paused:
            self._paused = set()
            self._consumer.resume([TopicPartition(p.topic, p.partition) for p in positions])

    def _committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        while not self._stop.is_set():
            try:
                return committed(self._consumer, partitions, _PATIENCE_SECONDS)
            except KafkaException as error:
                if is_fatal(error):
                    raise
                _LOG.warning("requests wait, for Kafka does not tell what is committed: %s", error)
                self._stop.wait(_RETRY_SECONDS)
        raise StoppedError

    def _hold(self) -> None:
        """Let no more batches come from the partitions that have one."""
        busy = self._batches.busy
        if busy != self._paused:
            self._consumer.pause([TopicPartition(BATCHES, p) for p in busy - self._paused])
            self._consumer.resume([TopicPartition(BATCHES, p) for p in self._paused - busy])
            self._paused = busy


def _start(position: Position) -> int:
    """Give where reading begins: what the shadow has not seen is read again, a batch from its record on."""
    if position.topic == REQUESTS and position.note.isdecimal():
        return min(position.offset, int(position.note))
    return position.offset


def _is_record(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.fatal():
        raise KafkaException(error)
    _LOG.warning("requests could not be read: %s", error)
    return False
