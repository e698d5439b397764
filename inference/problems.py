"""What goes wrong at the HTTP door, as RFC 9457 has it: a kind, its status, and a text for people."""

from http import HTTPStatus
from typing import Any

import orjson
from msgspec import Struct
from redis import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from inference.models import OutageError
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
    "deadline-exceeded": HTTPStatus.GATEWAY_TIMEOUT,
    "busy": HTTPStatus.TOO_MANY_REQUESTS,
    "online-store-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "registry-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "spool-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "fault": HTTPStatus.INTERNAL_SERVER_ERROR,
}
_RETRY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
MEDIA_TYPE = "application/problem+json"


class Problem(Struct, omit_defaults=True):
    """What went wrong: `type` names the rule, `detail` has the rule, the consequence and the value."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None


def status_of(kind: str) -> HTTPStatus:
    """Give the status of a kind; what is not listed is a fault of the request."""
    return _STATUS.get(kind, HTTPStatus.UNPROCESSABLE_ENTITY)


def problem(kind: str, detail: str, status: int | None = None, **more: Any) -> Response:  # noqa: ANN401
    """Answer with a problem; `more` are its `request_id` and the answer's `headers`."""
    code = HTTPStatus(status or status_of(kind))
    headers = dict(more.get("headers") or {})
    if code in _RETRY:
        headers.setdefault("Retry-After", "1")
    body = {
        "type": f"urn:augury:{kind}",
        "title": kind.replace("-", " ").capitalize(),
        "status": code.value,
        "detail": detail,
    }
    if more.get("request_id") is not None:
        body["request_id"] = more["request_id"]
    return Response(orjson.dumps(body), code, headers, media_type=MEDIA_TYPE)


def problem_of(error: Exception) -> Response:
    """Answer with the problem that an exception is; one that nobody has foreseen is a fault of the door."""
    match error:
        case RequestError():
            return problem(error.kind, str(error))
        case HTTPException():
            kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
            return problem(kind, str(error.detail), error.status_code, headers=error.headers)
        case RedisError():
            return problem("online-store-unavailable", str(error))
        case SpoolError():
            return problem("spool-unavailable", str(error))
        case OutageError():
            return problem("registry-unavailable", str(error))
        case _:
            # What it was goes to the door's own log; its text may hold what is not the client's to know.
            return problem(
                "fault",
                f"a request that trips over a fault of the door has no answer ({type(error).__name__})",
            )
