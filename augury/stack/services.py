"""Augury's own services as parts, beside the servers that they use."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from augury.settings import Settings
from augury.stack.part import Part

NAMES = ("sink", "materialiser", "worker", "bridge", "flows", "alerts")
_LIVE = ("ticker", "freshness")  # a replay has neither: its log's clock is another than the wall's
_SERVERS = ("kafka", "registry", "redis", "warehouse", "prefect")


def services(settings: Settings, project: str) -> list[Part]:
    """Return the services of a project, named by its module."""
    names = NAMES if settings.replay else (*NAMES, *_LIVE)
    return [*(_service(settings, project, name) for name in names), _http(settings, project)]


def ready_file(settings: Settings, name: str) -> Path:
    """Return the file whose presence tells that a service works."""
    return settings.home / "run" / f"{name}.ready"


def _service(settings: Settings, project: str, name: str) -> Part:
    mark = ready_file(settings, name)
    return Part(
        name=name,
        command=(sys.executable, "-m", "augury", "service", name, project),
        ready=lambda _: mark.exists(),
        address=project,
        ports={f"{name}_metrics_port": port} if (port := settings.metrics_port(name)) else {},
        env=settings.environment()
        | {"PYTHONPATH": str(Path.cwd()), "PREFECT_HOME": f"{settings.home}/prefect"},
        prepare=partial(mark.unlink, missing_ok=True),
        after=_SERVERS,
    )


def _http(settings: Settings, project: str) -> Part:
    scheme = "http" if settings.http_tls_cert is None else "https"
    address = f"{scheme}://{settings.http_host}:{settings.http_port}"
    part = _service(settings, project, "http")
    ports = {"http_port": settings.http_port} | ({"grpc_port": port} if (port := settings.grpc_port) else {})
    return replace(part, address=address, ports=ports, grace=part.grace + settings.http_drain_s)
