"""The Open Inference Protocol over gRPC: a second listener of the HTTP door's process, in its event loop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

import grpc
import numpy as np
from msgspec import to_builtins
from redis import RedisError

from inference.access import Access
from inference.calls import Calls
from inference.door import Door
from inference.messages import MESSAGES, METHODS, SERVICE
from inference.models import Models
from inference.problems import detail_of, kind_of, status_of
from inference.records import RequestError
from inference.runtime import Matrix
from inference.tensors import Call, InferResponse, call_of
from inference.tokens import Scope

_OPEN = frozenset({"ServerLive", "ServerReady"})
_INFER = "ModelInfer"
_MOST_BYTES = 1 << 20
_GRACE_SECONDS = 5.0
_MOST_SECONDS = 3_600  # beyond, a call is given the time that it wants
_ROUTE = f"/{SERVICE}/{_INFER}"
_TYPES: dict[str, np.dtype[Any]] = {"FP32": np.dtype("<f4"), "FP64": np.dtype("<f8")}
_CODES = {
    HTTPStatus.UNAUTHORIZED: grpc.StatusCode.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.UNPROCESSABLE_ENTITY: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.TOO_MANY_REQUESTS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.SERVICE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
}

_LOG = logging.getLogger(__name__)
_Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True)
class Place:
    """Where to listen, in plain where there are no `credentials`."""

    host: str
    port: int
    credentials: grpc.ServerCredentials | None = None


class RpcDoor:
    """Answers the protocol's calls; to be entered in the event loop of the HTTP door.

    `ping` raises where no calls should come. Entering raises `RuntimeError` where the port is taken.
    """

    def __init__(
        self,
        place: Place,
        door: Door,
        models: Models,
        ping: Callable[[], object],
        access: Access,
        clock: Callable[[], int],
        version: str,
    ) -> None:
        self._place = place
        self._door = door
        self._calls = Calls(door, models)
        self._ping = ping
        self._access = access
        self._clock = clock
        self._version = version

    async def __aenter__(self) -> Self:
        # Two processes on one port would share its calls between them.
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", _MOST_BYTES)]
        self._server = grpc.aio.server(options=options)
        answers: dict[str, Callable[[Any, _Context], Awaitable[Any]]] = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            _INFER: self._infer,
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._guarded(name, answers[name]),
                request_deserializer=MESSAGES[f"{name}Request"].FromString,
                response_serializer=MESSAGES[f"{name}Response"].SerializeToString,
            )
            for name in METHODS
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        place = self._place
        host = f"[{place.host}]" if ":" in place.host else place.host
        if place.credentials is None:
            self._server.add_insecure_port(f"{host}:{place.port}")
        else:
            self._server.add_secure_port(f"{host}:{place.port}", place.credentials)
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(_GRACE_SECONDS)
        await asyncio.to_thread(self._door.close)

    def _guarded(
        self, name: str, answer: Callable[[Any, _Context], Awaitable[Any]]
    ) -> Callable[[Any, _Context], Awaitable[Any]]:
        """Let those in who may ask, and tell what goes wrong by its code."""
        scope = Scope.PREDICT if name == _INFER else Scope.READ

        async def call(request: Any, context: _Context) -> Any:  # noqa: ANN401
            if name not in _OPEN:
                refusal = self._access.check(_authorization(context), scope)
                if refusal is not None:
                    await context.abort(_CODES[refusal.status], refusal.detail)
            try:
                return await answer(request, context)
            except Exception as error:
                if isinstance(error, grpc.aio.AbortError):
                    raise
                code = _code(error)
                if code is grpc.StatusCode.INTERNAL:
                    _LOG.exception("%s was not answered", name)
                await context.abort(code, detail_of(error))

        return call

    async def _live(self, _: Any, __: _Context) -> Any:  # noqa: ANN401
        return MESSAGES["ServerLiveResponse"](live=True)

    async def _ready(self, _: Any, __: _Context) -> Any:  # noqa: ANN401
        try:
            await asyncio.to_thread(self._ping)
        except (RedisError, RequestError):
            return MESSAGES["ServerReadyResponse"](ready=False)
        return MESSAGES["ServerReadyResponse"](ready=True)

    async def _server_metadata(self, _: Any, __: _Context) -> Any:  # noqa: ANN401
        return MESSAGES["ServerMetadataResponse"](name="augury", version=self._version)

    async def _model_ready(self, request: Any, _: _Context) -> Any:  # noqa: ANN401
        await asyncio.to_thread(self._calls.model, request.name, request.version)
        return MESSAGES["ModelReadyResponse"](ready=True)

    async def _model_metadata(self, request: Any, _: _Context) -> Any:  # noqa: ANN401
        told = await asyncio.to_thread(self._calls.metadata, request.name, request.version)
        return MESSAGES["ModelMetadataResponse"](**to_builtins(told))

    async def _infer(self, request: Any, context: _Context) -> Any:  # noqa: ANN401
        received = self._clock()
        answer: InferResponse | Exception
        with self._door.traced(_ROUTE, list(context.invocation_metadata() or ())) as span:
            try:
                call = _call_of(request, context.time_remaining())
                trace = "" if span is None else span.traceparent
                answer = await self._calls.infer(
                    call, request.model_name, request.model_version, received, trace
                )
            except Exception as error:
                self._door.refused(error)
                if span is not None:
                    span.refused(kind_of(error))
                answer = error
            if span is not None:
                span.answered(status_of(kind_of(answer)) if isinstance(answer, Exception) else HTTPStatus.OK)
        if isinstance(answer, Exception):
            await context.abort(_code(answer), detail_of(answer))
        return _response(answer, raw=bool(request.raw_input_contents))


def _call_of(request: Any, seconds: float | None) -> Call:  # noqa: ANN401
    """Read a call that has `seconds` left; raises `RequestError`."""
    if len(request.inputs) != 1:
        raise RequestError(
            "wrong-tensor",
            f"a model has one input, so nothing was done; this call brings {len(request.inputs)}",
        )
    (tensor,) = request.inputs
    stated: object = None
    if "timeout" in request.parameters:  # looking it up would add it
        parameter = request.parameters["timeout"]
        kind = parameter.WhichOneof("parameter_choice")
        stated = kind and getattr(parameter, kind)
    if stated is None and seconds is not None and seconds < _MOST_SECONDS:
        stated = max(1, int(seconds * 1e6))
    return call_of(
        request.id,
        tensor.name,
        list(tensor.shape),
        _values(tensor, request.raw_input_contents),
        [output.name for output in request.outputs],
        stated,
    )


def _values(tensor: Any, raw: Sequence[bytes]) -> Matrix:  # noqa: ANN401
    """Give a tensor's values (n * k,); raises `RequestError`."""
    if tensor.datatype not in _TYPES:
        raise RequestError(
            "wrong-tensor",
            f"a vector is of {' or '.join(_TYPES)}, so nothing was done; this one is of "
            f"{tensor.datatype!r:.200}",
        )
    kind = _TYPES[tensor.datatype]
    if not raw:
        held = tensor.contents.fp32_contents if tensor.datatype == "FP32" else tensor.contents.fp64_contents
        return np.array(held, np.float64)
    if len(raw) != 1 or len(raw[0]) % kind.itemsize:
        raise RequestError(
            "wrong-tensor",
            f"raw contents are one input's, of {kind.itemsize} bytes a value, so nothing was done; they are "
            f"{len(raw)} of {[len(part) for part in raw][:3]} bytes",
        )
    return np.frombuffer(raw[0], kind).astype(np.float64)


def _response(answer: InferResponse, raw: bool) -> Any:  # noqa: ANN401
    """Give an answer as a message, in raw contents where the call came so."""
    told = MESSAGES["ModelInferResponse"](
        model_name=answer.model_name, model_version=answer.model_version or "", id=answer.id
    )
    for output in answer.outputs:
        tensor = told.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        texts = [value.encode() for value in output.data if isinstance(value, str)]
        if raw and texts:
            told.raw_output_contents.append(b"".join(len(t).to_bytes(4, "little") + t for t in texts))
        elif raw:
            told.raw_output_contents.append(np.array(output.data, _TYPES["FP64"]).tobytes())
        elif texts:
            tensor.contents.bytes_contents.extend(texts)
        else:
            tensor.contents.fp64_contents.extend(output.data)
    return told


def _code(error: Exception) -> grpc.StatusCode:
    return _CODES.get(status_of(kind_of(error)), grpc.StatusCode.INTERNAL)


def _authorization(context: _Context) -> bytes | None:
    for name, value in context.invocation_metadata() or ():
        if name == "authorization":
            return value if isinstance(value, bytes) else value.encode()
    return None
