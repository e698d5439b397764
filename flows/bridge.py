"""The bridge from Kafka to Prefect: an event in, at most one flow run out, and only then a commit.

It keeps nothing that a restart could lose: the key of a run is a function of the event, so what is read
again asks for the run that is already there.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from flows.contracts import CreateRun
from flows.runs import RefusedRunError
from flows.triggers import Trigger, Triggers, UnknownPolicyError, evaluation
from schemas.codec import Codec, RefusedRecordError
from schemas.records import TOPICS as RECORDS
from schemas.records import load

log = logging.getLogger(__name__)

ALERTS, REGISTRY_EVENTS, GROUND_TRUTH = "alerts", "registry.events", "ground_truth"
TOPICS = (ALERTS, REGISTRY_EVENTS, GROUND_TRUTH)
ORIGIN = "bridge"
_COMMIT_S = 1.0
_RETRY_S = 1.0
_PUBLISH_S = 5.0


class Refuse(Protocol):
    """Takes a dead letter."""

    def __call__(self, letter: Mapping[str, Any]) -> None:
        """Return once the log has acknowledged it."""


class Bridge:
    """Reads `TOPICS` and asks `create_run` for the flow runs that `triggers` derive from them.

    `on_trial` gives the version of a model whose trial is on, or None. `refuse` takes the dead letter of
    a record that cannot be read, or whose run Prefect refuses. `publish` sends the registry's outbox to
    the log; it is called every 5 s, for whoever changed the registry may have died before its own call.
    """

    def __init__(
        self,
        consumer: Consumer,
        codec: Codec,
        triggers: Triggers,
        on_trial: Callable[[str], int | None],
        create_run: CreateRun,
        refuse: Refuse,
        publish: Callable[[], object] | None = None,
    ) -> None:
        self._consumer = consumer
        # As this process knows the records: one of other types is refused, and is not tried for ever.
        self._decode = {topic: codec.decoder(load(RECORDS[topic])) for topic in TOPICS}
        self._triggers = triggers
        self._on_trial = on_trial
        self._create_run = create_run
        self._refuse = refuse
        self._publish = publish
        self._clock: dict[int, int] = {}  # of ground_truth, by partition
        self._looked: dict[str, int] = {}  # by model; saves asking for the same look at every record
        self._done: dict[tuple[str, int], int] = {}  # next offsets, not yet committed
        self.asked: Counter[str] = Counter()  # runs since the start, by flow
        self.refused = 0  # dead letters since the start

    def run(self, stop: Event, ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set; then commit and close the consumer. An outage is waited out.

        `ready` is called at each assignment of partitions, when they are about to be read.
        """
        self._consumer.subscribe(list(TOPICS), on_assign=lambda *_: ready())
        committed = published = time.monotonic()
        try:
            while not stop.is_set():
                message = self._consumer.poll(0.2)
                if message is not None:
                    self._step(message, stop)
                if time.monotonic() - committed > _COMMIT_S:
                    self._commit()
                    committed = time.monotonic()
                if time.monotonic() - published > _PUBLISH_S:
                    self._sweep()
                    published = time.monotonic()
        finally:
            self._commit()
            self._consumer.close()

    def _step(self, message: Message, stop: Event) -> None:
        if message.error() is not None:
            log.warning("the log could not be read: %s", message.error())
            stop.wait(_RETRY_S)
            return
        topic, partition, offset = _place(message)
        try:
            self._handle(message)
        except Exception as error:
            # Nothing may be skipped, whatever went wrong: it is read again, and the group is kept.
            log.warning("%s-%s@%s waits for a retry: %s", topic, partition, offset, error)
            self._consumer.seek(TopicPartition(topic, partition, offset))
            stop.wait(_RETRY_S)
            return
        self._done[topic, partition] = offset + 1

    def _handle(self, message: Message) -> None:
        payload = message.value()
        topic, partition, offset = _place(message)
        if payload is None:  # a tick of the clock: labels may be missing for good by now
            if topic == GROUND_TRUTH:
                for model_name in self._triggers.judged:
                    self._on_clock(model_name, partition, message.timestamp()[1])
            return
        try:
            record = self._decode[topic](payload)
            if topic == GROUND_TRUTH:
                self._on_clock(record["model_name"], partition, message.timestamp()[1])
            elif topic == ALERTS:
                self._start(self._triggers.on_alert(record))
            else:
                self._start(self._triggers.on_registry_event(record))
        except (RefusedRecordError, RefusedRunError, UnknownPolicyError) as error:
            log.warning("%s-%s@%s is refused: %s", topic, partition, offset, error)
            self._refuse(
                {
                    "origin": ORIGIN,
                    "topic": topic,
                    "partition": partition,
                    "offset": offset,
                    "reason": str(error),
                    "payload": payload,
                    "at": message.timestamp()[1],
                }
            )
            self.refused += 1

    def _start(self, trigger: Trigger | None) -> None:
        if trigger is not None:
            run = self._create_run(trigger.flow, trigger.parameters, trigger.key)
            self.asked[trigger.flow] += 1
            log.info("%s %s is run %s", trigger.flow, trigger.key, run)

    def _on_clock(self, model_name: str, partition: int, at: int) -> None:
        # After a restart the running maximum begins anew; at worst it asks for a look already made.
        clock = max(self._clock.get(partition, 0), at)
        self._clock[partition] = clock
        until = self._triggers.look(model_name, clock)
        if until is None or until <= self._looked.get(model_name, -1):
            return
        version = self._on_trial(model_name)
        if version is not None:
            self._start(evaluation(model_name, version, until))
        self._looked[model_name] = until

    def _sweep(self) -> None:
        if self._publish is None:
            return
        try:
            self._publish()
        except Exception as error:  # a database's, a broker's or a schema registry's outage
            log.warning("the registry's events stay in its outbox for now: %s", error)

    def _commit(self) -> None:
        if not self._done:
            return
        offsets = [TopicPartition(topic, at, offset) for (topic, at), offset in self._done.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
            self._done.clear()
        except KafkaException as error:
            log.warning("offsets were not committed, their events will be read again: %s", error)


def _place(message: Message) -> tuple[str, int, int]:
    return str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)
