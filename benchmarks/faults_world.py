"""The servers and services of the fault runs, as a user has them, with a group's rows and a champion."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from augury.clients import warehouse
from augury.settings import Settings
from augury.stack import Stack
from augury.stack.services import services
from benchmarks import faults_project
from benchmarks.common import CACHE
from benchmarks.serving_cases import MIDDLE, SMALL, Values, nullable
from benchmarks.serving_world import World
from features.plan import GroupPlan
from features.project import Project, collect
from features.types import DataType
from schemas.log import Topic, create_topics
from schemas.records import TOPICS
from warehouse.client import Client, migrate
from warehouse.tables import group_tables, source_table

SERVERS = ("kafka", "registry", "redis", "warehouse")
SERVICES = ("http", "worker", "materialiser", "sink")
ENTITIES = 200
STREAMED = 10_000
"""The rows that the log brings have a `seq` from here on; those below are in Redis from the start."""


@dataclass(frozen=True)
class Site:
    """What runs."""

    settings: Settings
    stack: Stack
    world: World
    project: Project
    warehouse: Client

    @property
    def group(self) -> GroupPlan:
        """The only group."""
        (plan,) = self.project.group_plans.values()
        return plan

    def pid(self, part: str) -> int:
        """Give the process of a part that runs."""
        (pid,) = (status.pid for status in self.stack.status() if status.name == part)
        assert pid is not None
        return pid

    def vectors(self, rows: list[tuple[int, int]]) -> Values:
        """Give the vector of each row, told by entity and `seq`."""
        wanted = nullable(self.world.vectors(SMALL, [entity for entity, _ in rows]))
        return [
            list(streamed(self.group, entity, seq).values()) if seq >= STREAMED else held
            for (entity, seq), held in zip(rows, wanted, strict=True)
        ]


def streamed(group: GroupPlan, entity: int, seq: int) -> dict[str, float | int]:
    """Give the features of a row that the log brings."""
    numbers = ((entity * 7 + seq * 13 + place * 29) % 997 + 1 for place in range(len(group.features)))
    return {
        feature.name: number if feature.type is DataType.INTEGER else float(number)
        for feature, number in zip(group.features, numbers, strict=True)
    }


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """Run servers and services on free ports; their folder goes with them."""
    CACHE.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="faults-", dir=CACHE))
    settings = Settings.with_free_ports(home)
    project = collect(faults_project)
    try:
        with Stack(settings, parts=SERVERS) as stack:
            shared = {"prediction.requests": settings.partitions, "prediction.batches": settings.partitions}
            topics = [Topic(name, shared.get(name, 1)) for name in TOPICS]
            topics += [Topic(plan.topic) for plan in project.group_plans.values()]
            topics += [Topic(plan.topic, plan.partitions) for plan in project.source_plans.values()]
            create_topics(settings.kafka_bootstrap, topics)
            client = warehouse(settings)
            migrate(client)
            for table in (
                *(source_table(plan) for plan in project.source_plans.values()),
                *(table for plan in project.group_plans.values() for table in group_tables(plan)),
            ):
                client.command(table)
            world = World(settings, ENTITIES)
            for shape in (SMALL, MIDDLE):  # the second one's file is published as the first one's
                world.add(shape)
            own = [each for each in services(settings, faults_project.__name__) if each.name in SERVICES]
            stack.supervisor.parts.update({part.name: part for part in own})
            stack.supervisor.start([part.name for part in own])
            yield Site(settings, stack, world, project, client)
            client.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)
