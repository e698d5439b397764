"""Feature rows into the online store."""

from collections.abc import Callable
from threading import Event

from augury.clients import codec, online_store
from augury.clock import wall_ms
from augury.settings import Settings
from features.layout import Layout
from features.project import Project
from schemas.log import consumer
from streams.materialiser import READING, Materialiser


def run(project: Project, settings: Settings, stop: Event, ready: Callable[[], None]) -> None:
    """Put feature rows into the online store."""
    layouts = {p.topic: (p.name, p.version, Layout.of(p)) for p in project.group_plans.values()}
    options = READING | settings.kafka_client()
    reader = consumer(settings.kafka_bootstrap, "augury.materialiser", **options)
    store = online_store(settings)
    Materialiser(reader, store, codec(settings), layouts, wall_ms).run(stop, ready)
