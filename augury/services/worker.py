"""The Kafka worker."""

from collections.abc import Callable
from contextlib import nullcontext
from threading import Event

from prometheus_client import CollectorRegistry

from augury.clock import wall_ms
from augury.serving import addresses
from augury.settings import Settings
from augury.tracing import tracer
from features.project import Project
from inference.serving import run_worker


def run(
    _project: Project, settings: Settings, stop: Event, ready: Callable[[], None], metrics: CollectorRegistry
) -> None:
    """Answer the prediction requests and batches on Kafka."""
    with tracer(settings, "worker") or nullcontext() as tracing:
        run_worker(
            addresses(settings),
            stop,
            batches=settings.batches_url,
            clock=wall_ms,
            replay=settings.replay,
            ready=ready,
            metrics=metrics,
            tracing=tracing,
        )
