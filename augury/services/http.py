"""The HTTP door."""

from collections.abc import Callable
from contextlib import nullcontext
from threading import Event

from prometheus_client import CollectorRegistry

from augury.clock import wall_ms
from augury.serving import access, addresses, spool, tls
from augury.settings import Settings
from augury.tracing import tracer
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
    with tracer(settings, "http") or nullcontext() as tracing:
        serve_http(
            addresses(settings),
            host=settings.http_host,
            port=settings.http_port,
            grpc_port=settings.grpc_port,
            limit=settings.http_limit,
            drain_s=settings.http_drain_s,
            spool=spool(settings),
            spool_bytes=settings.spool_max_mb << 20,
            spool_shed=settings.spool_shed,
            clock=wall_ms,
            replay=settings.replay,
            access=access(settings),
            tls=tls(settings),
            ready=ready,
            metrics=metrics,
            tracing=tracing,
        )
