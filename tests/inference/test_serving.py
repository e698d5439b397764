import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton

from augury.settings import free_ports
from augury.stack import Stack
from inference.access import Access
from inference.registry import publish_events
from inference.serving import OpenDoorError, serve_http
from schemas.log import producer
from schemas.records import load

from .onnx_models import regressor
from .processes import HTTP, running
from .served import Served
from .world import NOW, next_version

VECTOR_OF_AA = {
    "model_name": "late",
    "entity_keys": {"carrier": "AA", "route": "JFK|LAX"},
    "inputs": {"scheduled_at": NOW, "distance": 900.0},
}

GRPC = "import sys; grpc_port = int(sys.argv.pop())" + HTTP.replace(
    "clock=wall_ms, access", "grpc_port=grpc_port, clock=wall_ms, access"
)

pytestmark = pytest.mark.stack


@pytest.fixture
def served(stack: Stack, tmp_path: Path) -> Iterator[Served]:
    served = Served(stack, tmp_path)
    yield served
    served.close()


def test_sigkill_loses_no_answer_that_has_left(served: Served) -> None:
    answered: list[str] = []

    def ask() -> None:
        with httpx.Client(base_url=served.client.base_url, timeout=10) as client:
            try:
                while True:
                    request_id = uuid.uuid4().hex
                    served.ask(client, request_id)
                    answered.append(request_id)
            except httpx.TransportError:
                return

    for kill_at in (50, 400):
        with running(*served.arguments) as door:
            served.await_ready()
            threads = [threading.Thread(target=ask) for _ in range(3)]
            for thread in threads:
                thread.start()
            while len(answered) < kill_at:
                assert door.poll() is None
                threads[0].join(0.01)
            door.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join()
    with running(*served.arguments) as door:
        found = served.log.collect("prediction.results", set(answered))
        served.await_ready()
        door.send_signal(signal.SIGTERM)
        assert door.wait(30) == 0
    assert {r["prediction"] for results in found.values() for r in results} == {6.0}


def test_a_door_to_the_network_has_a_token(served: Served, tmp_path: Path) -> None:
    def clock() -> int:
        return 0

    with pytest.raises(OpenDoorError, match=r"the host is '0.0.0.0'"):
        serve_http(
            served.addresses,
            host="0.0.0.0",
            port=0,
            spool=tmp_path / "none",
            clock=clock,
            access=Access(clock),
        )
    assert not (tmp_path / "none").exists()


def test_the_second_listener_speaks_grpc(served: Served) -> None:
    (port,) = free_ports(1)
    _, *arguments = served.arguments
    vector = triton.InferInput("vector", [1, 6], "FP64")
    vector.set_data_from_numpy(np.ones((1, 6)))
    with running(GRPC, *arguments, str(port)) as door:
        served.await_ready()
        with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
            assert client.infer("late", [vector], request_id="rpc").as_numpy("prediction") == [6.0]
        assert served.ask(served.client, "rest")["prediction"] == 6.0
        (answer,) = served.log.collect("prediction.results", {"rpc"})["rpc"]
        assert (answer["door"], answer["prediction"]) == ("grpc", 6.0)
        door.send_signal(signal.SIGTERM)
        assert door.wait(30) == 0


def test_a_second_listener_whose_port_is_taken_ends_the_door(served: Served) -> None:
    _, *arguments = served.arguments
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, running(GRPC, *arguments, str(taken.getsockname()[1])) as door:
        assert door.wait(60) != 0


def test_an_event_swaps_the_model_without_a_failed_request(served: Served) -> None:
    world = served.world
    publisher = producer(served.addresses.kafka)
    encode = served.log.codec.encoder("registry.events", load("registry_event"))
    with running(*served.arguments) as door:
        served.await_ready()
        assert served.ask(served.client, "a")["prediction"] == 6.0
        world.register(regressor(6, 2.0))
        world.promote(2)
        assert publish_events(world.registry, publisher, encode) == 6
        assert publish_events(world.registry, publisher, encode) == 0
        deadline = time.monotonic() + 20
        while (answer := served.ask(served.client, uuid.uuid4().hex))["model_version_used"] == 1:
            assert answer["prediction"] == 6.0
            assert time.monotonic() < deadline
        assert answer["prediction"] == 12.0
        door.send_signal(signal.SIGTERM)
        assert door.wait(30) == 0


def test_what_is_no_event_keeps_no_door_from_the_registry(served: Served) -> None:
    world, publisher = served.world, producer(served.addresses.kafka)
    with running(*served.arguments) as door:
        served.await_ready()
        assert served.ask(served.client, "a")["prediction"] == 6.0
        for number in range(200):
            publisher.produce("registry.events", b"no event %d" % number)
        publisher.flush(20)
        world.register(regressor(6, 2.0))
        world.promote(2)  # no event tells of it
        deadline = time.monotonic() + 30
        while served.ask(served.client, uuid.uuid4().hex)["prediction"] != 12.0:
            assert time.monotonic() < deadline
        door.send_signal(signal.SIGTERM)
        assert door.wait(30) == 0


def test_whatever_is_answered_before_sigterm_is_told_and_nothing_else_is_logged(served: Served) -> None:
    """A request that the door has taken gets its answer; one that it has not is in no log."""
    told: set[str] = set()
    run = uuid.uuid4().hex

    def ask() -> None:
        with httpx.Client(base_url=served.client.base_url, timeout=10) as client:
            try:
                while True:
                    request_id = f"{run}-{uuid.uuid4().hex}"
                    served.ask(client, request_id)
                    told.add(request_id)
            except httpx.TransportError:
                return

    with running(*served.arguments) as door:
        served.await_ready()
        threads = [threading.Thread(target=ask) for _ in range(8)]
        with socket.create_connection(("127.0.0.1", served.port)) as slow:
            slow.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: door\r\ncontent-length: 1000\r\n\r\n{")
            for thread in threads:
                thread.start()
            while len(told) < 300:
                assert door.poll() is None
                threads[0].join(0.01)
            door.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join()
            assert door.wait(30) == 0  # the body that does not come is not waited for
    with running(*served.arguments):  # ships what the first could not
        served.log.collect("prediction.results", told)
    logged = {result["request_id"] for result in served.log.all("prediction.results")}
    assert {request_id for request_id in logged if request_id.startswith(run)} == told


def test_a_cut_over_reaches_a_running_door_without_a_failed_request(served: Served) -> None:
    world = served.world
    target = next_version(world)
    rest = {"diverted_last": True, "arr_delay_mean_1h": 1.5}
    world.put("carrier_delay", "AA", 7, count_1d=70, **rest)
    world.put("next", "AA", 3, count_1d=30, **rest)
    world.put("route_delay", "JFK|LAX", 4, arr_delay_mean_7d=2.0)
    publisher = producer(served.addresses.kafka)
    encode = served.log.codec.encoder("registry.events", load("registry_event"))

    def read(request_id: str) -> tuple[int, int, float]:
        answer = served.client.post("/v1/predict", json=VECTOR_OF_AA | {"request_id": request_id}).json()
        row = answer["groups"][0]
        return row["version"], row["seq"], answer["feature_values_used"]["carrier_delay.count_1d"]

    def until(wanted: tuple[int, int, float], before: tuple[int, int, float]) -> None:
        deadline = time.monotonic() + 120
        while (found := read(uuid.uuid4().hex)) != wanted:
            assert found == before
            assert time.monotonic() < deadline

    with running(*served.arguments) as door:
        served.await_ready()
        assert read("first") == (1, 7, 70.0)
        world.registry.cutovers.cut_over(1, target, by="t", why="t")
        publish_events(world.registry, publisher, encode)
        until((2, 3, 30.0), before=(1, 7, 70.0))
        world.put("carrier_delay", "AA", 8, count_1d=80, **rest)  # the old version's stream has gone on
        world.registry.cutovers.roll_back("carrier_delay", by="t", why="t")
        publish_events(world.registry, publisher, encode)
        until((1, 8, 80.0), before=(2, 3, 30.0))
        results = served.log.collect("prediction.results", {"first"})
        door.send_signal(signal.SIGTERM)
        assert door.wait(30) == 0
    assert results["first"][0]["rows"][0]["version"] == 1


def test_a_door_that_drains_is_not_ready_and_answers_until_it_is_over(served: Served) -> None:
    draining = HTTP.replace("clock=wall_ms,", "clock=wall_ms, drain_s=600.0,")
    with running(draining, *served.arguments[1:]) as door:
        served.await_ready()
        assert served.client.get("/v2/health/ready").json() == {"ready": True}
        door.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while served.client.get("/readyz").status_code == 200:
            assert time.monotonic() < deadline
        assert served.client.get("/readyz").json()["type"] == "urn:augury:draining"
        assert served.client.get("/v2/health/ready").status_code == 503
        with httpx.Client(base_url=served.client.base_url) as new:  # who has not heard of it yet
            assert served.ask(new, "late to hear")["prediction"] == 6.0
        door.send_signal(signal.SIGTERM)
        assert door.wait(30) == 0
