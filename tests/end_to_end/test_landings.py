"""Disordered, repeated, broken and future events: three engines give the same rows; bad input is told."""

import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from py4j.java_gateway import JavaGateway

from augury.stack import Stack
from features.inputs import SourcePlan
from features.plan import BOUND, GroupPlan
from features.reference import LogRecord, events, rows
from schemas.log import consumer, producer
from tests.end_to_end.world import World
from tests.features.logs import DAY, HOUR, MINUTE, SECOND, Step, log

pytestmark = pytest.mark.stack

NOT_AVRO = b"not Avro"
UNKNOWN_SCHEMA = struct.pack(">bI", 0, 2**31 - 1) + b"\x02a"
NO_ID = {"id": None, "landed_at": 0, "carrier": "A", "diverted": False}
WITHOUT_ID = {
    "type": "record",
    "name": "landed",
    "fields": [
        {"name": "id", "type": ["null", "string"]},
        {"name": "landed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "carrier", "type": ["null", "string"]},
        {"name": "diverted", "type": "boolean"},
    ],
}
REASONS = {  # the sink's, by payload
    NOT_AVRO: "a record starts with a zero byte",
    UNKNOWN_SCHEMA: "schema",
}


def steps(seed: int, count: int) -> list[Step]:
    """Make random steps: late, repeated, from the future, out of order, refused, and ticks."""
    dice = random.Random(seed)
    return [
        Step(
            gap=dice.choice([0, 0, 1, SECOND, MINUTE - 1, MINUTE, HOUR // 2, HOUR, HOUR + 1]),
            behind=dice.choice([0, 0, 0, 1, SECOND, HOUR]),
            late=dice.choice([0, 0, 0, 1, MINUTE, HOUR // 2 - 1, HOUR, 5 * HOUR, 400 * DAY, -10 * SECOND]),
            partition=dice.randrange(2),
            id=dice.choice([None, None, dice.randrange(20)]),
            carrier=dice.choice(["A", "A", "B|\\", "", "ü日", None]),
            gate=dice.choice([1, 1, -2, None]),
            delay=dice.choice(
                [None, -0.0, 15.5, 0.0000005, float(BOUND), round(dice.uniform(-50, 50), 8)] * 4
                + [-2.0 * BOUND, float("nan"), float("inf")]
            ),
            seats=dice.choice([3, 1, -7, BOUND, None] * 5 + [BOUND + 1]),
            diverted=dice.random() < 0.2,
            tick=dice.random() < 0.05,
        )
        for _ in range(count)
    ]


class Landings(World):
    """The project on the stack; one random log in each of its sources, with bad records in the middle."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack, "tests.end_to_end.landings")
        self.no_id = self.codec.encoder("landed_without_id", WITHOUT_ID)(NO_ID)
        self.sink_refuses = {**REASONS, self.no_id: "an event has an event id, and id is null"}
        records = log(steps(20130201, 400), partitions=2)
        self.end = max(record.kafka_time for record in records) + DAY
        self.logs: dict[str, list[LogRecord]] = {}
        self.bad: dict[tuple[Any, ...], str] = {}
        for source in self.project.source_plans.values():
            self.publish(source, records)
            self.logs[source.name] = self.read_back(source)
        self.settle(self.end)

    def publish(self, source: SourcePlan, records: list[LogRecord]) -> None:
        """Write the records under their keys, bad ones after every hundred, and a last tick."""
        sender = producer(self.settings.kafka_bootstrap)
        encode = self.codec.encoder(source.topic, source.avro)
        for number, record in enumerate(records):
            place: dict[str, Any] = {"topic": source.topic, "timestamp": record.kafka_time}
            if record.value is None:
                sender.produce(value=None, partition=record.partition, **place)
            else:
                key = record.value[source.partition_key]
                sender.produce(value=encode(record.value), key=None if key is None else str(key), **place)
            if number % 100 == 50:
                for payload in self.sink_refuses:
                    sender.produce(value=payload, partition=number // 100 % 2, **place)
        for partition in range(source.partitions):
            sender.produce(source.topic, value=None, partition=partition, timestamp=self.end)
        assert sender.flush(60) == 0
        sender.close()

    def read_back(self, source: SourcePlan) -> list[LogRecord]:
        """Read what the log holds, and note what the sink must refuse."""
        reader = consumer(self.settings.kafka_bootstrap, "read-back")
        found = []
        for partition in range(source.partitions):
            place = TopicPartition(source.topic, partition, 0)
            end = reader.get_watermark_offsets(place, timeout=30)[1]
            reader.assign([place])
            for _ in range(end):
                message = reader.poll(30)
                assert message is not None
                payload, offset = message.value(), message.offset()
                assert offset is not None, message.error()
                refused = payload in self.sink_refuses
                if payload is not None and refused:
                    self.bad["sink", source.topic, partition, offset] = self.sink_refuses[payload]
                value = None if payload is None or refused else self.codec.decode(payload)
                found.append(LogRecord(source.topic, partition, offset, message.timestamp()[1], value))
        reader.close()
        return found

    def read_by(self, plan: GroupPlan) -> list[LogRecord]:
        """Give the logs of the group's sources."""
        return [record for source in plan.inputs for record in self.logs[source.name]]


@pytest.fixture(scope="module")
def landings(stack: Stack, flink_client: JavaGateway) -> Iterator[Landings]:
    landings = Landings(stack)
    yield landings
    landings.close()


def test_the_project_has_every_order_and_dedup(landings: Landings) -> None:
    ways = {(plan.order, plan.source.dedup) for plan in landings.plans}
    assert ways == {("log", "partition"), ("log", "keyed"), ("arrival", "none")}


@pytest.mark.parametrize(
    "label", ["stand_landings.v1", "airline_landings.v3", "airline_now.v1", "gathered.v1"]
)
def test_three_engines_give_the_same_rows(landings: Landings, label: str) -> None:
    plan = landings.project.group_plans[label]
    expected = rows(plan, landings.read_by(plan), landings.end)
    assert len(expected) > 300
    assert differences(landings.rows(plan, plan.table), expected) == []
    found = landings.backfilled(plan, landings.end)
    assert (found.mismatches, found.first) == (0, ())
    assert differences(landings.rows(plan, plan.backfill_table), expected) == []
    assert landings.wrong_in_store(plan) == []


def test_good_events_all_arrive(landings: Landings) -> None:
    for source in landings.project.source_plans.values():
        good = [(r.partition, r.offset) for r in landings.logs[source.name] if r.value is not None]
        stored = landings.query(f"SELECT log_partition, log_offset FROM {source.name} FINAL")
        assert sorted(stored) == sorted(good)


def test_what_is_refused_is_a_dead_letter_with_its_place_and_reason(landings: Landings) -> None:
    reasons = dict(landings.bad)
    for plan in landings.plans:
        _, refused = events(plan, landings.read_by(plan))
        for topic, partition, offset, reason in refused:
            reasons[plan.label, topic, partition, offset] = said(reason)
    found = landings.dead_letters(landings.project.source_plans)
    assert found.keys() == reasons.keys()
    assert [place for place, reason in reasons.items() if reason not in found[place]] == []
    assert set(reasons.values()) == {*landings.sink_refuses.values(), *map(said, ("entity", "number"))}


def test_jobs_run_on_as_if_nothing_had_been(landings: Landings) -> None:
    for plan in landings.plans:
        failures = landings.flink(f"/jobs/{landings.job(plan)}/exceptions")
        assert failures["exceptionHistory"]["entries"] == []


def said(reason: str) -> str:
    """Give what the job says where the reference has `reason`."""
    return "an event names its entity" if reason.startswith("entity") else "a number lies within the bound"


def differences(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[str]:
    """List the first rows that are not the same, as texts that can be read."""
    pairs = zip(found, expected, strict=False)
    wrong = [
        f"{e['entity']!r} {e['seq']}: { {k: (f[k], e[k]) for k in e if f[k] != e[k]} }"
        for f, e in pairs
        if f != e
    ]
    count = [] if len(found) == len(expected) else [f"{len(found)} rows, not {len(expected)}"]
    return count + wrong[:5]
