"""The log into the warehouse."""

from collections.abc import Callable
from contextlib import nullcontext
from threading import Event

from prometheus_client import CollectorRegistry

from augury.clients import codec, warehouse
from augury.settings import Settings
from augury.tracing import tracer
from features.project import Project
from schemas.log import consumer, producer
from schemas.metrics import LogLag, Sampled, counter, dead_letters
from warehouse.sink import GROUP, READING, Sink
from warehouse.targets import targets


def run(
    project: Project, settings: Settings, stop: Event, ready: Callable[[], None], metrics: CollectorRegistry
) -> None:
    """Write the log into the warehouse."""
    lag = LogLag()
    options = {**READING, **lag.options, **settings.kafka_client()}
    reader = consumer(settings.kafka_bootstrap, GROUP, **options)
    sender = producer(settings.kafka_bootstrap, **settings.kafka_client())
    routes = targets(project.source_plans.values(), project.group_plans.values())
    tracing = tracer(settings, "sink")
    sink = Sink(reader, warehouse(settings), codec(settings), routes, sender, tracing=tracing)
    metrics.register(
        Sampled(
            lambda: (
                counter("augury_rows_inserted_total", "Rows in the warehouse.", ("table",), sink.inserted),
                dead_letters("sink", sink.refused),
                lag.metric(),
            )
        )
    )
    with tracing or nullcontext():
        sink.run(stop, ready)
