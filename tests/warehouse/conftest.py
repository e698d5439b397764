"""A door as its users meet it: a process of its own on a free port."""

import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warehouse.door.running import Running, Start
from warehouse.client import Client, connect, migrate


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="session")
def start_door() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(path: Path, *more: str) -> Running:
        port = _free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "warehouse.door", "--path", str(path), "--port", str(port), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            _, errors = process.communicate()
            raise RuntimeError(errors)
        assert str(port) in line
        return Running(process, port, path)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def door(start_door: Start, tmp_path_factory: pytest.TempPathFactory) -> Running:
    return start_door(tmp_path_factory.mktemp("door"))


@pytest.fixture
def database(door: Running) -> Iterator[Client]:
    """A client of a migrated database of the test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    client = connect(door.url.rstrip("/"), database=name)
    migrate(client)
    yield client
    client.command(f"DROP DATABASE {name}")
    client.close()
