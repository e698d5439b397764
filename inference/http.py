"""The HTTP door: the application."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.metadata import version

import orjson
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from redis import RedisError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from inference.access import Access, Refusal
from inference.bodies import Models as ModelsBody
from inference.bodies import encode, model_body
from inference.door import ROUTE, Door
from inference.log import AnswerLog
from inference.metrics import Metrics
from inference.models import Models
from inference.open_inference import LIVE, READY, OpenInference, error_of, infers, refused, speaks
from inference.openapi import document
from inference.predictor import Predictor
from inference.problems import problem, problem_of
from inference.records import RequestError
from inference.tokens import Scope as Allowed
from schemas.tracing import Tracing

_TITLE = "Augury"
_OPENAPI = "/openapi.json"
_OPEN = frozenset({"/healthz", "/readyz", LIVE, READY})
LIMIT = 1_024


def create_app(
    models: Models,
    predictor: Predictor,
    log: AnswerLog,
    ping: Callable[[], object],
    clock: Callable[[], int],
    access: Access,
    limit: int = LIMIT,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
    beside: AbstractAsyncContextManager[object] | None = None,
) -> ASGIApp:
    """Build the application. `ping` raises where no calls should come; `clock` gives ms.

    All routes but those of health ask `access`: predictions for the scope `predict`, all else for `read`.
    A body has at most 1 MiB, and at most `limit` requests are answered at a time. Every error is an
    `application/problem+json` of RFC 9457, below `/v2` what the Open Inference Protocol has. `beside` is
    entered while the application runs, in its event loop.
    """
    counted = metrics or Metrics(CollectorRegistry())
    door = Door(models, predictor, log, clock, limit, counted, tracing)

    def list_models(_: Request) -> Response:
        return _json(ModelsBody([model_body(name, models.variants(name)) for name in models.names()]))

    def show_model(request: Request) -> Response:
        name = request.path_params["name"]
        return _json(model_body(name, models.variants(name)))

    def live(_: Request) -> Response:
        return _json({"status": "live"})

    async def ready(_: Request) -> Response:
        await run_in_threadpool(ping)
        return _json({"status": "ready"})

    def scrape(_: Request) -> Response:
        return Response(generate_latest(counted.registry), headers={"content-type": CONTENT_TYPE_LATEST})

    described = orjson.dumps(document(_TITLE, version("augury"), not access.open))

    def openapi(_: Request) -> Response:
        return Response(described, media_type="application/json")

    def swagger(_: Request) -> Response:
        return get_swagger_ui_html(openapi_url=_OPENAPI, title=_TITLE)

    def redoc(_: Request) -> Response:
        return get_redoc_html(openapi_url=_OPENAPI, title=_TITLE)

    async def failed(request: Request, error: Exception) -> Response:
        return error_of(error) if speaks(request.url.path) else problem_of(error)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with beside or nullcontext():
            yield
        await run_in_threadpool(door.close)

    rest = Starlette(
        routes=[
            Route("/v1/models", list_models),
            Route("/v1/models/{name}", show_model),
            Route("/healthz", live),
            Route("/metrics", scrape),
            Route("/readyz", ready),
            Route(_OPENAPI, openapi),
            Route("/docs", swagger),
            Route("/redoc", redoc),
            *OpenInference(door, models, ping, _TITLE, version("augury")).routes,
        ],
        exception_handlers=dict.fromkeys((HTTPException, RequestError, RedisError, Exception), failed),
        lifespan=lifespan,
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await rest(scope, receive, send)
            return
        path = scope["path"]
        if path not in _OPEN:
            allowed = Allowed.PREDICT if path == ROUTE or infers(path) else Allowed.READ
            refusal = access.check(_authorization(scope), allowed)
            if refusal is not None:
                answer = refused(refusal) if speaks(path) else _refused(refusal)
                await answer(scope, receive, send)
                return
        if path == ROUTE:  # before the router, which would take as long as the model
            await door(scope, receive, send)
        else:
            await rest(scope, receive, send)

    return app


def _refused(refusal: Refusal) -> Response:
    status, kind, detail, challenge = refusal
    return problem(kind, detail, status, headers={"WWW-Authenticate": challenge})


def _authorization(scope: Scope) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == b"authorization"), None)


def _json(body: object) -> Response:
    return Response(encode(body), media_type="application/json")
