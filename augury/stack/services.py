"""Augury's own services as parts, beside the servers that they use."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from augury.settings import Settings
from augury.stack.part import Part
from augury.stack.probes import get

NAMES = ("sink", "materialiser", "worker", "bridge", "flows")
_SERVERS = ("kafka", "registry", "redis", "warehouse", "prefect")


def services(settings: Settings, project: str) -> list[Part]:
    """Return the services of a project, named by its module."""
    names = NAMES if settings.replay else (*NAMES, "ticker")
    return [*(_service(settings, project, name) for name in names), _http(settings, project)]


def ready_file(settings: Settings, name: str) -> Path:
    """Return the file whose presence tells that a service works."""
    return settings.home / "run" / f"{name}.ready"


def _service(settings: Settings, project: str, name: str) -> Part:
    mark = ready_file(settings, name)
    return _part(settings, project, name, lambda _: mark.exists(), partial(mark.unlink, missing_ok=True))


def _http(settings: Settings, project: str) -> Part:
    def ready(_process: psutil.Process) -> bool:
        return bool(get(settings.http_port, "/healthz"))

    part = _part(settings, project, "http", ready, lambda: None)
    address = f"http://{settings.http_host}:{settings.http_port}"
    return Part(
        part.name,
        part.command,
        part.ready,
        address,
        {"http_port": settings.http_port},
        part.env,
        after=part.after,
    )


def _part(
    settings: Settings,
    project: str,
    name: str,
    ready: Callable[[psutil.Process], bool],
    prepare: Callable[[], None],
) -> Part:
    return Part(
        name=name,
        command=(sys.executable, "-m", "augury", "service", name, project),
        ready=ready,
        address=project,
        ports={},
        env=settings.environment()
        | {"PYTHONPATH": str(Path.cwd()), "PREFECT_HOME": f"{settings.home}/prefect"},
        prepare=prepare,
        after=_SERVERS,
    )
