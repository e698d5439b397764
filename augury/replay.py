"""The replayer: events of the past, published with the times at which they had arrived."""

import hashlib
import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from features.inputs import SourcePlan
from schemas.codec import Codec
from schemas.log import producer
from schemas.records import TOPICS, load

ORIGIN = "replay"
_MINUTE = 60_000
_TIMEOUT_S = 60.0
_REPORT_EVERY = 2_000
_NOW = 0  # as a timestamp: the moment of sending
# A batch with a record that is refused is refused whole: librdkafka tells which ones are sound.
_REFUSED = (KafkaError.INVALID_TIMESTAMP, KafkaError.INVALID_RECORD)
_SOUND = KafkaError._INVALID_DIFFERENT_RECORD

Encode = Callable[[Mapping[str, Any]], bytes]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Event:
    """One record to publish: `at` is its Kafka timestamp (ms since the epoch), when the log had taken it."""

    topic: str
    key: str
    at: int
    record: Mapping[str, Any]


@dataclass
class Counts:
    """What one run wrote: records the log took by topic, clock ticks, and records that it refused."""

    published: dict[str, int] = field(default_factory=dict)
    ticks: int = 0
    refused: int = 0

    @property
    def events(self) -> int:
        """All records that the log took, ticks aside."""
        return sum(self.published.values())


class ReplayError(RuntimeError):
    """The log did not take all records, for a reason that has nothing to do with the records."""


class Replayer:
    """Publishes events in time order, and ticks the clock of every partition of every source.

    As a context manager it closes its producer at the end.
    A tick is a record without a value; it moves the clock of a quiet partition, so that windows decay and
    no partition holds up the others. Ticks fall on the multiples of `tick_ms` of simulated time. `options`
    are librdkafka settings, such as credentials.
    """

    def __init__(
        self,
        bootstrap: str,
        codec: Codec,
        sources: Mapping[str, SourcePlan],
        tick_ms: int = 5 * _MINUTE,
        options: Mapping[str, str | float] = MappingProxyType({}),
    ) -> None:
        if tick_ms <= 0:
            raise ValueError(
                f"ticks are a positive number of ms apart (found {tick_ms}); the clock would stand still"
            )
        self._codec = codec
        self._tick_ms = tick_ms
        self._schemas = {plan.topic: plan.avro for plan in sources.values()}
        self._ticked = [(p.topic, partition) for p in sources.values() for partition in range(p.partitions)]
        self._encoders: dict[str, Encode] = {}
        # Only failures call back: one call for each of millions of records would cost more than sending it.
        self._producer = producer(bootstrap, **{"delivery.report.only.error": True, **options})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop what the log has not taken, if anything, and end the producer's threads."""
        self._producer.purge()
        self._producer.close()

    def run(
        self,
        streams: Iterable[Iterable[Event]],
        *,
        until: int,
        speed: float | None = None,
        progress: Progress | None = None,
    ) -> Counts:
        """Publish the events of all streams, each already in time order, and tick up to `until` (ms).

        All of them come before `until`; the last tick of every partition stands at `until` itself. `speed` is
        simulated seconds in a second, None as fast as the log takes them. `progress` gets the simulated time
        and the records published so far. A record whose time is too far ahead for the log goes to
        `dead_letters`; its neighbours in the batch are sent again, behind what has followed them. Raises
        `ReplayError` if the log does not take a record for another reason, `ValueError` for an event at or
        after `until`, before 1970 or of a topic without a schema.
        """
        run = _Run(self._producer, self._encoder("dead_letters"))
        self._publish(run, heapq.merge(*streams, key=lambda event: event.at), until, speed, progress)
        counts = run.finish()
        if progress is not None:
            progress(until, run.sent)
        return counts

    def _publish(
        self, run: "_Run", events: Iterable[Event], until: int, speed: float | None, progress: Progress | None
    ) -> None:
        tick: int | None = None
        for event in events if speed is None else _paced(events, speed, run.wait):
            if event.at >= until:
                raise ValueError(
                    f"events come before `until` ({until}); the clock would go back after {event.topic} "
                    f"{event.key!r} at {event.at}"
                )
            if event.at < 1:
                raise ValueError(
                    f"a Kafka time is after the start of 1970, for 0 means now to a producer: the clock "
                    f"would leap to now after {event.topic} {event.key!r} at {event.at}"
                )
            if tick is None:
                tick = event.at - event.at % self._tick_ms + self._tick_ms
            while tick <= event.at:
                self._tick(run, tick)
                tick += self._tick_ms
            run.send(event, self._encoder(event.topic)(event.record))
            if progress is not None and run.sent % _REPORT_EVERY == 0:
                progress(event.at, run.sent)
        for moment in range(until if tick is None else tick, until, self._tick_ms):
            self._tick(run, moment)
        self._tick(run, until)

    def _tick(self, run: "_Run", moment: int) -> None:
        for topic, partition in self._ticked:
            run.tick(topic, partition, moment)

    def _encoder(self, topic: str) -> Encode:
        encoder = self._encoders.get(topic)
        if encoder is None:
            schema = self._schemas.get(topic)
            if schema is None and topic not in TOPICS:
                raise ValueError(f"an event belongs to a source or a record topic; {topic!r} has no schema")
            encoder = self._codec.encoder(topic, schema or load(TOPICS[topic]))
            self._encoders[topic] = encoder
        return encoder


class _Run:
    """One run, and what becomes of the records that the log does not take."""

    def __init__(self, sender: Producer, encode_dead_letter: Encode) -> None:
        self._producer = sender
        self._encode_dead_letter = encode_dead_letter
        self._counts = Counts()
        self._again: list[tuple[Message, int]] = []
        self._letters: list[tuple[bytes, bytes | None]] = []
        self._errors: list[KafkaError] = []
        self.sent = 0

    def send(self, event: Event, payload: bytes) -> None:
        """Hand over one event; its fate shows in `finish`."""
        self._produce(event.topic, event.at, value=payload, key=event.key.encode())
        self._counts.published[event.topic] = self._counts.published.get(event.topic, 0) + 1
        self.sent += 1
        if self.sent % 100 == 0:
            self.wait(0)

    def tick(self, topic: str, partition: int, moment: int) -> None:
        """Append one clock tick."""
        self._produce(topic, moment, value=None, partition=partition)
        self._counts.ticks += 1

    def wait(self, seconds: float) -> None:
        """Serve the producer's callbacks; raises `ReplayError` for what cannot be mended."""
        self._producer.poll(seconds)
        if self._errors:
            raise ReplayError(f"the log takes every sound record, but answered: {self._errors[0].str()}")

    def finish(self) -> Counts:
        """Wait until the log has answered for every record, those sent again included."""
        while len(self._producer) or self._again or self._letters:
            if self._producer.flush(_TIMEOUT_S):
                raise ReplayError(
                    f"the log answers within {_TIMEOUT_S} s; {len(self._producer)} records have no answer"
                )
            again, self._again = self._again, []
            letters, self._letters = self._letters, []
            for message, at in again:
                self._produce(
                    str(message.topic()),
                    at,
                    value=message.value(),
                    key=message.key(),
                    partition=message.partition(),
                )
            for value, key in letters:
                self._produce("dead_letters", _NOW, value=value, key=key)
            self.wait(0)
        return self._counts

    def _produce(self, topic: str, at: int, **record: Any) -> None:  # noqa: ANN401
        failed = partial(self._failed, at)  # a record that was refused comes back without its time
        while True:
            try:
                self._producer.produce(topic, timestamp=at, on_delivery=failed, **record)
            except BufferError:  # the queue is full: let some go
                self.wait(0.1)
            except KafkaException as error:
                raise ReplayError(f"the log takes records of {topic}, but answered: {error}") from error
            else:
                return

    def _failed(self, at: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        if error.code() == _SOUND:
            self._again.append((message, at))
        elif error.code() in _REFUSED:
            self._refuse(at, error, message)
        else:
            self._errors.append(error)

    def _refuse(self, at: int, error: KafkaError, message: Message) -> None:
        topic = str(message.topic())
        if message.value() is None:
            self._counts.ticks -= 1
        else:
            self._counts.published[topic] -= 1
        self._counts.refused += 1
        letter = {
            "origin": ORIGIN,
            "topic": topic,
            "partition": message.partition(),
            "offset": _stand_in(message, at),
            "reason": f"a record's time is at most the clock skew of {topic} ahead: {error.str()}",
            "payload": message.value(),
            "at": at,
        }
        self._letters.append((self._encode_dead_letter(letter), message.key()))


def _stand_in(message: Message, at: int) -> int:
    """Give a negative number that tells a refused record apart, and is the same when it is refused again.

    A dead letter is known by its offset, and a record that the log did not take has none.
    """
    digest = hashlib.sha256(b"%d|" % at + (message.key() or b"") + b"|" + (message.value() or b"")).digest()
    return -1 - int.from_bytes(digest[:7], "big")


def _paced(events: Iterable[Event], speed: float, wait: Callable[[float], None]) -> Iterator[Event]:
    """Hold each event back until its time has come, counted from the first one."""
    started, first = time.monotonic(), None
    for event in events:
        first = event.at if first is None else first
        while (ahead := (event.at - first) / 1000 / speed - (time.monotonic() - started)) > 0:
            wait(min(ahead, 0.5))
        yield event
