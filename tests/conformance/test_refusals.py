"""Bad input in the middle of a stream: it is told, and changes no row."""

import struct
from typing import Any

import pytest

from features.reference import LogRecord, events
from tests.conformance.engines import PLANS, Log, differences, reference, seeded
from tests.conformance.flink import Flink

pytestmark = pytest.mark.stack

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
Place = tuple[str, int, int]


class Sent:
    """A long stream in which some ticks are bad records instead."""

    def __init__(self, flink: Flink) -> None:
        no_id = {"id": None, "landed_at": 0, "carrier": "A", "diverted": False}
        self.reasons = {  # the sink's, by payload
            b"not Avro": "a record starts with a zero byte",
            struct.pack(">bI", 0, 2**31 - 1) + b"\x02a": "schema",
            flink.codec.encoder("landed_without_id", WITHOUT_ID)(
                no_id
            ): "an event has an event id, and id is null",
        }
        self.logs = flink.place(seeded(20130202, 300))
        self.bad: dict[Place, bytes] = {}
        payloads = [*self.reasons]
        for log in self.logs:
            ticks = [place(record) for record in log.records if record.value is None]
            assert len(ticks) > len(payloads)
            self.bad |= zip(ticks, payloads, strict=False)
            flink.publish(log.records, self.bad)
        self.failures = [failures(flink, log) for log in self.logs]
        flink.end()
        flink.settle(self.logs[0].until)


def place(record: LogRecord) -> Place:
    return record.topic, record.partition, record.offset


def failures(flink: Flink, log: Log) -> Any:
    return flink.flink(f"/jobs/{flink.job(log.plan)}/exceptions")["exceptionHistory"]["entries"]


@pytest.fixture(scope="module")
def sent(flink: Flink) -> Sent:
    return Sent(flink)


def test_rows_are_those_of_the_good_events(flink: Flink, sent: Sent) -> None:
    for log, expected in zip(sent.logs, reference(sent.logs), strict=True):
        assert differences(flink.stored(log), expected) == []


def test_good_events_all_arrive(flink: Flink, sent: Sent) -> None:
    for log in sent.logs:
        tables = " UNION ALL ".join(
            f"SELECT log_topic, log_partition, log_offset FROM {source.name} FINAL"
            for source in log.plan.inputs
        )
        held = flink.query(tables)
        own = {place(record): record.value for record in log.records}
        good = {at for at, value in own.items() if value is not None}
        assert {at for at in held if at in own} == good


def test_what_is_refused_is_a_dead_letter_with_its_place_and_reason(flink: Flink, sent: Sent) -> None:
    reasons: dict[tuple[Any, ...], str] = {
        ("sink", *at): sent.reasons[payload] for at, payload in sent.bad.items()
    }
    for log in sent.logs:
        _, refused = events(log.plan, log.records)
        reasons |= {(log.plan.label, *at): said(reason) for *at, reason in refused}
    own = {place(record) for log in sent.logs for record in log.records}
    told = flink.dead_letters(source.topic for plan in PLANS for source in plan.inputs)
    found = {key: reason for key, reason in told.items() if key[1:] in own}
    assert found.keys() == reasons.keys()
    assert [at for at, reason in reasons.items() if reason not in found[at]] == []
    assert set(reasons.values()) == {*sent.reasons.values(), *map(said, ("entity", "number"))}


def test_jobs_run_on_as_if_nothing_had_been(flink: Flink, sent: Sent) -> None:
    assert [failures(flink, log) for log in sent.logs] == sent.failures


def said(reason: str) -> str:
    """Give what the job says where the reference has `reason`."""
    return "an event names its entity" if reason.startswith("entity") else "a number lies within the bound"
