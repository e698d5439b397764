"""The HTTP door: the application."""

import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from redis import RedisError
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from inference.bodies import (
    AnyRequest,
    Batch,
    ModelBody,
    ModelsBody,
    PredictionBatch,
    PredictionBody,
    Problem,
    model_body,
    result_body,
)
from inference.limit import BodyLimit
from inference.log import AnswerLog
from inference.models import Models, OutageError
from inference.predictor import Answer, Predictor
from inference.records import RequestError
from inference.spool import SpoolError

_STATUS = {
    "unknown-model": HTTPStatus.NOT_FOUND,
    "unknown-version": HTTPStatus.NOT_FOUND,
    "no-champion": HTTPStatus.SERVICE_UNAVAILABLE,
    "unloadable-version": HTTPStatus.SERVICE_UNAVAILABLE,
    "stale-features": HTTPStatus.SERVICE_UNAVAILABLE,
    "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "wrong-layout": HTTPStatus.SERVICE_UNAVAILABLE,
    "model-failed": HTTPStatus.INTERNAL_SERVER_ERROR,
}
_BODY_BYTES = 1 << 20
_OPENAPI = "/openapi.json"
_PROBLEM = {"content": {"application/problem+json": {"schema": Problem.model_json_schema()}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, **_PROBLEM}
    for status in (401, 404, 413, 422, 500, 503)
}


def create_app(
    models: Models, predictor: Predictor, log: AnswerLog, ping: Callable[[], object], token: str | None = None
) -> FastAPI:
    """Build the application. `ping` raises where the online store cannot be reached.

    With a `token`, all routes but the two of health ask for it as a bearer token. A body has at most
    1 MiB. Every error is an `application/problem+json` of RFC 9457.
    """
    app = FastAPI(
        title="Augury",
        summary="Predictions from fresh features.",
        responses=_PROBLEMS,
        exception_handlers={
            RequestValidationError: _invalid,
            HTTPException: _refused,
            RequestError: _request_error,
            RedisError: _outage,
            SpoolError: _outage,
            OutageError: _outage,
            Exception: _fault,
        },
        openapi_url=None,  # the documents are routes like the others, for they ask for the token too
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(BodyLimit, limit=_BODY_BYTES)
    guard = [Depends(_guard(token))]

    def shadow(answers: list[Answer]) -> None:
        log.shadows(predictor.shadow(answers))

    @app.post(
        "/v1/predict",
        dependencies=guard,
        responses={200: {"model": PredictionBody | PredictionBatch}},
        response_class=Response,
    )
    def predict(body: AnyRequest) -> Response:
        """Answer one request, or a batch of them; the answer is in the log before it leaves."""
        batch = isinstance(body, Batch)
        bodies = body.requests if isinstance(body, Batch) else [body]
        answers = predictor.predict([one.request() for one in bodies], "http")
        log.results([answer.result for answer in answers])
        after = BackgroundTask(shadow, answers)
        if batch:
            return _json({"results": [result_body(answer.result) for answer in answers]}, after)
        ((result, problem, _),) = answers
        if problem is None:
            return _json(result_body(result), after)
        return _problem(problem, result.error or "", request_id=result.request_id)

    @app.get("/v1/models", dependencies=guard)
    def list_models() -> ModelsBody:
        """List who answers for each model name."""
        return ModelsBody(models=[model_body(name, models.variants(name)) for name in models.names()])

    @app.get("/v1/models/{name}", dependencies=guard)
    def show_model(name: str) -> ModelBody:
        """Show who answers for a model name, and what a request must bring."""
        return model_body(name, models.variants(name))

    @app.get("/healthz")
    def live() -> dict[str, str]:
        """Tell that the process runs."""
        return {"status": "live"}

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        """Tell that requests can be answered."""
        ping()
        return {"status": "ready"}

    @app.get(_OPENAPI, dependencies=guard, include_in_schema=False)
    def document() -> dict[str, Any]:
        return app.openapi()

    @app.get("/docs", dependencies=guard, include_in_schema=False)
    def swagger() -> Response:
        return get_swagger_ui_html(openapi_url=_OPENAPI, title=app.title)

    @app.get("/redoc", dependencies=guard, include_in_schema=False)
    def redoc() -> Response:
        return get_redoc_html(openapi_url=_OPENAPI, title=app.title)

    return app


def _guard(token: str | None) -> Callable[..., None]:
    scheme = HTTPBearer(auto_error=False, description="The door's token, where it was started with one.")

    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]) -> None:
        if token is None:
            return
        if given is None or not secrets.compare_digest(given.credentials.encode(), token.encode()):
            raise HTTPException(
                HTTPStatus.UNAUTHORIZED,
                "this door is open to bearers of its token only; nothing was done",
                {"WWW-Authenticate": "Bearer"},
            )

    return check


def _json(body: object, after: BackgroundTask) -> Response:
    return Response(orjson.dumps(body), media_type="application/json", background=after)


def _problem(
    kind: str,
    detail: str,
    status: int | None = None,
    headers: dict[str, str] | None = None,
    **more: object,
) -> Response:
    code = HTTPStatus(status or _STATUS.get(kind, HTTPStatus.UNPROCESSABLE_ENTITY))
    title = kind.replace("-", " ").capitalize()
    body = {"type": f"urn:augury:{kind}", "title": title, "status": code.value, "detail": detail, **more}
    return Response(orjson.dumps(body), code, headers, media_type="application/problem+json")


async def _request_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return _problem(error.kind, str(error))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [
        f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']} (found {e['input']!r:.200})"
        for e in error.errors()
    ]
    detail = f"a request follows the door's schema (/openapi.json), so nothing was done; {'; '.join(found)}"
    return _problem("malformed", detail, HTTPStatus.UNPROCESSABLE_ENTITY)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return _problem(kind, str(error.detail), error.status_code, dict(error.headers or {}))


async def _outage(_: Request, error: Exception) -> Response:
    kind = "online-store" if isinstance(error, RedisError) else "registry"
    kind = "spool" if isinstance(error, SpoolError) else kind
    return _problem(f"{kind}-unavailable", str(error), HTTPStatus.SERVICE_UNAVAILABLE)


async def _fault(_: Request, error: Exception) -> Response:
    # What it was goes to the door's own log; its text may hold what is not the client's to know.
    detail = f"a request that trips over a fault of the door has no answer ({type(error).__name__})"
    return _problem("fault", detail, HTTPStatus.INTERNAL_SERVER_ERROR)
