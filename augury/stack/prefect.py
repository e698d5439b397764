"""Prefect's server, on SQLite."""

import sys

import psutil

from augury.settings import LOOPBACK, Settings
from augury.stack.part import Part
from augury.stack.probes import get

NAME = "prefect"


def prefect(settings: Settings) -> Part:
    """Return the orchestrator: API, background services and web interface in one process."""

    def ready(_process: psutil.Process) -> bool:
        return get(settings.prefect_port, "/api/health") == b"true"

    return Part(
        name=NAME,
        command=(
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            LOOPBACK,
            "--port",
            str(settings.prefect_port),
        ),
        ready=ready,
        address=f"http://{LOOPBACK}:{settings.prefect_port}",
        ports={"prefect_port": settings.prefect_port},
        env={
            "PREFECT_HOME": str(settings.home / "prefect"),
            "PREFECT_API_URL": f"http://{LOOPBACK}:{settings.prefect_port}/api",
            # On disk, so that slots are known, and freed, after a restart of the server too.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_CLI_PROMPT": "false",
            "DO_NOT_TRACK": "1",
        },
        starts=3,  # services of its own that start at once at times trip over one another, and end it
        prepare=lambda: (settings.home / "prefect").mkdir(parents=True, exist_ok=True),
    )
