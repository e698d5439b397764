"""A project that runs on the real stack, and the conditions that its tests await."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition
from redis import Redis

from augury.apply import Applied, apply
from augury.clients import codec, warehouse
from augury.stack import Stack
from features.layout import Layout, clock_key, row_key, unpack_clock
from features.plan import GroupPlan
from features.project import load_project
from schemas.log import consumer
from streams.job import cancel, jobs, running
from warehouse.backfill import backfill
from warehouse.dialect import column
from warehouse.parity import Parity, parity
from warehouse.targets import RECORDS

Row = dict[str, Any]
_PATIENCE_S = 300.0
_SERVICES = ("sink", "materialiser", "worker", "bridge", "flows", "http")


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"not within {_PATIENCE_S} s: {what}"
        time.sleep(0.1)


class World:
    """A project applied to the stack, with its services."""

    def __init__(self, stack: Stack, module: str) -> None:
        self.stack = stack
        self.settings = stack.settings
        self.project = load_project(module)
        self.plans = tuple(self.project.group_plans.values())
        self.applied = self.apply()
        stack.serve(module)
        self.client = warehouse(self.settings)
        self.redis: Any = Redis.from_url(self.settings.redis_url)  # its types allow for text
        self.codec = codec(self.settings)

    def close(self) -> None:
        """Leave the stack's servers as they were found: no services, no jobs."""
        self.client.close()
        self.redis.close()
        self.stack.supervisor.stop(_SERVICES)
        (self.settings.home / "project").unlink()
        for job in jobs(self.settings.flink_url):
            if job.running:
                cancel(self.settings.flink_url, job)

    def apply(self) -> Applied:
        """Apply the project."""
        return apply(self.project, self.settings)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Read rows from the warehouse."""
        return [tuple(row) for row in self.client.query(sql).result_rows]

    def settle(self, clock: int) -> None:
        """Wait until all of the log before `clock` (ms) has gone through: into warehouse and online store."""
        for plan in self.plans:
            until(
                lambda: self.clock(plan) >= clock - 1,  # noqa: B023 (called at once)
                f"{plan.label}: the clock at {clock}",
            )
        before = {plan.label: self._checkpoints(plan) for plan in self.plans}
        for plan in self.plans:  # a checkpoint flushes what a job has written
            until(
                lambda: self._checkpoints(plan) > before[plan.label],  # noqa: B023 (called at once)
                f"{plan.label}: a checkpoint",
            )
        groups = [plan.topic for plan in self.plans]
        sources = [plan.topic for plan in self.project.source_plans.values()]
        self._read_to_the_end("augury.sink", [*sources, *groups, *RECORDS])
        self._read_to_the_end("augury.materialiser", [*groups, "features.clocks"])
        self._read_to_the_end("augury.sink", ["dead_letters"])  # what the sink itself has written

    def clock(self, plan: GroupPlan) -> int:
        """Give how far the group's stream has come, as the online store shows it."""
        held = self.redis.get(clock_key(plan.name, plan.version))
        return -(2**63) if held is None else unpack_clock(held)

    def job(self, plan: GroupPlan) -> str:
        """Give the id of the group's running job."""
        found = running(self.settings.flink_url, plan.label)
        assert found is not None, f"{plan.label} does not run: {jobs(self.settings.flink_url)}"
        return found.id

    def flink(self, path: str) -> Any:
        """Ask Flink's REST interface."""
        return httpx.get(f"{self.settings.flink_url}{path}", timeout=30).raise_for_status().json()

    def rows(self, plan: GroupPlan, table: str) -> list[Row]:
        """Read a group's rows as the reference gives them."""
        times = ", ".join(
            f"toUnixTimestamp64Milli({t}) AS {t}" for t in ("event_timestamp", "last_event_time")
        )
        names = ["seq", "topic", "partition", "offset", *(f.name for f in plan.features)]
        selected = ", ".join(column(name) for name in names)
        found = self.client.query(f"SELECT entity, {times}, {selected} FROM {table} AS t FINAL")
        rows = [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
        return sorted(rows, key=lambda row: (row["entity"], row["seq"]))

    def backfilled(self, plan: GroupPlan, end: int) -> Parity:
        """Backfill a group from its origin to `end` (ms), and compare."""
        written = backfill(self.client, plan, 0, end)
        found = parity(self.client, plan, 0, end)
        assert found.compared == written.rows
        return found

    def wrong_in_store(self, plan: GroupPlan) -> list[str]:
        """List the entities whose row in the online store is not the last one in the warehouse."""
        layout = Layout.of(plan)
        last = {row["entity"]: row for row in self.rows(plan, plan.table)}
        prefix = row_key(plan.name, plan.version, "")
        held = [key.decode() for key in self.redis.scan_iter(f"{prefix}*", count=1_000)]
        wrong = sorted({key.removeprefix(prefix) for key in held} ^ last.keys())
        for entity, row in last.items():
            value = self.redis.get(row_key(plan.name, plan.version, entity))
            if value is not None:
                shown = layout.unpack(value)
                wrong += [entity] if shown != {name: row[name] for name in shown} else []
        return wrong

    def dead_letters(self, topics: Iterable[str]) -> dict[tuple[Any, ...], str]:
        """Give the reason of each dead letter of the topics, by origin and place."""
        named = ", ".join(f"'{topic}'" for topic in topics)
        found = self.query(
            "SELECT origin, topic, partition, offset, reason FROM dead_letters FINAL "
            f"WHERE topic IN ({named})"
        )
        return {(origin, *place): reason for origin, *place, reason in found}

    def _checkpoints(self, plan: GroupPlan) -> int:
        return int(self.flink(f"/jobs/{self.job(plan)}/checkpoints")["counts"]["completed"])

    def _read_to_the_end(self, group: str, topics: list[str]) -> None:
        reader = consumer(self.settings.kafka_bootstrap, group)
        try:
            until(lambda: not self._unread(reader, topics), f"{group} at the end of {topics}")
        finally:
            reader.close()

    def _unread(self, reader: Consumer, topics: list[str]) -> dict[str, tuple[int, int]]:
        """Give committed and end offsets where they differ."""
        there = reader.list_topics(timeout=30).topics
        places = [TopicPartition(topic, number) for topic in topics for number in there[topic].partitions]
        ends = {(p.topic, p.partition): reader.get_watermark_offsets(p, timeout=30)[1] for p in places}
        committed = reader.committed(places, timeout=30)
        return {
            f"{p.topic}:{p.partition}": (p.offset, ends[p.topic, p.partition])
            for p in committed
            if max(p.offset, 0) != ends[p.topic, p.partition]
        }
