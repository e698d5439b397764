"""Clock ticks, so that quiet windows decay."""

from collections.abc import Callable
from threading import Event

from augury.clock import wall_ms
from augury.settings import Settings
from features.project import Project
from schemas.log import producer

_TICK_S = 60.0


def run(project: Project, settings: Settings, stop: Event, ready: Callable[[], None]) -> None:
    """Append a clock tick to every partition of every source each minute, so that quiet windows decay."""
    sender = producer(settings.kafka_bootstrap, **settings.kafka_client())
    ready()
    while not stop.is_set():
        now = wall_ms()
        for source in project.source_plans.values():
            for partition in range(source.partitions):
                sender.produce(source.topic, value=None, partition=partition, timestamp=now)
        sender.flush()
        stop.wait(_TICK_S)
