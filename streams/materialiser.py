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
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition
from redis import Redis
from redis import exceptions as redis_errors

from features.layout import Layout, clock_key, floors_key, pack_clock, row_key
from schemas.codec import Codec, RefusedRecordError
from schemas.log import committed, is_fatal
from streams.lag import Lag, Progress

CLOCKS = "features.clocks"
# For the consumer: a question for the log's ends waits behind the fetch under way, 500 ms by default. After a
# kill the next materialiser reads when the killed one is taken for dead, 45 s by default.
READING: dict[str, str | float] = {"fetch.wait.max.ms": 20, "session.timeout.ms": 6_000}

_log = logging.getLogger(__name__)
_BATCH = 2_000
_KEYS_PER_SCRIPT = 500  # the store serves nobody else while a script runs
_POLL_S = 0.2
_RETRY_S = 0.5
_COMMIT_S = 1.0
_SETTLE_S = 0.1  # 20 times the linger of the producers that write rows and clocks
_TIMEOUT_S = 30.0
_OUTAGES = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,  # a fail-over is under way
    httpx.HTTPError,
    KafkaException,
)

# Sets each key, from the second on, to its value unless what it holds is as new, or the hash at the first key
# has a floor for it that is. ARGV[1] is where, from 1, the 64-bit integer lies by which values are ordered.
# Compared inside the store, so that neither a restart nor a second writer can bring an old value back.
_SET_IF_NEWER = """
local at = tonumber(ARGV[1])
local floors = redis.call('EXISTS', KEYS[1]) == 1
local written = {}
for i = 2, #KEYS do
  written[i - 1] = 0
  local order = struct.unpack('<i8', ARGV[i], at)
  local held = redis.call('GETRANGE', KEYS[i], at - 1, at + 6)
  local floor = floors and tonumber(redis.call('HGET', KEYS[1], KEYS[i]))
  if (#held < 8 or struct.unpack('<i8', held) < order) and not (floor and order <= floor) then
    redis.call('SET', KEYS[i], ARGV[i])
    written[i - 1] = 1
  end
end
return written
"""
SEQ_AT = 17
"""Where, from 1, `seq` lies in a row: after the layout id and event_timestamp."""
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
    """A clock, read from `place`, to show once all partitions of its topic are written up to their ends.

    The ends are those of the moment `settled` (monotonic s) or later; None before.
    """

    clock: int
    place: tuple[str, int]
    offset: int
    settled: float
    ends: dict[tuple[str, int], int] | None = None


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

    A group's clock becomes visible only after all rows that any partition of its topic held 0.1 s after the
    clock was read, whichever process of the consumer group writes them; so a backlog never looks fresh, and
    neither a rebalance nor a restart shows a clock early or loses the last one. That is all the log can
    tell: Flink writes rows and clocks by two producers, each within 5 ms, and a row that takes more than the
    0.1 s longer than a clock behind it (its broker answers late, or Flink's job holds it back) becomes
    visible after that clock. A consumer with `enable.partition.eof` sees past transaction markers, too.
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
        self._held: dict[tuple[str, int], list[_HeldClock]] = {}  # by group and version, oldest first
        self._partitions: dict[str, int] = {}  # of each topic; topics keep their number
        self._stop = threading.Event()
        self._ready: Callable[[], None] = lambda: None
        self._committed_at = -math.inf
        self.counts = Counts()
        self.lag = Lag()
        self.progress = {group: Progress() for group in self._topics}  # by group and version

    def run(self, stop: threading.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Materialise until `stop` is set, then commit and close the consumer.

        `ready` is called at each assignment of partitions, when they are about to be read. An outage of the
        store, the schema registry or the log is waited out. Raises `KafkaException` for an error from which
        the consumer cannot recover.
        """
        self._stop, self._ready = stop, ready
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
        first = self._consumer.poll(_SETTLE_S / 2 if any(self._held.values()) else _POLL_S)
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
            if isinstance(error, KafkaException) and is_fatal(error):
                raise
            _log.warning("waiting for the online store, the schema registry or the log: %s", error)
            return False
        return True

    def _take(self, messages: Sequence[Message]) -> None:
        """Write what is new in `messages`; nothing has changed here if that raises."""
        counts = Counts()
        newest: dict[tuple[str, int], dict[str, _Newest]] = {}
        clocks: dict[tuple[str, int], _HeldClock] = {}
        settled = time.monotonic() + _SETTLE_S
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
                    new = _HeldClock(record["clock"], (topic, partition), offset, settled)
                    if group in self._topics and (group not in clocks or clocks[group].clock < new.clock):
                        clocks[group] = new
                else:
                    counts.conflated += self._conflate(newest, topic, record, message.timestamp()[1])
            except (RefusedRecordError, KeyError, struct.error) as wrong:
                counts.refused += 1
                _log.error("%s, partition %d, offset %d is refused: %s", topic, partition, offset, wrong)
        for group, rows in newest.items():
            written = self._set_if_newer(group, SEQ_AT, {key: n.value for key, n in rows.items()})
            now = self._clock()
            lags = [
                now - at for n, new in zip(rows.values(), written, strict=True) if new for at in n.produced
            ]
            self.lag.add(lags)
            self.progress[group].add(sum(written), lags)
            counts.written += sum(written)
            counts.older += len(written) - sum(written)
        self.counts.add(counts)
        # A revoked partition is another's by now.
        self._reached.update({key: offset for key, offset in reached.items() if key in self._reached})
        for group, latest in clocks.items():
            # Two wait, and keep their places so that a busy stream puts off neither; of the later ones the
            # last says it all.
            held = self._held.setdefault(group, [])
            if not held or held[-1].clock < latest.clock:
                held[2:] = [latest]

    def _conflate(
        self,
        newest: dict[tuple[str, int], dict[str, _Newest]],
        topic: str,
        row: Mapping[str, Any],
        kafka_time: int,
    ) -> bool:
        group, version, layout = self._layouts[topic]
        rows = newest.setdefault((group, version), {})
        key, seq, value = row_key(group, version, row["entity"]), row["seq"], layout.pack(row)
        at = self._produced_at(row, kafka_time)
        produced = [] if at is None else [at]
        held = rows.get(key)
        if held is None:
            rows[key] = _Newest(seq, value, produced)
            return False
        held.produced += produced
        if seq > held.seq:
            held.seq, held.value = seq, value
        return True

    def _set_if_newer(self, group: tuple[str, int], at: int, values: Mapping[str, bytes]) -> list[int]:
        """Give for each of `values`, in order, 1 if it was set and 0 if the store holds one as new."""
        if not values:
            return []
        keys = list(values)
        with self._redis.pipeline(transaction=False) as pipeline:
            for start in range(0, len(keys), _KEYS_PER_SCRIPT):
                some = keys[start : start + _KEYS_PER_SCRIPT]
                keyed = (floors_key(*group), *some)
                pipeline.eval(_SET_IF_NEWER, len(keyed), *keyed, str(at), *(values[key] for key in some))
            return [flag for flags in pipeline.execute() for flag in flags]

    def _show_clocks(self) -> None:
        self._find_ends()
        for group, held in self._held.items():
            while held and held[0].ends is not None and self._written(held[0].ends):
                clock = held[0].clock
                self._set_if_newer(group, _CLOCK_AT, {clock_key(*group): pack_clock(clock)})
                self.progress[group].clock = clock
                held.pop(0)

    def _find_ends(self) -> None:
        """Ask the log for the ends of all partitions whose clocks have settled."""
        now = time.monotonic()
        settled = [
            (self._topics[group], clock)
            for group, held in self._held.items()
            for clock in held
            if clock.ends is None and clock.settled <= now
        ]
        if not settled:
            return
        asked = [
            TopicPartition(topic, number, OFFSET_END)
            for topic in {topic for topic, _ in settled}
            for number in range(self._partitions_of(topic))
        ]
        ends: dict[str, dict[tuple[str, int], int]] = {}
        # The end as a time is the end itself; one request for all, and never what the client remembers.
        for found in self._consumer.offsets_for_times(asked, timeout=_TIMEOUT_S):
            if found.error is not None:
                raise KafkaException(found.error)
            ends.setdefault(found.topic, {})[found.topic, found.partition] = found.offset
        for topic, clock in settled:
            clock.ends = ends[topic]

    def _partitions_of(self, topic: str) -> int:
        count = self._partitions.get(topic, 0)
        if not count:
            described = self._consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
            if described.error is not None:
                raise KafkaException(described.error)
            count = self._partitions[topic] = len(described.partitions)
        return count

    def _written(self, ends: Mapping[tuple[str, int], int]) -> bool:
        """Tell whether all rows before `ends` are written; another process's commit follows its writes."""
        if any(self._reached.get(key, end) < end for key, end in ends.items()):
            return False
        others = [TopicPartition(*key) for key, end in ends.items() if end and key not in self._reached]
        return all(p.offset >= ends[p.topic, p.partition] for p in committed(self._consumer, others))

    def _assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        while not self._stop.is_set():
            try:
                found = committed(self._consumer, partitions)
            except KafkaException as error:
                if is_fatal(error):
                    raise
                _log.warning("waiting for the log: %s", error)
                self._stop.wait(_RETRY_S)
            else:
                self._reached.update({(p.topic, p.partition): max(p.offset, 0) for p in found})
                self._ready()
                return

    def _revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        lost = {(p.topic, p.partition): self._reached.pop((p.topic, p.partition), 0) for p in partitions}
        self._commit(lost)

    def _commit(self, reached: Mapping[tuple[str, int], int]) -> None:
        self._committed_at = time.monotonic()
        upto = dict(reached)
        for clock in (clock for held in self._held.values() for clock in held):
            # What is not shown yet is read again after a restart.
            upto[clock.place] = min(upto.get(clock.place, 0), clock.offset)
        offsets = [TopicPartition(*key, offset) for key, offset in upto.items() if offset > 0]
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # Costs only that the records are read again, and found to be old.
            _log.warning("the log did not take the offsets: %s", error)
