"""Jobs on the real cluster: found by their label, cancelled, and taken up again where they stood."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from py4j.java_gateway import JavaGateway

from augury.apply import apply, cluster, log_addresses
from augury.clients import codec
from augury.stack import Stack
from features import Entity, FeatureGroup, Source, count
from features.compile import compile_group
from features.errors import DefinitionError
from features.project import Project
from schemas.log import Topic, consumer, create_topics, producer
from streams.job import cancel, jobs, kept, latest_checkpoint, restart, running, submit
from streams.state import uids
from tests.definitions import SCHEMA

HOUR = 3_600_000
KEPT = {"retention.ms": "-1"}
SOURCE = Source("job_landed", SCHEMA, "landed_at", "id", "id", dedup="1h")
GROUP = FeatureGroup("job_landings", version=1, entity=Entity("carrier"), source=SOURCE, aggregates=[count()])
PLAN = compile_group(GROUP)
# Other SQL, and other steps in it, over the same state.
RESPELLED = compile_group(replace(GROUP, where="not diverted", derived={"twice": "count * 2"}))
OTHER = replace(GROUP, aggregates=[count(), count(over="1h")])
UNFIT = compile_group(OTHER)


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.1)


def test_the_newest_complete_checkpoint_is_taken(tmp_path: Path) -> None:
    folder = f"file://{tmp_path}"
    assert latest_checkpoint(folder, "a.v1") is None
    places = ("a.v1/job2/chk-9", "a.v1/job1/chk-12", "a.v1/savepoints/savepoint-1-2", "b.v1/job3/chk-40")
    for age, place in enumerate(places):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "_metadata").touch()
        os.utime(tmp_path / place / "_metadata", (1_000 - age, 1_000 - age))
    (tmp_path / "a.v1/job2/chk-10").mkdir()  # not complete
    assert latest_checkpoint(folder, "a.v1") == f"file://{tmp_path}/a.v1/job2/chk-9"
    os.utime(tmp_path / "a.v1/savepoints/savepoint-1-2/_metadata")
    assert latest_checkpoint(folder, "a.v1") == f"file://{tmp_path}/a.v1/savepoints/savepoint-1-2"


@pytest.mark.stack
def test_a_job_goes_on_from_a_state_that_fits_and_from_no_other(
    stack: Stack, flink_client: JavaGateway
) -> None:
    settings = stack.settings
    create_topics(
        settings.kafka_bootstrap,
        [Topic(name, 1, KEPT) for name in (SOURCE.name, PLAN.topic, "dead_letters", "features.clocks")],
    )
    encode = codec(settings).encoder(SOURCE.name, SOURCE.avro)
    sender = producer(settings.kafka_bootstrap)
    reader = consumer(settings.kafka_bootstrap, "job-test")
    reader.subscribe([PLAN.topic])
    decode = codec(settings).decode
    seen: list[dict[str, Any]] = []

    def send(number: int) -> None:
        at = number * HOUR
        event = {"id": f"e{number}", "landed_at": at, "carrier": "A", "diverted": False}
        sender.produce(SOURCE.name, encode(event), timestamp=at)
        sender.flush()

    def rows(wanted: int) -> bool:
        seen.extend(decode(message.value() or b"") for message in reader.consume(100, 0.1))
        return len(seen) >= wanted

    try:
        send(1)
        at, there = log_addresses(settings), cluster(settings)
        first = submit(PLAN, at, there)
        until(lambda: rows(1))
        found = running(settings.flink_url, PLAN.label)
        assert found is not None
        assert found.id == first
        until(lambda: latest_checkpoint(settings.checkpoints_url, PLAN.label))
        before = latest_checkpoint(settings.checkpoints_url, PLAN.label)
        until(lambda: latest_checkpoint(settings.checkpoints_url, PLAN.label) != before)  # holds the row
        with pytest.raises(DefinitionError, match=r"aggregates\.1 was none") as refused:
            restart(UNFIT, at, there, found)
        assert refused.value.place == f"job {PLAN.label}, state of the running job {first}"
        assert running(settings.flink_url, PLAN.label) == found
        cancel(settings.flink_url, found)
        until(lambda: {job.state for job in jobs(settings.flink_url) if job.id == first} == {"CANCELED"})
        assert running(settings.flink_url, PLAN.label) is None
        left = latest_checkpoint(settings.checkpoints_url, PLAN.label)
        assert left is not None
        assert kept(left) == set(uids(PLAN).values())
        told: list[str] = []
        for start in (
            lambda: submit(UNFIT, at, there),
            lambda: apply(Project("jobs", (SOURCE,), (OTHER,), (), ()), settings, told.append),
        ):
            with pytest.raises(DefinitionError, match=r"windows\.0 was none") as refused:
                start()
            assert refused.value.place == f"job {PLAN.label}, state of {left}"
        assert told == []
        assert running(settings.flink_url, PLAN.label) is None
        send(2)
        second = submit(RESPELLED, at, there)
        assert second != first
        until(lambda: rows(2))
        found = running(settings.flink_url, PLAN.label)
        assert found is not None
        third = restart(PLAN, at, there, found)
        assert {job.id: job.state for job in jobs(settings.flink_url)}[second] == "FINISHED"
        send(3)
        until(lambda: rows(3))
        assert third not in (first, second)
        assert [(row["seq"], row["count"], row["offset"]) for row in seen] == [
            (1, 1, 0),
            (2, 2, 1),
            (3, 3, 2),
        ]
        assert [row.get("twice") for row in seen] == [None, 4, None]
    finally:
        reader.close()
        sender.close()
        job = running(settings.flink_url, PLAN.label)
        if job is not None:
            cancel(settings.flink_url, job)
