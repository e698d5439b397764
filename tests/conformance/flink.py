"""Flink as an engine: the project's jobs on the real cluster, which stay while streams come.

A job takes seconds to start, so streams share its log: each has its own keys and ids, and a time after all
streams before it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import httpx
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from augury.stack import Stack
from features.plan import GroupPlan
from features.reference import LogRecord
from schemas.log import consumer, producer
from tests.conformance.engines import PLANS, PROJECT, Log, Rows, Timeline
from tests.end_to_end.world import World, until
from tests.features.logs import Step

_WAIT_S = 30.0


class Flink(World):
    """The project on the stack; no stream has come yet, so that the first begins at time zero."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack, PROJECT)
        self._sender: Producer = producer(self.settings.kafka_bootstrap)
        self._reader: Consumer = consumer(self.settings.kafka_bootstrap, "conformance")
        self._encode: dict[str, Callable[[dict[str, Any]], bytes]] = {
            s.topic: self.codec.encoder(s.topic, s.avro) for p in PLANS for s in p.inputs
        }
        self._timeline = Timeline()
        self._read: dict[tuple[str, int], int] = {}

    def close(self) -> None:
        """Close the clients too."""
        self._reader.close()
        self._sender.close()
        super().close()

    def gain(self, plans: Iterable[GroupPlan]) -> None:
        """Write from now on with the schemas of these plans' sources, which have a text column `added`."""
        for source in (source for plan in plans for source in plan.inputs):
            encode = self.codec.encoder(source.topic, source.avro)
            self._encode[source.topic] = lambda value, encode=encode: encode(value | {"added": "a text"})

    def place(self, steps: Sequence[Step]) -> list[Log]:
        """Give the stream the time after all that were placed before, in which order they are published."""
        return self._timeline.place(steps)

    def compute(self, logs: Sequence[Log]) -> list[Rows]:
        """Let the jobs compute the rows, and read them from the groups' topics."""
        for log in logs:
            self.publish(log.records)
        return self.finish(logs)

    def finish(self, logs: Sequence[Log]) -> list[Rows]:
        """Give the rows of logs that were published."""
        self.end()
        emitted = {plan.label: self.read(plan) for plan in PLANS}
        return [log.of(emitted[log.plan.label]) for log in logs]

    def stored(self, log: Log) -> Rows:
        """Read a stream's rows from the warehouse, each once."""
        return log.of(self.rows(log.plan, log.plan.table))

    def emitted(self, plan: GroupPlan) -> int:
        """Count the rows that have come to the group's topic."""
        places = [TopicPartition(plan.topic, number) for number in range(_partitions(plan))]
        return sum(self._reader.get_watermark_offsets(place, timeout=_WAIT_S)[1] for place in places)

    def publish(self, records: Sequence[LogRecord], bad: Mapping[tuple[str, int, int], bytes] = {}) -> None:
        """Write a part of a log; `bad` has the payloads of those that are no events, by place."""
        taken: list[tuple[str | None, int | None, int | None]] = []

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            assert error is None, error
            taken.append((message.topic(), message.partition(), message.offset()))

        for record in records:
            value, key, place = record.value, None, (record.topic, record.partition, record.offset)
            self._sender.produce(
                record.topic,
                bad.get(place) if value is None else self._encode[record.topic](value),
                key,
                record.partition,
                timestamp=record.kafka_time,
                on_delivery=on_delivery,
            )
        assert self._sender.flush(60) == 0
        assert sorted(taken) == sorted((r.topic, r.partition, r.offset) for r in records)

    def end(self) -> None:
        """Tick all partitions at the end of what was published, and wait until the rows before are out."""
        clock, offsets = self._timeline.start, self._timeline.offsets
        for source in (source for plan in PLANS for source in plan.inputs):
            places = [(source.topic, number) for number in range(source.partitions)]
            self.publish([LogRecord(*at, offsets.get(at, 0), clock, None) for at in places])
            offsets |= {at: offsets.get(at, 0) + 1 for at in places}
        for plan in PLANS:
            until(lambda: self.clock(plan) >= clock - 1, f"{plan.label} at {clock}")  # noqa: B023
        self.checkpoint()

    def checkpoint(self, plans: Sequence[GroupPlan] = PLANS) -> None:
        """Take checkpoints, which flush what the jobs have written."""
        wanted = {plan.label: self._trigger(plan) for plan in plans}

        def through() -> bool:
            for plan in plans:
                told = self.flink(wanted[plan.label]) if plan.label in wanted else {}
                if told and told["status"]["id"] == "COMPLETED":
                    del wanted[plan.label]
                    if "failureCause" in told["operation"]:  # as where a step ends just then
                        wanted[plan.label] = self._trigger(plan)
            return not wanted

        until(through, "checkpoints")

    def _trigger(self, plan: GroupPlan) -> str:
        path = f"/jobs/{self.job(plan)}/checkpoints"
        answer = httpx.post(f"{self.settings.flink_url}{path}", json={"checkpointType": "FULL"}, timeout=30)
        return f"{path}/{answer.raise_for_status().json()['request-id']}"

    def taken(self) -> None:
        """Wait until checkpoints hold that all that was published has been read."""
        for plan in PLANS:
            self._read_to_the_end(f"augury.{plan.label}", [source.topic for source in plan.inputs])

    def settled_sink(self) -> None:
        """Wait until the warehouse holds all events that were published."""
        self._read_to_the_end("augury.sink", [source.topic for plan in PLANS for source in plan.inputs])

    def read(self, plan: GroupPlan) -> Rows:
        """Read what has come to the group's topic since the last time."""
        found: list[dict[str, Any]] = []
        for number in range(_partitions(plan)):
            place = plan.topic, number
            at = self._read.get(place, 0)
            end = self._reader.get_watermark_offsets(TopicPartition(*place), timeout=_WAIT_S)[1]
            self._reader.assign([TopicPartition(*place, at)])
            while at < end:
                messages = self._reader.consume(end - at, _WAIT_S)
                assert messages, f"nothing more came of {place} at {at}, which ends at {end}"
                for message in messages:
                    assert message.error() is None, message.error()
                    at = (message.offset() or 0) + 1
                    found.append(self.codec.decode(message.value() or b""))
            self._read[place] = at
        return sorted(found, key=lambda row: str(row["entity"]))


def _partitions(plan: GroupPlan) -> int:
    """Count the partitions of the group's topic."""
    return max(source.partitions for source in plan.sources)
