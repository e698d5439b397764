"""What goes wrong at the HTTP door, as RFC 9457 has it: a kind, its status, and a text for people."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
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


def problem(
    kind: str,
    detail: str,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> Response:
    """Answer with a problem; a kind without a status of its own is a fault of the request."""
    code = HTTPStatus(status or _STATUS.get(kind, HTTPStatus.UNPROCESSABLE_ENTITY))
    given = dict(headers or {})
    if code in _RETRY:
        given.setdefault("Retry-After", "1")
    title = kind.replace("-", " ").capitalize()
    body = Problem(f"urn:augury:{kind}", title, code.value, detail, request_id)
    return Response(msgspec.json.encode(body), code, given, media_type=MEDIA_TYPE)


def kind_of(error: Exception) -> str:
    """Give the kind of problem that an exception is."""
    match error:
        case RequestError():
            return error.kind
        case HTTPException():
            return HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        case RedisError():
            return "online-store-unavailable"
        case SpoolError():
            return "spool-unavailable"
        case OutageError():
            return "registry-unavailable"
        case _:
            return "fault"


def problem_of(error: Exception) -> Response:
    """Answer with the problem that an exception is; one that nobody has foreseen is a fault of the door."""
    kind = kind_of(error)
    match error:
        case HTTPException():
            return problem(kind, str(error.detail), error.status_code, headers=error.headers)
        case RequestError() | RedisError() | SpoolError() | OutageError():
            return problem(kind, str(error))
        case _:
            # What it was goes to the door's own log; its text may hold what is not the client's to know.
            return problem(
                kind, f"a request that trips over a fault of the door has no answer ({type(error).__name__})"
            )
