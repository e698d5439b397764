"""The schema registry: Apicurio with its Confluent-compatible API, kept in an H2 file."""

import psutil

from augury.settings import LOOPBACK, Settings
from augury.stack.java import java
from augury.stack.part import Part
from augury.stack.probes import get

NAME = "registry"


def registry(settings: Settings) -> Part:
    """Return the schema registry. H2 flushes each commit, so that an acknowledged schema survives SIGKILL."""

    def ready(_process: psutil.Process) -> bool:
        return bool(get(settings.registry_port, "/apis/ccompat/v7/subjects"))

    system = {
        "quarkus.http.host": LOOPBACK,
        "quarkus.http.port": settings.registry_port,
        "quarkus.management.host": LOOPBACK,
        "quarkus.management.port": settings.registry_management_port,
        "quarkus.log.level": "WARN",
        "apicurio.datasource.url": f"jdbc:h2:file:{settings.home}/registry/registry;WRITE_DELAY=0",
    }
    return Part(
        name=NAME,
        command=(
            java(),
            f"-Xmx{settings.registry_heap_mb}m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            *(f"-D{key}={held}" for key, held in system.items()),
            "-jar",
            f"{settings.jars}/registry/quarkus-run.jar",
        ),
        ready=ready,
        address=f"http://{LOOPBACK}:{settings.registry_port}/apis/ccompat/v7",
        ports={
            "registry_port": settings.registry_port,
            "registry_management_port": settings.registry_management_port,
        },
    )
