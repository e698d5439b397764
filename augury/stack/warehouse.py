"""The warehouse: ClickHouse's HTTP interface over chDB."""

import sys

import psutil

from augury.settings import LOOPBACK, Settings
from augury.stack.part import Part
from augury.stack.probes import get

NAME = "warehouse"


def warehouse(settings: Settings) -> Part:
    """Return the door; one process owns the folder of the data."""

    def ready(_process: psutil.Process) -> bool:
        return get(settings.warehouse_port, "/ping") == b"Ok.\n"

    options = {
        "path": settings.home / "warehouse",
        "host": LOOPBACK,
        "port": settings.warehouse_port,
        "memory": settings.warehouse_memory_mb,
        "threads": settings.warehouse_threads,
    }
    return Part(
        name=NAME,
        command=(
            sys.executable,
            "-m",
            "warehouse.door",
            *(word for key, held in options.items() for word in (f"--{key}", str(held))),
        ),
        ready=ready,
        address=f"http://{LOOPBACK}:{settings.warehouse_port}",
        ports={"warehouse_port": settings.warehouse_port},
    )
