"""Reports by the real log, online store and Faust, and what the agent makes of them."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from redis import Redis

from features import FeatureGroup, count
from features.compile import compile_group
from features.layout import clock_key, pack_clock
from features.plan import GroupPlan
from schemas.codec import Codec
from schemas.log import Topic, create_topics, producer
from schemas.records import TOPICS, load
from schemas.registry import SchemaRegistry
from streams.freshness import FRESH, QUIET, STALLED, Changes, Limits
from streams.freshness_agent import CHANGELOG, FreshnessAgent
from streams.reporter import REPORTS, TOPIC, Reporter
from tests.definitions import carrier, landed

pytestmark = pytest.mark.stack
MINUTE = 60_000
START = 1_700_000_000_000


class World:
    """A group of its own, whose clock and log the test moves."""

    def __init__(self, settings: Any, folder: Path) -> None:
        name = f"fresh_{uuid.uuid4().hex[:10]}"
        plan = compile_group(FeatureGroup(name, 1, carrier, landed(), [count(over="1h")]))
        source = replace(plan.sources[0], name=name, partitions=1)
        self.plan: GroupPlan = replace(plan, sources=(source,))
        create_topics(
            settings.kafka_bootstrap,
            [Topic(source.topic, config={"retention.ms": "-1"}), TOPIC, CHANGELOG],
        )
        self.settings, self.folder, self.now = settings, folder, START
        self.codec = Codec(SchemaRegistry(settings.registry_url))
        self.redis = Redis.from_url(settings.redis_url)
        self.producer = producer(settings.kafka_bootstrap)
        self.changes: list[Changes] = []
        self.reporter = Reporter(
            [self.plan],
            self.redis,
            AdminClient({"bootstrap.servers": settings.kafka_bootstrap}),
            self.producer,
            self.codec.encoder(REPORTS, load(TOPICS[REPORTS])),
            lambda: self.now,
            1.0,
        )

    def tick(self, at: int) -> None:
        """Let the log go on to a time."""
        self.producer.produce(self.plan.sources[0].topic, None, partition=0, timestamp=at)
        self.producer.flush()

    def show(self, clock: int) -> None:
        """Let the group's readers see a clock."""
        self.redis.set(clock_key(self.plan.name, self.plan.version), pack_clock(clock))

    @contextmanager
    def agent(self) -> Iterator[FreshnessAgent]:
        limits = {self.plan.label: Limits.of(self.plan)}
        agent = FreshnessAgent(
            self.settings.kafka_bootstrap,
            self.codec,
            limits,
            self.changes.append,
            lambda: self.now,
            self.folder,
            0.1,
        )
        stop, ready = threading.Event(), threading.Event()
        thread = threading.Thread(target=agent.run, args=(stop, ready.set))
        thread.start()
        try:
            assert ready.wait(60)
            yield agent
        finally:
            stop.set()
            thread.join()

    def until(self, true: Callable[[], bool]) -> None:
        """Report until something is true."""
        deadline = time.monotonic() + 60
        while not true():
            assert time.monotonic() < deadline, self.changes
            self.reporter.report()
            time.sleep(0.1)


def test_a_stalled_pipeline_and_a_quiet_source_are_told_apart_over_a_restart(
    stack: Any, tmp_path: Path
) -> None:
    world = World(stack.settings, tmp_path)
    label = world.plan.label
    late = world.plan.alert_threshold_ms + MINUTE
    world.tick(START)
    world.show(START)
    with world.agent() as agent:
        world.now = START + late
        world.tick(world.now)  # the log goes on, the group does not
        world.until(lambda: agent.verdicts[label] == STALLED)
        assert len(world.changes) == 1
    with world.agent() as agent:  # what is open is known from the changelog
        world.show(world.now)
        world.until(lambda: len(world.changes) == 2)
        assert agent.verdicts[label] == FRESH
        ((alert,), ()) = world.changes[0].alerts, world.changes[0].states
        ((), (state,)) = world.changes[1].alerts, world.changes[1].states
        assert (state["alert_id"], state["state"]) == (alert["alert_id"], "resolved")
        world.now += late  # neither the log nor the group goes on
        world.until(lambda: agent.verdicts[label] == QUIET)
        (alert,) = world.changes[2].alerts
        assert alert["playbook"].endswith("quiet-source.md")
