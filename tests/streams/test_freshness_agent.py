"""Reports by the real log, online store and Faust, and what the agent makes of them."""

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from py4j.java_gateway import JavaGateway
from redis import Redis

from augury.apply import cluster, log_addresses
from augury.stack import Stack
from features import FeatureGroup, count
from features.compile import compile_group
from features.layout import clock_key, pack_clock
from features.plan import GroupPlan
from schemas.codec import Codec
from schemas.log import Topic, consumer, create_topics, producer
from schemas.records import TOPICS, load
from schemas.registry import SchemaRegistry
from streams.freshness import FRESH, QUIET, STALLED, Changes, Limits
from streams.freshness_agent import APP, CHANGELOG, FreshnessAgent
from streams.job import cancel, jobs, running, submit
from streams.materialiser import CLOCKS
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
        source = replace(plan.sources[0], name=name, topic=name, partitions=1)  # and so its log
        self.plan: GroupPlan = replace(plan, sources=(source,))
        create_topics(
            settings.kafka_bootstrap,
            [
                *(Topic(name, config={"retention.ms": "-1"}) for name in (source.topic, CLOCKS)),
                Topic(plan.topic),
                TOPIC,
                CHANGELOG,
            ],
        )
        self.settings, self.folder, self.now = settings, folder, START
        self.codec = Codec(SchemaRegistry(settings.registry_url))
        self.redis = Redis.from_url(settings.redis_url)
        self.producer = producer(settings.kafka_bootstrap)
        self.changes: list[Changes] = []
        self.seen: list[Any] = []  # of the table's changelog, for whoever waits in vain
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
    def agent(self, clock: Callable[[], int]) -> Iterator[FreshnessAgent]:
        """Run an agent; a group is judged by the later of `clock` and its report."""
        limits = {self.plan.label: Limits.of(self.plan)}
        agent = FreshnessAgent(
            self.settings.kafka_bootstrap,
            self.codec,
            limits,
            self.changes.append,
            clock,
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

    def until(self, true: Callable[[], bool], report: bool = True) -> None:
        """Report until something is true, or wait alone."""
        deadline = time.monotonic() + 180
        while not true():
            assert time.monotonic() < deadline, (self.changes, self.seen)
            if report:
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
    with world.agent(lambda: START) as agent:
        world.now = START + late
        world.tick(world.now)  # the log goes on, the group does not
        world.until(lambda: agent.verdicts[label] == STALLED)
        assert len(world.changes) == 1
    with world.agent(lambda: START) as agent:  # what is open is known from the changelog
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


def test_a_group_that_nobody_has_ever_reported_stands_still(stack: Any, tmp_path: Path) -> None:
    world = World(stack.settings, tmp_path)
    label = world.plan.label
    with world.agent(lambda: world.now) as agent:
        world.now += world.plan.alert_threshold_ms + MINUTE
        world.until(lambda: agent.verdicts[label] == STALLED, report=False)
        world.tick(world.now)
        world.show(world.now)
        world.until(lambda: agent.verdicts[label] == FRESH)
    raised, resolved = world.changes
    assert (len(raised.alerts), len(resolved.states)) == (1, 1)
    assert raised.alerts[0]["playbook"].endswith("stalled-pipeline.md")


class Processes:
    """The materialiser of a world's group and the agent as processes, which can be killed."""

    def __init__(self, world: World) -> None:
        self.world, self._running = world, list[subprocess.Popen[bytes]]()
        self._told = world.folder / "told"
        settings = world.settings
        self._table = consumer(
            settings.kafka_bootstrap, f"table.{world.plan.name}", **{"auto.offset.reset": "earliest"}
        )
        self._table.subscribe([CHANGELOG.name])
        self._encode_clock = world.codec.encoder(CLOCKS, load("feature_clock"))

    def materialiser(self) -> "subprocess.Popen[bytes]":
        s, plan = self.world.settings, self.world.plan
        addresses = (s.kafka_bootstrap, s.registry_url, s.redis_url)
        return self._start("materialiser_process.py", *addresses, plan.topic, plan.name)

    def agent(self) -> "subprocess.Popen[bytes]":
        s, plan = self.world.settings, self.world.plan
        limits = (str(plan.expected_max_lag_ms), str(plan.alert_threshold_ms))
        folder = str(self.world.folder)
        return self._start(
            "freshness_process.py", s.kafka_bootstrap, s.registry_url, folder, plan.label, *limits
        )

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def clock(self, clock: int) -> None:
        """Write a clock as the group's job does, for the materialiser to show."""
        record = {"group": self.world.plan.name, "version": 1, "clock": clock}
        self.world.producer.produce(CLOCKS, self._encode_clock(record))
        self.world.producer.flush()

    def told(self) -> list[list[str]]:
        """Give what the agents have told so far."""
        return [line.split() for line in self._told.read_text().splitlines()]

    def kept(self, verdict: str) -> bool:
        """Tell whether the table's changelog has the verdict by a report of now."""
        for message in self._table.consume(100, 0.1):
            if self.world.plan.label.encode() in (message.key() or b"") and message.value():
                known = json.loads(json.loads(message.value() or b""))
                self.world.seen = [*self.world.seen[-5:], known]
                if (known["verdict"], known["seen_at"]) == (verdict, self.world.now):
                    return True
        return False

    def close(self) -> None:
        self._table.close()
        for process in self._running:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def _start(self, script: str, *arguments: str) -> "subprocess.Popen[bytes]":
        with self._told.open("ab") as told:
            process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name(script), *arguments], stdout=told
            )
        self._running.append(process)
        return process


@pytest.fixture
def processes(stack: Any, tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(World(stack.settings, tmp_path))
    yield processes
    processes.close()


def test_a_killed_materialiser_is_told_of_once_though_the_agent_is_killed_too(
    processes: Processes,
) -> None:
    world = processes.world
    world.tick(START)
    processes.clock(START)
    agent, materialiser = processes.agent(), processes.materialiser()
    world.until(lambda: ["ready"] in processes.told() and processes.kept(FRESH))
    world.until(lambda: world.redis.get(clock_key(world.plan.name, 1)) == pack_clock(START))
    processes.kill(materialiser)

    world.now = START + world.plan.alert_threshold_ms + MINUTE
    world.tick(world.now)
    processes.clock(world.now)  # the job goes on, and nobody shows it
    world.until(lambda: processes.kept(STALLED))
    _, (raised, alert_id) = processes.told()
    assert (raised, f"/{STALLED}/" in alert_id) == ("raised", True)

    processes.kill(agent)
    killed = time.monotonic()
    processes.agent()
    world.now += 1
    world.until(lambda: processes.kept(STALLED))  # the next agent has heard of it
    print(f"the agent recovered in {time.monotonic() - killed:.1f} s")  # -rP shows it
    processes.materialiser()
    world.until(lambda: processes.kept(FRESH))
    assert processes.told() == [["ready"], ["raised", alert_id], ["ready"], ["resolved", alert_id]]


def test_a_stopped_job_is_told_of_until_it_goes_on(
    stack: Stack, flink_client: JavaGateway, processes: Processes
) -> None:
    world, flink = processes.world, stack.settings.flink_url
    at, there = log_addresses(stack.settings), cluster(stack.settings)
    create_topics(stack.settings.kafka_bootstrap, [Topic("dead_letters", 1, {"retention.ms": "-1"})])
    world.tick(START)
    job = submit(world.plan, at, there)
    processes.agent()
    processes.materialiser()
    world.until(lambda: ["ready"] in processes.told() and processes.kept(FRESH))
    world.until(lambda: world.redis.get(clock_key(world.plan.name, 1)) is not None)
    cancel(flink, running(flink, world.plan.label))
    world.until(lambda: {each.state for each in jobs(flink) if each.id == job} == {"CANCELED"})

    world.now = START + world.plan.alert_threshold_ms + MINUTE
    world.tick(world.now)  # the log goes on, and nothing follows it
    world.until(lambda: processes.kept(STALLED))
    assert [words[0] for words in processes.told()] == ["ready", "raised"]
    submit(world.plan, at, there)
    world.until(lambda: processes.kept(FRESH))
    ready, (raised, alert_id), resolved = processes.told()
    assert (ready, raised, resolved) == (["ready"], "raised", ["resolved", alert_id])
    cancel(flink, running(flink, world.plan.label))


def test_an_agent_that_was_taken_for_dead_goes_on(processes: Processes) -> None:
    world = processes.world
    world.tick(START)
    world.show(START)
    agent = processes.agent()
    world.until(lambda: ["ready"] in processes.told() and processes.kept(FRESH))
    agent.send_signal(signal.SIGSTOP)
    world.until(lambda: not members(world.settings.kafka_bootstrap), report=False)
    agent.send_signal(signal.SIGCONT)

    world.now = START + world.plan.alert_threshold_ms + MINUTE
    world.tick(world.now)
    world.until(lambda: processes.kept(STALLED))
    assert agent.poll() is None


def members(bootstrap: str) -> int:
    """Count who reads the reports."""
    admin = AdminClient({"bootstrap.servers": bootstrap})  # an answer dies with who has asked
    (found,) = admin.describe_consumer_groups([APP]).values()
    return len(found.result(timeout=10).members)
