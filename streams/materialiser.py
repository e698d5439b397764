"""Feature rows from the log to the online store."""

import logging
import math
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from redis import Redis
from redis import exceptions as redis_errors

from features.layout import Layout, clock_key, pack_clock, row_key
from schemas.codec import Codec, RefusedRecordError
from streams.lag import Lag

CLOCKS = "features.clocks"

_log = logging.getLogger(__name__)
_BATCH = 2_000
_KEYS_PER_SCRIPT = 500  # the store serves nobody else while a script runs
_POLL_S = 0.2
_RETRY_S = 0.5
_COMMIT_S = 1.0
_TIMEOUT_S = 30.0
_OUTAGES = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,  # a fail-over is under way
    httpx.HTTPError,
    KafkaException,
)

# Sets each key to its value unless what it holds is as new. ARGV[1] is where, from 1, the 64-bit integer lies
# by which values are ordered. Compared inside the store, so that neither a restart nor a second writer can
# bring an old value back.
_SET_IF_NEWER = """
local at = tonumber(ARGV[1])
local written = {}
for i, key in ipairs(KEYS) do
  written[i] = 0
  local held = redis.call('GETRANGE', key, at - 1, at + 6)
  if #held < 8 or struct.unpack('<i8', held) < struct.unpack('<i8', ARGV[i + 1], at) then
    redis.call('SET', key, ARGV[i + 1])
    written[i] = 1
  end
end
return written
"""
_SEQ_AT = 17  # in a row: after the layout id and event_timestamp
_CLOCK_AT = 1


@dataclass
class Counts:
    """What a materialiser has done since it started."""

    read: int = 0  # records taken from the groups' topics
    conflated: int = 0  # rows passed over for a newer one of their entity in the same batch
    written: int = 0  # rows that are now visible
    older: int = 0  # rows that the store already held, or held newer
    refused: int = 0  # records that are no row of their topic's layout

    def add(self, more: "Counts") -> None:
        """Add what was done further."""
        for name, count in vars(more).items():
            setattr(self, name, getattr(self, name) + count)


@dataclass
class _HeldClock:
    """A clock to show once all partitions have been written up to `ends`."""

    clock: int
    ends: dict[tuple[str, int], int]


@dataclass
class _Newest:
    """The newest row of an entity in a batch, and when each of its rows there was produced."""

    seq: int
    value: bytes
    produced: list[int]


class Materialiser:
    """Puts the newest row of each entity, and each group's clock, into the online store.

    `layouts` gives group, version and layout by topic. `produced_at(row, kafka_time)` tells when, in ms of
    `clock`, what a row shows was produced; `lag` measures from there until the row is visible, and leaves
    out rows for which it gives None. By default that is the row's own Kafka time.

    A group's clock becomes visible only after the rows that its topic held when the clock was read, so that
    a backlog never looks fresh. A consumer with `enable.partition.eof` sees past transaction markers, too.
    """

    def __init__(
        self,
        consumer: Consumer,
        redis: Redis,
        codec: Codec,
        layouts: Mapping[str, tuple[str, int, Layout]],
        clock: Callable[[], int],
        produced_at: Callable[[Mapping[str, Any], int], int | None] = lambda _, kafka_time: kafka_time,
    ) -> None:
        self._consumer = consumer
        self._redis = redis
        self._codec = codec
        self._layouts = layouts
        self._topics = {(group, version): topic for topic, (group, version, _) in layouts.items()}
        self._clock = clock
        self._produced_at = produced_at
        self._reached: dict[tuple[str, int], int] = {}  # assigned partition -> offset after what is written
        self._held: dict[tuple[str, int], list[_HeldClock]] = {}
        self._committed_at = -math.inf
        self.counts = Counts()
        self.lag = Lag()

    def run(self, stop: threading.Event) -> None:
        """Materialise until `stop` is set, then commit and close the consumer.

        An outage of the store, the schema registry or the log is waited out. Raises `KafkaException` for
        an error from which the consumer cannot recover.
        """
        self._consumer.subscribe([*self._layouts, CLOCKS], on_assign=self._assign, on_revoke=self._revoke)
        try:
            while not stop.is_set():
                messages = self._poll()
                while not self._done(messages):
                    if stop.wait(_RETRY_S):
                        return
                if time.monotonic() - self._committed_at >= _COMMIT_S:
                    self._commit(self._reached)
        finally:
            self._commit(self._reached)
            self._reached.clear()
            self._consumer.close()

    def _poll(self) -> list[Message]:
        # `consume` alone would wait for the full number.
        first = self._consumer.poll(_POLL_S)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(_BATCH - 1, 0)]
        for message in messages:
            error = message.error()
            if error is None or error.code() == KafkaError._PARTITION_EOF:
                continue
            if error.fatal():
                raise KafkaException(error)
            _log.warning("the log reports: %s", error)
        return messages

    def _done(self, messages: list[Message]) -> bool:
        try:
            if messages:
                self._take(messages)
                messages.clear()
            self._show_clocks()
        except _OUTAGES as error:
            _log.warning("waiting for the online store, the schema registry or the log: %s", error)
            return False
        return True

    def _take(self, messages: Sequence[Message]) -> None:
        """Write what is new in `messages`; nothing has changed here if that raises."""
        counts = Counts()
        newest: dict[str, _Newest] = {}
        clocks: dict[tuple[str, int], int] = {}
        reached: dict[tuple[str, int], int] = {}
        for message in messages:
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    reached[topic, partition] = offset
                continue
            reached[topic, partition] = offset + 1
            counts.read += topic != CLOCKS
            try:
                record = self._codec.decode(message.value() or b"")
                if topic == CLOCKS:
                    group = (record["group"], record["version"])
                    clocks[group] = max(record["clock"], clocks.get(group, record["clock"]))
                else:
                    counts.conflated += self._conflate(newest, topic, record, message.timestamp()[1])
            except (RefusedRecordError, KeyError, struct.error) as wrong:
                counts.refused += 1
                _log.error("%s, partition %d, offset %d is refused: %s", topic, partition, offset, wrong)
        held = {
            group: _HeldClock(clock, self._ends(self._topics[group]))
            for group, clock in clocks.items()
            if group in self._topics
        }
        written = self._set_if_newer(_SEQ_AT, {key: n.value for key, n in newest.items()})
        now = self._clock()
        self.lag.add(
            [now - at for n, new in zip(newest.values(), written, strict=True) if new for at in n.produced]
        )
        counts.written = sum(written)
        counts.older = len(written) - counts.written
        self.counts.add(counts)
        # A revoked partition is another's by now.
        self._reached.update({key: offset for key, offset in reached.items() if key in self._reached})
        for group, latest in held.items():
            # The first waits for what it was read with; of the later ones the last says it all.
            self._held.setdefault(group, [])[1:] = [latest]

    def _conflate(
        self, newest: dict[str, _Newest], topic: str, row: Mapping[str, Any], kafka_time: int
    ) -> bool:
        group, version, layout = self._layouts[topic]
        key, seq, value = row_key(group, version, row["entity"]), row["seq"], layout.pack(row)
        at = self._produced_at(row, kafka_time)
        produced = [] if at is None else [at]
        held = newest.get(key)
        if held is None:
            newest[key] = _Newest(seq, value, produced)
            return False
        held.produced += produced
        if seq > held.seq:
            held.seq, held.value = seq, value
        return True

    def _set_if_newer(self, at: int, values: Mapping[str, bytes]) -> list[int]:
        """Give for each of `values`, in order, 1 if it was set and 0 if the store holds one as new."""
        if not values:
            return []
        keys = list(values)
        with self._redis.pipeline(transaction=False) as pipeline:
            for start in range(0, len(keys), _KEYS_PER_SCRIPT):
                some = keys[start : start + _KEYS_PER_SCRIPT]
                pipeline.eval(_SET_IF_NEWER, len(some), *some, str(at), *(values[key] for key in some))
            return [flag for flags in pipeline.execute() for flag in flags]

    def _ends(self, topic: str) -> dict[tuple[str, int], int]:
        """Give the ends of the partitions of `topic` that are read here, as last heard of."""
        ends = {}
        for key in self._reached:
            if key[0] == topic:
                partition = TopicPartition(*key)
                end = self._consumer.get_watermark_offsets(partition, cached=True)[1]
                if end < 0:  # not heard of yet
                    end = self._consumer.get_watermark_offsets(partition, timeout=_TIMEOUT_S)[1]
                ends[key] = end
        return ends

    def _show_clocks(self) -> None:
        for group, held in self._held.items():
            while held and all(self._reached.get(key, end) >= end for key, end in held[0].ends.items()):
                self._set_if_newer(_CLOCK_AT, {clock_key(*group): pack_clock(held[0].clock)})
                held.pop(0)

    def _assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for found in self._consumer.committed(partitions, timeout=_TIMEOUT_S):
            self._reached[found.topic, found.partition] = max(found.offset, 0)

    def _revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        lost = {(p.topic, p.partition): self._reached.pop((p.topic, p.partition), 0) for p in partitions}
        self._commit(lost)

    def _commit(self, reached: Mapping[tuple[str, int], int]) -> None:
        self._committed_at = time.monotonic()
        offsets = [TopicPartition(*key, offset) for key, offset in reached.items() if offset > 0]
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # Costs only that the records are read again, and found to be old.
            _log.warning("the log did not take the offsets: %s", error)
