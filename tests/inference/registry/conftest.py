import subprocess
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from benchmarks.postgres import Postgres, initialised
from inference.registry import Registry

_PATIENCE_S = 180


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of the tests' own, without a database."""
    with initialised() as server:
        process = subprocess.Popen(server.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await(server, process)
            yield server.url
        finally:
            process.terminate()
            process.wait()


def _await(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        assert process.poll() is None
        try:
            server.ready()
        except ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/registry.db"
        return
    server: str = request.getfixturevalue("postgres")
    name = f"test_{uuid4().hex}"
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield f"{server}/{name}"
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def registry(url: str) -> Iterator[Registry]:
    """A registry without a model, whose clock goes on by 1 ms with each look."""
    ticks = count(1_000)
    registry = Registry(url, lambda: next(ticks))
    registry.migrate()
    yield registry
    registry.close()
