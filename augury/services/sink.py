"""The log into the warehouse."""

from collections.abc import Callable
from threading import Event

from augury.clients import codec, warehouse
from augury.settings import Settings
from features.project import Project
from schemas.log import consumer, producer
from warehouse.sink import Sink
from warehouse.targets import targets


def run(project: Project, settings: Settings, stop: Event, ready: Callable[[], None]) -> None:
    """Write the log into the warehouse."""
    reader = consumer(settings.kafka_bootstrap, "augury.sink", **settings.kafka_client())
    sender = producer(settings.kafka_bootstrap, **settings.kafka_client())
    routes = targets(project.source_plans.values(), project.group_plans.values())
    Sink(reader, warehouse(settings), codec(settings), routes, sender).run(stop, ready)
