import uuid
from collections.abc import Iterator

import pytest

from augury.stack import Stack
from schemas.records import load
from tests.inference.processes import WORKER, running
from tests.inference.served import Served

from .doors import TOKEN, serve_flights


@pytest.fixture(scope="module")
def served(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Models, and the addresses of doors that do not run yet."""
    served = Served(stack, tmp_path_factory.mktemp("client"))
    keys = serve_flights(served)
    served.log.codec.encoder("prediction.requests", load("prediction_request"))  # as `augury apply` does
    yield served
    served.redis.delete(*keys)
    served.close()


@pytest.fixture(scope="module")
def door(served: Served) -> Iterator[str]:
    """The address of a running HTTP door."""
    with running(*served.arguments, TOKEN):
        served.await_ready()
        yield str(served.client.base_url)


@pytest.fixture(scope="module")
def worker(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A running Kafka worker."""
    batches = str(tmp_path_factory.mktemp("batches"))
    with running(WORKER, served.addresses, f"client-{uuid.uuid4().hex}", batches):
        yield
