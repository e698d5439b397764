"""The HTTP door."""

from collections.abc import Callable
from threading import Event

from prometheus_client import CollectorRegistry

from augury.clock import wall_ms
from augury.serving import access, addresses, spool, tls
from augury.settings import Settings
from features.project import Project
from inference.serving import serve_http


def run(
    _project: Project,
    settings: Settings,
    _stop: Event,
    ready: Callable[[], None],
    metrics: CollectorRegistry,
) -> None:
    """Serve the HTTP door, ready once it listens; /readyz tells of the stores behind it."""
    serve_http(
        addresses(settings),
        host=settings.http_host,
        port=settings.http_port,
        spool=spool(settings),
        clock=wall_ms,
        replay=settings.replay,
        access=access(settings),
        tls=tls(settings),
        ready=ready,
        metrics_registry=metrics,
    )
