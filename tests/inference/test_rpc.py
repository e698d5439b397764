"""The Open Inference Protocol over gRPC, asked by an existing client."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from tritonclient.utils import InferenceServerException

from augury.settings import free_ports
from inference.access import Access
from inference.door import Door
from inference.encoding import ResultEncoder
from inference.http import LIMIT, create_app
from inference.log import AnswerLog
from inference.messages import MESSAGES, SERVICE
from inference.metrics import Metrics
from inference.rpc import Place, RpcDoor
from inference.serving import Tls
from inference.spool import Spool
from inference.tokens import Scope, TokensFile
from schemas.codec import Codec
from schemas.tracing import Tracing
from tests.tls import certificate

from .listening import listening
from .onnx_models import classes, regressor
from .world import LocalSchemas, World

ROWS = [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.5] * 6]


class Rpc:
    """A door with both listeners."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.codec = Codec(LocalSchemas())
        self.spool = Spool(world.folder / f"spool-{uuid.uuid4().hex}")
        self.metrics = Metrics(CollectorRegistry())

    @contextmanager
    def open(
        self,
        access: Access | None = None,
        tls: Tls | None = None,
        tracing: Tracing | None = None,
    ) -> Iterator[str]:
        (port,) = free_ports(1)
        world, log = self.world, AnswerLog(self.spool, ResultEncoder(self.codec))
        access = access or Access(world.clock)
        predictor, metrics = world.predictor, self.metrics
        place = Place("127.0.0.1", port, None if tls is None else tls.credentials())
        door = Door(world.models, predictor, log, world.clock, LIMIT, metrics, tracing, "grpc")
        beside = RpcDoor(place, door, world.models, world.redis.ping, access, world.clock, "1")
        app = create_app(
            world.models,
            predictor,
            log,
            world.redis.ping,
            world.clock,
            access,
            metrics=metrics,
            beside=beside,
        )
        with listening(app):
            yield f"127.0.0.1:{port}"

    def logged(self) -> list[dict[str, Any]]:
        records, _ = self.spool.read(self.spool.position(), 1_000)
        return [self.codec.decode(record.value) for record in records]


@pytest.fixture
def rpc(world: World) -> Iterator[Rpc]:
    world.serve(regressor(6))
    rpc = Rpc(world)
    yield rpc
    rpc.spool.close()


def tensor(*rows: list[float], kind: type[np.floating[Any]] = np.float64) -> triton.InferInput:
    made = triton.InferInput("vector", [len(rows), len(rows[0])], "FP64" if kind is np.float64 else "FP32")
    made.set_data_from_numpy(np.array(rows, kind))
    return made


def refused(client: triton.InferenceServerClient, *inputs: triton.InferInput, **more: Any) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as caught:
        client.infer(more.pop("model", "late"), list(inputs), **more)
    return caught.value.status().removeprefix("StatusCode."), caught.value.message()


def test_an_existing_client_is_served(rpc: Rpc) -> None:
    with rpc.open() as address, triton.InferenceServerClient(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("late", "1")
        assert client.get_server_metadata().name == "augury"
        told = client.get_model_metadata("late")
        assert (told.inputs[0].name, list(told.inputs[0].shape), list(told.versions)) == (
            "vector",
            [-1, 6],
            ["1"],
        )
        for kind in (np.float32, np.float64):
            name = uuid.uuid4().hex
            found = client.infer("late", [tensor(*ROWS, kind=kind)], request_id=name)
            np.testing.assert_allclose(found.as_numpy("prediction"), [21.0, 3.0])
            answer = found.get_response()
            assert (answer.id, answer.model_name, answer.model_version) == (name, "late", "1")
    logged = rpc.logged()
    assert [record["request_id"] for record in logged[2:]] == [f"{name}/0", f"{name}/1"]
    assert {(record["door"], record["variant"]) for record in logged} == {("grpc", "champion")}
    count = rpc.metrics.registry.get_sample_value(
        "augury_requests_total",
        {"door": "grpc", "model": "late", "version": "1", "variant": "champion", "outcome": "ok"},
    )
    assert count == 4


def test_missing_values_texts_and_versions(rpc: Rpc) -> None:
    rpc.world.register(classes(6, ["early", "late", "lost"]))
    with rpc.open() as address, triton.InferenceServerClient(address) as client:
        found = client.infer("late", [tensor([1.0] * 6, [-1.0] * 6)], model_version="2")
        assert found.as_numpy("predicted_class").tolist() == [b"lost", b"early"]
        assert found.as_numpy("outputs").shape == (2, 3)
        (score,) = (
            client.infer(
                "late",
                [tensor([1.0] * 6)],
                model_version="2",
                outputs=[triton.InferRequestedOutput("prediction")],
            )
            .get_response()
            .outputs
        )
        assert score.name == "prediction"
        kind, text = refused(client, tensor([float("nan")] * 6))
        assert (kind, "a prediction is a finite number" in text) == ("INVALID_ARGUMENT", True)
    logged = rpc.logged()
    assert {record["variant"] for record in logged[:3]} == {"pinned"}
    assert set(logged[-1]["feature_values_used"].values()) == {None}


def test_contents_that_are_typed_are_answered_typed(rpc: Rpc) -> None:
    message = MESSAGES["ModelInferRequest"](model_name="late", id="r")
    made = message.inputs.add(name="vector", datatype="FP32", shape=[1, 6])
    made.contents.fp32_contents.extend(ROWS[0])
    with rpc.open() as address, grpc.insecure_channel(address) as channel:
        infer = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=MESSAGES["ModelInferRequest"].SerializeToString,
            response_deserializer=MESSAGES["ModelInferResponse"].FromString,
        )
        answer = infer(message)
    assert list(answer.raw_output_contents) == []
    assert list(answer.outputs[0].contents.fp64_contents) == pytest.approx([21.0])


def test_what_is_wrong_has_its_code(rpc: Rpc) -> None:
    with rpc.open() as address, triton.InferenceServerClient(address) as client:
        assert refused(client, tensor(ROWS[0]), model="early")[0] == "NOT_FOUND"
        assert refused(client, tensor(ROWS[0]), model_version="9")[0] == "NOT_FOUND"
        assert refused(client, tensor([1.0] * 5)) == (
            "INVALID_ARGUMENT",
            "a vector of late version 1 has 6 values; one of 5 cannot be scored",
        )
        other = triton.InferInput("input0", [1, 6], "FP64")
        other.set_data_from_numpy(np.array(ROWS[:1]))
        assert "a model's input is 'vector'" in refused(client, other)[1]
        whole = triton.InferInput("vector", [1, 6], "INT64")
        whole.set_data_from_numpy(np.ones((1, 6), np.int64))
        assert "this one is of 'INT64'" in refused(client, whole)[1]
        assert "this call brings 2" in refused(client, tensor(ROWS[0]), tensor(ROWS[0]))[1]
        with pytest.raises(InferenceServerException, match="nothing can answer for 'early'"):
            client.get_model_metadata("early")


def test_a_deadline_is_kept(rpc: Rpc, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(0, 10_000_000, 100))
    monkeypatch.setattr(World, "clock", lambda world: world.now + next(moments))
    with rpc.open() as address, triton.InferenceServerClient(address) as client:
        kind, text = refused(client, tensor(ROWS[0]), timeout=1_000)
    assert kind == "DEADLINE_EXCEEDED"
    assert "begun within its timeout_ms" in text


def test_tokens_have_scopes(rpc: Rpc, tmp_path: Path) -> None:
    tokens, world = TokensFile(tmp_path / "tokens.json"), rpc.world
    predicts, reads = (
        tokens.create(scope.value, frozenset({scope}), world.now, None)
        for scope in (Scope.PREDICT, Scope.READ)
    )
    access = Access(world.clock, tokens_file=tmp_path / "tokens.json")

    def headers(token: str) -> dict[str, str]:
        return {"authorization": f"Bearer {token}"}

    with rpc.open(access) as address, triton.InferenceServerClient(address) as client:
        assert client.is_server_live()
        assert refused(client, tensor(ROWS[0]))[0] == "UNAUTHENTICATED"
        assert refused(client, tensor(ROWS[0]), headers=headers(reads))[0] == "PERMISSION_DENIED"
        assert client.infer("late", [tensor(ROWS[0])], headers=headers(predicts)).get_response().id
        assert client.get_model_metadata("late", headers=headers(reads)).name == "late"
        with pytest.raises(InferenceServerException, match="the scope read"):
            client.get_model_metadata("late", headers=headers(predicts))


def test_tls(rpc: Rpc, tmp_path: Path) -> None:
    ours, caller = certificate(tmp_path, "door"), certificate(tmp_path, "caller")
    with rpc.open(tls=Tls(ours.cert, ours.key, caller.cert)) as address:
        files = (str(ours.cert), str(caller.key), str(caller.cert))
        names = ("root_certificates", "private_key", "certificate_chain")
        stated: dict[str, Any] = dict(zip(names, files, strict=True))
        with triton.InferenceServerClient(address, ssl=True, **stated) as client:
            found = client.infer("late", [tensor(ROWS[0])])
            np.testing.assert_allclose(found.as_numpy("prediction"), [21.0])
        unknown = triton.InferenceServerClient(address, ssl=True, root_certificates=str(ours.cert))
        with unknown as client, pytest.raises(InferenceServerException, match=r"(?i)unavailable|connect"):
            client.infer("late", [tensor(ROWS[0])])


def test_a_traced_call_is_one_span(rpc: Rpc) -> None:
    spans, parent = InMemorySpanExporter(), f"00-{'a' * 32}-{'b' * 16}-01"
    with (
        Tracing("http", "1", spans) as tracing,
        rpc.open(tracing=tracing) as address,
        triton.InferenceServerClient(address) as client,
    ):
        client.infer("late", [tensor(ROWS[0])], headers={"traceparent": parent})
        refused(client, tensor([1.0]))
    first, second = spans.get_finished_spans()
    assert f"{first.context.trace_id:032x}" == "a" * 32
    assert first.name == "POST /inference.GRPCInferenceService/ModelInfer"
    assert second.attributes is not None
    assert second.attributes["http.response.status_code"] == 422


def test_a_port_that_is_taken_is_told(rpc: Rpc) -> None:
    with rpc.open() as address:
        place = Place("127.0.0.1", int(address.rpartition(":")[2]))
        world = rpc.world
        door = Door(world.models, world.predictor, None, world.clock, 1, rpc.metrics)  # type: ignore[arg-type]
        again = RpcDoor(place, door, world.models, world.redis.ping, Access(world.clock), world.clock, "1")

        async def enter() -> None:
            async with again:
                raise AssertionError("two doors share a port")

        with pytest.raises(RuntimeError, match=r"bind"):
            asyncio.run(enter())
