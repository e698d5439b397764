"""The Kafka worker."""

from collections.abc import Callable
from threading import Event

from prometheus_client import CollectorRegistry

from augury.clock import wall_ms
from augury.serving import addresses
from augury.settings import Settings
from features.project import Project
from inference.serving import run_worker


def run(
    _project: Project, settings: Settings, stop: Event, ready: Callable[[], None], _metrics: CollectorRegistry
) -> None:
    """Answer the prediction requests on Kafka."""
    run_worker(addresses(settings), stop, clock=wall_ms, replay=settings.replay, ready=ready)
