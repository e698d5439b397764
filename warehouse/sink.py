"""Records from the log to the warehouse."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from clickhouse_connect.driver.insert import InsertContext
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from schemas.codec import Codec, RefusedRecordError
from schemas.log import UndeliveredError, committed, is_fatal
from schemas.tracing import Span, Tracing, parent_of
from warehouse.refusals import Refusals
from warehouse.targets import Target

GROUP = "augury.sink"
# For the consumer: told of a partition's end, the sink moves over what holds no record there. After a kill
# the next sink reads when the killed one is taken for dead, 45 s by default.
READING: dict[str, str | float] = {"enable.partition.eof": True, "session.timeout.ms": 6_000}
_log = logging.getLogger(__name__)
_POLL_S = 0.2
_POLL_ROWS = 2_000
_RETRY_S = 0.5
_TIMEOUT_S = 30.0
_BEFORE_ALL = -(2**63)
# Server errors that pass: memory, too many parts or queries, a replica that is read-only or lost its keeper.
_PASSING = frozenset({202, 241, 242, 252, 319, 999})

_Place = tuple[str, int]


class StaleTableError(RuntimeError):
    """A source's table holds more of a partition than the log does: the topic is not the one it came from."""


@dataclass
class _Partition:
    """A partition that is read here: its clock T, and offsets: the next, the last stored, the committed."""

    clock: int
    next: int
    stored: int
    committed: int


class Sink:
    """Writes the records of every topic in `targets` to its table, in batches.

    `consumer` is made with `READING`. A batch ends after `max_rows` records or `max_seconds`. Offsets are
    committed after the insert, together with the partition's clock, so that a restart goes on with the same
    T. What breaks a rule goes to `dead_letters` through `producer`; a NULL value only moves the clock. With
    `tracing`, the way of a traced record into its table is a span.
    """

    def __init__(
        self,
        consumer: Consumer,
        client: Client,
        codec: Codec,
        targets: Mapping[str, Target],
        producer: Producer,
        *,
        max_rows: int = 50_000,
        max_seconds: float = 1.0,
        tracing: Tracing | None = None,
    ) -> None:
        self._consumer = consumer
        self._client = client
        self._targets = targets
        self.inserted: Counter[str] = Counter()  # rows since the start, by table
        self._refusals = Refusals(producer, codec)
        self._decoders = {topic: codec.decoder(target.schema) for topic, target in targets.items()}
        self._max_rows = max_rows
        self._max_seconds = max_seconds
        self._rows: dict[str, list[tuple[Any, ...]]] = {topic: [] for topic in targets}
        self._inserts: dict[str, InsertContext] = {}
        self._partitions: dict[_Place, _Partition] = {}
        self._tracing = tracing
        self._spans: list[Span] = []  # of the records of the batch
        self._assignment = 0  # how many there have been
        self._taken = 0  # records since the last flush
        self._flush_at = 0.0
        self._stop = threading.Event()
        self._ready: Callable[[], None] = lambda: None

    @property
    def refused(self) -> int:
        """Count the dead letters that the log has taken since the start."""
        return self._refusals.shipped

    def run(self, stop: threading.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Write until `stop` is set, then flush, commit and close the consumer.

        `ready` is called at each assignment of partitions, when they are about to be read. An outage of the
        warehouse, the schema registry or the log is waited out. Raises `StaleTableError`, `KafkaException`
        for an error from which a client cannot recover, and `DatabaseError` for what the warehouse will
        never accept, such as a missing table.
        """
        self._stop, self._ready = stop, ready
        self._consumer.subscribe([*self._targets], on_assign=self._assign, on_revoke=self._revoke)
        try:
            while not stop.is_set():
                for message in self._poll():
                    if not self._patiently(lambda: self._take(message)):  # noqa: B023 (called at once)
                        break
                if self._taken >= self._max_rows or (self._taken and time.monotonic() >= self._flush_at):
                    self._patiently(self._flush)
        finally:
            # Revokes the partitions, which flushes and commits.
            self._consumer.close()

    def _poll(self) -> list[Message]:
        # `consume` alone would wait for the full number.
        assignment = self._assignment
        first = self._consumer.poll(_POLL_S)
        if first is None:
            return []
        messages = []
        polled = [first, *self._consumer.consume(_POLL_ROWS - 1, 0)]
        if self._assignment != assignment:
            # Some may be from before, and would come again or leave a gap.
            self._consumer.assign([TopicPartition(*place, p.next) for place, p in self._partitions.items()])
            return []
        for message in polled:
            error = message.error()
            if error is None or error.code() == KafkaError._PARTITION_EOF:
                messages.append(message)
            elif error.fatal():
                raise KafkaException(error)
            else:
                _log.warning("the log reports: %s", error)
        return messages

    def _patiently(self, act: Callable[[], None]) -> bool:
        """Try until `act` succeeds (True) or the sink is stopped (False)."""
        while not self._tried(act):
            if self._stop.wait(_RETRY_S):
                return False
        return True

    def _tried(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except (OperationalError, httpx.HTTPError, UndeliveredError) as error:
            _log.warning("waiting for the warehouse, the schema registry or the log: %s", error)
            return False
        except DatabaseError as error:
            if error.code not in _PASSING:
                raise
            _log.warning("waiting for the warehouse: %s", error)
            return False
        except KafkaException as error:
            if is_fatal(error):
                raise
            _log.warning("waiting for the log: %s", error)
            return False
        return True

    def _take(self, message: Message) -> None:
        """Put a record into its batch; nothing has changed if that raises."""
        topic, number, offset, payload = (
            message.topic(),
            message.partition(),
            message.offset(),
            message.value(),
        )
        assert topic is not None
        assert number is not None
        assert offset is not None
        partition = self._partitions.get((topic, number))
        if partition is None:
            return  # revoked meanwhile: its next reader gets it
        if message.error() is not None:  # the end: before it may be more than records, as a transaction's end
            if offset > partition.next:
                partition.next = offset
                self._taken_one()
            return
        target = self._targets[topic]
        kafka_time = message.timestamp()[1]
        clock = max(partition.clock, kafka_time)
        if payload is not None and offset > partition.stored:
            try:
                record = self._decoders[topic](payload)
                reason = target.refusal(record)
                if reason is None:
                    row = target.row(record) + (clock, topic, number, offset)[: target.log_columns]
                    self._rows[topic].append(row)
            except RefusedRecordError as error:
                reason = error.reason
            if reason is not None:
                self._refusals.add(topic, number, offset, reason, payload, kafka_time)
        if self._tracing is not None and (parent := parent_of(message.headers())):
            self._spans.append(self._tracing.received(topic, number, offset, GROUP, parent))
        partition.clock = clock
        partition.next = offset + 1
        self._taken_one()

    def _taken_one(self) -> None:
        if not self._taken:
            self._flush_at = time.monotonic() + self._max_seconds
        self._taken += 1

    def _flush(self) -> None:
        """Ship what was refused, insert all batches, publish the clocks, then commit.

        In this order, for after a kill offsets that the tables hold are passed over: what is refused among
        them must be in the log by then. What is done is not done again when a part of it raises and the
        flush is tried again.
        """
        self._refusals.ship()
        for topic, rows in self._rows.items():
            if rows:
                target = self._targets[topic]
                self._insert(target.table, target.columns, rows)
                self.inserted[target.table] += len(rows)
                self._rows[topic] = []
        moved = {place: p for place, p in self._partitions.items() if p.next > p.committed}
        clocks = [
            (topic, number, p.clock, p.next - 1)
            for (topic, number), p in moved.items()
            if self._targets[topic].keeps_log and p.clock != _BEFORE_ALL
        ]
        if clocks:
            self._insert("log_clock", ("topic", "partition", "log_time", "offset"), clocks)
        self._taken = 0
        self._end_spans()
        self._commit(moved)

    def _end_spans(self) -> None:
        for span in self._spans:
            span.end()
        self._spans.clear()

    def _insert(self, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        context = self._inserts.pop(table, None)
        if context is None:
            context = self._client.create_insert_context(
                table, columns, column_oriented=True, settings={"async_insert": 0}
            )
        self._client.insert(context=context, data=list(zip(*rows, strict=True)))
        self._inserts[table] = context  # not kept after an error, for it then holds the data

    def _commit(self, moved: Mapping[_Place, _Partition]) -> None:
        offsets = [TopicPartition(*place, p.next, metadata=str(p.clock)) for place, p in moved.items()]
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # The partitions are another's by now, or the log is away. What is read again has the same T and
            # the same identity.
            _log.warning("the log did not take the offsets: %s", error)
            return
        for partition in moved.values():
            partition.committed = partition.next

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignment += 1
        places: list[TopicPartition] = []
        if not self._patiently(lambda: places.extend(committed(consumer, partitions))):
            return  # stopped: nothing is read any more
        starts = []
        for found in places:
            place = (found.topic, found.partition)
            if found.offset >= 0 and found.metadata:
                self._partitions[place] = _Partition(int(found.metadata), found.offset, -1, found.offset)
                starts.append(TopicPartition(*place, found.offset))
            else:
                # T is the running maximum from the partition's first record on.
                self._partitions[place] = _Partition(_BEFORE_ALL, 0, -1, 0)
                starts.append(TopicPartition(*place, OFFSET_BEGINNING))
        for topic in {start.topic for start in starts}:
            if self._targets[topic].keeps_log:
                self._patiently(lambda: self._find_stored(topic))  # noqa: B023 (called at once)
        consumer.assign(starts)
        self._ready()

    def _find_stored(self, topic: str) -> None:
        """Learn how much of each partition of a source the table holds."""
        held = self._client.query(
            "SELECT log_partition, max(log_offset) FROM {table:Identifier} WHERE log_topic = {topic:String} "
            "GROUP BY log_partition",
            parameters={"table": self._targets[topic].table, "topic": topic},
        )
        for number, stored in held.result_rows:
            partition = self._partitions.get((topic, number))
            if partition is None:
                continue
            end = self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_TIMEOUT_S)[1]
            if stored >= end:
                raise StaleTableError(
                    f"a source's table comes from the topic as it is, and {self._targets[topic].table} holds "
                    f"offset {stored} of {topic}, partition {number}, which ends at {end}: new events would "
                    "be taken for old ones. The topic was made anew; drop the table or restore the topic"
                )
            partition.stored = stored

    def _revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        if not self._tried(self._flush):
            # Another reader, or this one, takes the batches up again from the last commit.
            self._rows = {topic: [] for topic in self._targets}
            self._refusals.discard()
            self._taken = 0
            for span in self._spans:
                span.failed("revoked")
            self._end_spans()
        self._assignment += 1
        for partition in partitions:
            self._partitions.pop((partition.topic, partition.partition), None)
