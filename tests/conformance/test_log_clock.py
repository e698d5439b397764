"""What moves the log's clock, and what does not: pauses, stamps from the future, and the ticker."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from augury.apply import apply
from augury.clock import wall_ms
from augury.settings import Settings, child_environment
from features.plan import GroupPlan
from features.project import load_project
from features.windows import floor
from schemas.log import consumer, deliver, producer
from streams.job import cancel, running
from tests.conformance.engines import differences, reference, seeded
from tests.conformance.flink import Flink
from tests.end_to_end.world import until
from tests.features.logs import DAY, SECOND

pytestmark = pytest.mark.stack

LIVE = "tests.conformance.live"
IN_2099 = 4_086_000_000_000


def test_a_replay_that_pauses_gives_the_same_rows(flink: Flink) -> None:
    logs = flink.place(seeded(3, 120))
    for start in range(0, 120, 40):
        for log in logs:
            flink.publish(log.records[start : start + 40])
        flink.taken()
    for found, expected in zip(flink.finish(logs), reference(logs), strict=True):
        assert differences(found, expected) == []


def test_a_stamp_from_2099_is_refused_and_changes_no_row(flink: Flink) -> None:
    logs = flink.place(seeded(4, 60))
    for log in logs:
        flink.publish(log.records[:30])
        for value in (b"an event", None):
            assert refusal(flink, log.plan.source.topic, value, IN_2099) == KafkaError.INVALID_TIMESTAMP
        flink.publish(log.records[30:])
    for found, expected in zip(flink.finish(logs), reference(logs), strict=True):
        assert differences(found, expected) == []


def refusal(flink: Flink, topic: str, value: bytes | None, timestamp: int) -> int:
    """Send a record that the broker refuses; give its error."""
    errors: list[KafkaError | None] = []
    sender = producer(flink.settings.kafka_bootstrap)
    sender.produce(
        topic, value, partition=0, timestamp=timestamp, on_delivery=lambda error, _: errors.append(error)
    )
    sender.flush(60)
    sender.close()
    (error,) = errors
    assert error is not None
    return int(error.code())


@pytest.fixture
def live(flink: Flink) -> Iterator[tuple[Settings, GroupPlan]]:
    """The project of a source that falls silent, applied as it is live."""
    settings = flink.settings.model_copy(update={"replay": False, "tick_ms": 500})
    project = load_project(LIVE)
    (plan,) = project.group_plans.values()
    apply(project, settings)
    yield settings, plan
    job = running(settings.flink_url, plan.label)
    if job is not None:
        cancel(settings.flink_url, job)


@contextmanager
def ticking(settings: Settings) -> Iterator[None]:
    """Run the ticker as the stack does."""
    command = [sys.executable, "-m", "augury", "service", "ticker", LIVE]
    environment = child_environment(**settings.environment(), PYTHONPATH=str(Path.cwd()))
    process = subprocess.Popen(command, env=environment)
    try:
        yield
        assert process.poll() is None
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_a_quiet_source_decays_by_the_ticker_alone(flink: Flink, live: tuple[Settings, GroupPlan]) -> None:
    settings, plan = live
    rows = Topic(flink, plan.topic, plan.source.partitions)
    events = Topic(flink, plan.source.topic, plan.source.partitions)
    # from the future, so that it happens when the log takes it; and the broker stamps it, not its producer
    event = {"id": "e", "landed_at": wall_ms() + DAY, "carrier": "A", "seats": 7, "diverted": False}
    payload = flink.codec.encoder(plan.source.topic, plan.source.avro)(event)
    sender = producer(settings.kafka_bootstrap)
    deliver(sender, [{"topic": plan.source.topic, "value": payload, "partition": 1, "timestamp": IN_2099}])
    sender.close()
    with ticking(settings):
        until(lambda: len(rows.read()) >= 2, "a row at the event, and one of decay")
    ((taken, _),) = [(at, value) for at, value in events.read() if value is not None]  # all others are ticks
    assert taken < IN_2099
    leaves = floor(taken, SECOND) + SECOND + 2 * SECOND
    found = [flink.codec.decode(value or b"") for _, value in rows.read()]
    at = {"entity": "A", "last_event_time": taken, "seats_last": 7}
    assert found == [
        {**at, "event_timestamp": taken, "seq": 1, "count_2s": 1}
        | {"topic": plan.source.topic, "partition": 1, "offset": found[0]["offset"]},
        {**at, "event_timestamp": leaves, "seq": 2, "count_2s": 0}
        | {"topic": None, "partition": None, "offset": None},
    ]


class Topic:
    """What a topic holds: Kafka times and payloads."""

    def __init__(self, flink: Flink, name: str, partitions: int) -> None:
        self._bootstrap = flink.settings.kafka_bootstrap
        self._places = [TopicPartition(name, number, OFFSET_BEGINNING) for number in range(partitions)]

    def read(self) -> list[tuple[int, bytes | None]]:
        """Read all of it, up to its end now."""
        reader = consumer(self._bootstrap, "log-clock-test")
        found: list[tuple[int, bytes | None]] = []
        try:
            for place in self._places:
                end = reader.get_watermark_offsets(place, timeout=30)[1]
                reader.assign([place])
                for _ in range(end):
                    message = reader.poll(30)
                    assert message is not None
                    assert message.error() is None
                    found.append((message.timestamp()[1], message.value()))
        finally:
            reader.close()
        return found
