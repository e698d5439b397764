"""The process that tells people of alerts: records in, notices to channels out, and only then a commit.

It keeps nothing: incidents are read from the log anew at each start, and of those notices alone are sent that
follow on what was committed. So a kill may tell something twice, and never nothing.
"""

import logging
from collections.abc import Callable, Iterable
from threading import Event

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from flows.incidents import Incidents, Notice
from schemas.codec import Codec, RefusedRecordError
from schemas.log import committed, is_fatal
from schemas.records import TOPICS as RECORDS
from schemas.records import load

log = logging.getLogger(__name__)

ALERTS, STATES = "alerts", "alerts.states"
_RETRY_S = 1.0
_TRIES = 5

Channel = Callable[[Notice], bool]
"""Tells somebody; False where it could not."""


class Notifier:
    """Reads `alerts` and `alerts.states` and tells each of `channels`, by name, what `incidents` says.

    A channel that fails is tried five times, then it misses the notice, which is logged without its address.
    """

    def __init__(
        self, consumer: Consumer, codec: Codec, incidents: Incidents, channels: dict[str, Channel]
    ) -> None:
        self._consumer = consumer
        self._decode = {topic: codec.decoder(load(RECORDS[topic])) for topic in (ALERTS, STATES)}
        self._incidents = incidents
        self._channels = channels
        self._told: dict[tuple[str, int], int] = {}  # what was told of before this start
        self._history: dict[tuple[str, int], int] = {}  # where that ends, until it is read
        self._assigned: list[TopicPartition] = []
        self._ready: Callable[[], None] = lambda: None

    def run(self, stop: Event, ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set, then close the consumer. An outage of the log is waited out.

        `ready` is called at each assignment of partitions. Raises `KafkaException` for an error from which
        the consumer cannot recover.
        """
        self._ready = ready
        self._consumer.subscribe([ALERTS, STATES], on_assign=self._assign)
        try:
            while not stop.is_set():
                message = self._consumer.poll(0.2)
                if message is None:
                    continue
                if message.error() is not None:
                    log.warning("the log could not be read: %s", message.error())
                    stop.wait(_RETRY_S)
                    continue
                self._take(message, stop)
                self._read(str(message.topic()), message.partition() or 0, (message.offset() or 0) + 1)
        finally:
            self._consumer.close()

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._told = {(p.topic, p.partition): p.offset for p in committed(consumer, partitions)}
        self._history = {place: offset for place, offset in self._told.items() if offset > 0}
        self._assigned = [TopicPartition(p.topic, p.partition) for p in partitions]
        consumer.assign([TopicPartition(p.topic, p.partition, OFFSET_BEGINNING) for p in partitions])
        self._pace()
        self._ready()

    def _pace(self) -> None:
        """Read the alerts that were told of, then what followed on them, and only then what is new."""
        behind = {topic for topic, _ in self._history}
        only = ALERTS if ALERTS in behind else STATES if behind else None
        paused = [p for p in self._assigned if only not in (None, p.topic)]
        resumed = [p for p in self._assigned if only in (None, p.topic)]
        self._consumer.pause(paused)
        self._consumer.resume(resumed)

    def _read(self, topic: str, partition: int, upto: int) -> None:
        if upto >= self._history.get((topic, partition), upto + 1):
            del self._history[topic, partition]
            self._pace()

    def _take(self, message: Message, stop: Event) -> None:
        topic, partition, offset = str(message.topic()), message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        payload = message.value()
        notice = None
        if payload is not None:
            try:
                record = self._decode[topic](payload)
            except RefusedRecordError as error:
                log.warning("%s-%s@%s tells nothing: %s", topic, partition, offset, error)
            else:
                take = self._incidents.on_alert if topic == ALERTS else self._incidents.on_state
                notice = take(record)
        if offset < self._told.get((topic, partition), 0):
            return
        if notice is not None and not self._tell(notice, stop):
            return  # told to stop in the middle: it is told of again
        try:
            place = TopicPartition(topic, partition, offset + 1)
            self._consumer.commit(offsets=[place], asynchronous=False)
        except KafkaException as error:
            if is_fatal(error):
                raise
            log.warning("the log did not take the offset, so this may be told again: %s", error)

    def _tell(self, notice: Notice, stop: Event) -> bool:
        waiting: Iterable[str] = list(self._channels)
        for tried in range(_TRIES):
            waiting = [name for name in waiting if not self._channels[name](notice)]
            if not waiting:
                return True
            if stop.wait(_RETRY_S * 2**tried):
                return False
        log.error("%s (%s) did not reach %s", notice.incident, notice.kind, ", ".join(waiting))
        return True
