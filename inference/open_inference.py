"""The Open Inference Protocol (version 2) over REST: ready vectors in, predictions out.

Its names, paths and bodies are the standard's (github.com/kserve/open-inference-protocol, "HTTP/REST"). Calls
take the door's own way: they are queued with all others, logged, counted and limited.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from inference.access import Refusal
from inference.bodies import encode
from inference.calls import Calls
from inference.door import Door, Form
from inference.models import Models
from inference.problems import detail_of, kind_of, patience, status_of
from inference.records import RequestError
from inference.tensors import read_call

ROOT = "/v2"
LIVE, READY = f"{ROOT}/health/live", f"{ROOT}/health/ready"
MODEL = f"{ROOT}/models/{{name}}"
VERSION = f"{MODEL}/versions/{{version}}"
_INFER = "/infer"


class ServerMetadata(Struct, frozen=True):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class ServerLive(Struct, frozen=True):
    """That the process runs."""

    live: bool


class ServerReady(Struct, frozen=True):
    """That calls can be answered."""

    ready: bool


class ModelReady(Struct, frozen=True):
    """That a model can answer."""

    name: str
    ready: bool


class ErrorBody(Struct, frozen=True):
    """What went wrong: the rule, the consequence and the value."""

    error: str


def speaks(path: str) -> bool:
    """Tell whether a path is one of this protocol."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def infers(path: str) -> bool:
    """Tell whether a path is asked for predictions."""
    return path.startswith(f"{ROOT}/") and path.endswith(_INFER)


class OpenInference:
    """The protocol's routes. `ping` raises where no calls should come."""

    def __init__(
        self, door: Door, models: Models, ping: Callable[[], object], name: str, version: str
    ) -> None:
        self._door = door
        self._calls = Calls(door, models)
        self._ping = ping
        self._metadata = encode(ServerMetadata(name.lower(), version, []))
        self._form = Form(f"{MODEL}{_INFER}", self._infer, error_of)
        self.routes = [
            Route(ROOT, self._server),
            Route(LIVE, self._live),
            Route(READY, self._ready),
            *(
                Route(path + rest, endpoint)
                for path in (VERSION, MODEL)
                for rest, endpoint in (
                    ("", self._model),
                    ("/ready", self._model_ready),
                    (_INFER, _Endpoint(self._infer_call)),
                )
            ),
        ]

    async def _server(self, _: Request) -> Response:
        return _json(self._metadata)

    async def _live(self, _: Request) -> Response:
        return _json(encode(ServerLive(True)))

    async def _ready(self, _: Request) -> Response:
        await run_in_threadpool(self._ping)
        return _json(encode(ServerReady(True)))

    def _model(self, request: Request) -> Response:
        return _json(encode(self._calls.metadata(*_asked(request.path_params))))

    def _model_ready(self, request: Request) -> Response:
        return _json(encode(ModelReady(self._calls.model(*_asked(request.path_params)).name, True)))

    async def _infer_call(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._door.serve(self._form, scope, receive, send)

    async def _infer(self, scope: Scope, body: bytes, received: int, trace: str) -> bytes | Response:
        answer = await self._calls.infer(read_call(body), *_asked(scope["path_params"]), received, trace)
        return error_of(answer) if isinstance(answer, RequestError) else encode(answer)


class _Endpoint:
    """An ASGI application for a route, which takes a function for a handler of requests."""

    def __init__(self, call: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._call(scope, receive, send)


def error_of(error: Exception) -> Response:
    """Answer with the error that an exception is, in the protocol's form."""
    if isinstance(error, HTTPException):
        return _error(kind_of(error), detail_of(error), HTTPStatus(error.status_code), error.headers)
    return _error(kind_of(error), detail_of(error))


def refused(refusal: Refusal) -> Response:
    """Answer one who may not come in."""
    return _error(refusal.kind, refusal.detail, refusal.status, {"WWW-Authenticate": refusal.challenge})


def _error(
    kind: str, detail: str, status: HTTPStatus | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    code = status or status_of(kind)
    if code is HTTPStatus.UNPROCESSABLE_ENTITY:
        code = HTTPStatus.BAD_REQUEST  # the standard's own
    return Response(encode(ErrorBody(detail)), code, patience(code, headers), media_type="application/json")


def _asked(path: Mapping[str, str]) -> tuple[str, str]:
    return path["name"], path.get("version", "")


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
