"""The systems of the serving benchmark: how each is started, asked and read."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from augury.settings import LOOPBACK, ROOT, child_environment, free_ports
from augury.stack.probes import get
from augury.stack.processes import tail
from benchmarks.common import peers_python
from benchmarks.load import SERIAL
from benchmarks.peers.cost import peak_mb
from benchmarks.serving_cases import Shape, Values, key, nullable
from benchmarks.serving_floor import PROJECT
from benchmarks.serving_world import World

AUGURY, VECTORS = "Augury HTTP", "Augury HTTP, ready vectors"
MANY, IN_TURN = "Augury HTTP, 50 more models", "Augury HTTP, 50 models in turn"
ASGI, RECORDING, LOOP = "bare ASGI", "bare ASGI and record", "bare loop"
FEAST, MLSERVER = "Feast", "MLServer, ready vectors"
MODELS = 50
_PATIENCE_S = 120.0
_SERIAL = SERIAL.decode()


@dataclass(frozen=True)
class Found:
    """What answers say, request after request: predictions and vectors, None where a system gives none."""

    predictions: list[float] | None
    vectors: Values | None


@dataclass(frozen=True)
class System:
    """How one system is asked about entities of a shape, and how its answers are read.

    `body` takes a request's number and its entities' numbers. `whole` ones are asked without entities that
    lack a value.
    """

    name: str
    path: str
    body: Callable[[int, Sequence[int]], dict[str, Any]]
    read: Callable[[dict[str, Any]], Found]
    whole: bool = False


class Running:
    """A started system: the port it listens at, and what its processes take."""

    def __init__(self, process: int, port: int) -> None:
        self.port = port
        self._process = psutil.Process(process)

    def cpu_s(self) -> float:
        """Give the processor time of all its processes so far."""
        return float(sum(sum(each.cpu_times()[:2]) for each in self._family()))

    def peak_mb(self) -> float:
        """Give the sum of its processes' greatest memories, in MiB."""
        return sum(peak_mb(each.pid) for each in self._family())

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


def _entities(model: str) -> Callable[[int, Sequence[int]], dict[str, Any]]:
    def body(_number: int, entities: Sequence[int]) -> dict[str, Any]:
        return _requests(model, ({"entity_keys": {"card": key(entity)}} for entity in entities))

    return body


def _requests(model: str, asked: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Give the door's body: one request, or a batch of several."""
    requests = [
        {"request_id": f"{_SERIAL}-{place}", "model_name": model, **each} for place, each in enumerate(asked)
    ]
    return {"requests": requests} if len(requests) > 1 else requests[0]


def _each_model(number: int, entities: Sequence[int]) -> dict[str, Any]:
    return _entities(many(number % MODELS))(number, entities)


def many(number: int) -> str:
    """Give the name of one of the many models."""
    return f"one_of_many_{number}"


def door_answers(answer: dict[str, Any]) -> Found:
    """Read what Augury's door answers, or the bare application."""
    results = answer.get("results", [answer])
    return Found(
        [result["prediction"] for result in results],
        [list(result["feature_values_used"].values()) for result in results],
    )


def augury(shape: Shape, name: str = AUGURY) -> System:
    """Give the door, or the bare application in its place, asked by keys."""
    return System(name, "/v1/predict", _entities(shape.model), door_answers)


def in_turn() -> System:
    """Give the door asked by keys, each request for the next of many models."""
    return System(IN_TURN, "/v1/predict", _each_model, door_answers)


def ready_vectors(world: World, shape: Shape) -> System:
    """Give the door asked with vectors."""

    def body(_number: int, entities: Sequence[int]) -> dict[str, Any]:
        vectors = nullable(world.vectors(shape, entities))
        return _requests(shape.model, ({"vector": vector} for vector in vectors))

    return System(VECTORS, "/v1/predict", body, door_answers)


def feast(world: World, shape: Shape) -> System:
    """Give Feast's feature server, asked by keys; it gives features and no prediction."""
    names = [name.replace(".", ":") for name in world.plans[shape].names]

    def body(_number: int, entities: Sequence[int]) -> dict[str, Any]:
        cards = [key(entity) for entity in entities]
        return {"features": names, "entities": {"card": cards}, "full_feature_names": True}

    def read(answer: dict[str, Any]) -> Found:
        columns = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
        ordered = [columns[name.replace(":", "__")]["values"] for name in names]
        return Found(None, [list(row) for row in zip(*ordered, strict=True)])

    return System(FEAST, "/get-online-features", body, read)


def mlserver(world: World, shape: Shape) -> System:
    """Give MLServer, asked with vectors; its JSON has no missing values."""

    def body(_number: int, entities: Sequence[int]) -> dict[str, Any]:
        vectors = world.vectors(shape, entities)
        data = vectors.ravel().tolist()
        matrix = {"name": "vector", "shape": list(vectors.shape), "datatype": "FP32", "data": data}
        return {"inputs": [matrix]}

    def read(answer: dict[str, Any]) -> Found:
        return Found(answer["outputs"][0]["data"], None)

    return System(MLSERVER, f"/v2/models/{shape.model}/infer", body, read, whole=True)


@contextlib.contextmanager
def door(world: World, name: str = "door") -> Iterator[Running]:
    """Run Augury's HTTP door as a user does; doors of other names have other ports and spools."""
    command = [sys.executable, "-m", "augury", "service", "http", PROJECT]
    port, grpc = free_ports(2)
    own = {"AUGURY_HTTP_PORT": str(port), "AUGURY_GRPC_PORT": str(grpc)}
    own["AUGURY_HOME"] = str(world.folder(name))
    with _run(world, name, command, port, "/readyz", world.settings.environment() | own) as running:
        yield running


@contextlib.contextmanager
def worker(world: World) -> Iterator[Running]:
    """Run Augury's Kafka worker as a user does; not awaited."""
    command = [sys.executable, "-m", "augury", "service", "worker", PROJECT]
    with _run(world, "worker", command, 0, None, world.settings.environment()) as running:
        yield running


@contextlib.contextmanager
def application(world: World, shape: Shape, recording: bool) -> Iterator[Running]:
    """Run the bare ASGI application."""
    (port,) = free_ports(1)
    command = [*floor(world, shape), "--port", str(port)]
    if recording:
        command += ["--records", str(world.settings.home / "records.avro")]
    with _run(world, "application", command, port, "/") as running:
        yield running


def floor(world: World, shape: Shape) -> list[str]:
    """Give the command of the bare loop and application."""
    command = [sys.executable, "-m", "benchmarks.serving_floor", shape.model]
    return [*command, "--onnx", str(world.onnx(shape)), "--redis", world.settings.redis_url]


@contextlib.contextmanager
def feast_server(world: World, shape: Shape) -> Iterator[Running]:
    """Write the rows to Redis by Feast, and run its server with one worker, as many as the door has."""
    python, repository = peers_python("feast_server"), world.folder(f"feast_{shape.model}")
    redis = f"{LOOPBACK}:{world.settings.redis_port}"
    command = [str(python), "-m", "benchmarks.peers.serving_feast", str(world.folder(shape.model))]
    with (world.settings.home / "feast-rows.log").open("wb") as log:
        subprocess.run(
            [*command, str(repository), redis], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=True
        )
    (port,) = free_ports(1)
    serve = [str(python.parent / "feast"), "-c", str(repository), "serve", "--port", str(port)]
    serve += ["--no-access-log", "--workers", "1", "--max-requests", "1000000000"]  # by default it restarts
    own = {"HOME": str(repository)}  # where gunicorn puts its socket
    with _run(world, "feast", serve, port, "/health", own) as running:
        yield running


@contextlib.contextmanager
def mlserver_server(world: World, shape: Shape) -> Iterator[Running]:
    """Run MLServer with the model in its own process, which costs it least."""
    python, folder = peers_python("mlserver"), world.folder(f"mlserver_{shape.model}")
    http, grpc, metrics = free_ports(3)
    ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    settings = {"host": LOOPBACK, "debug": False, "parallel_workers": 0, **ports}
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {
        "name": shape.model,
        "implementation": "benchmarks.peers.serving_mlserver.OnnxRuntime",
        "parameters": {"uri": str(world.onnx(shape))},
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    command = [str(python.parent / "mlserver"), "start", str(folder)]
    with _run(world, "mlserver", command, http, f"/v2/models/{shape.model}/ready") as running:
        yield running


@contextlib.contextmanager
def _run(
    world: World,
    name: str,
    command: list[str],
    port: int,
    path: str | None,
    environment: dict[str, str] | None = None,
) -> Iterator[Running]:
    log = world.settings.home / f"{name}.log"
    variables = child_environment(**{"PYTHONPATH": str(ROOT), **(environment or {})})
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT)
    try:
        if path is not None:
            _await(process, log, port, path)
        yield Running(process.pid, port)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], log: Path, port: int, path: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            get(port, path)
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"a server answers {path} on port {port}; it did not:\n{tail(log)}"
                ) from None
            time.sleep(0.1)
        else:
            return
