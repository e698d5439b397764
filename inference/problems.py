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
from inference.spool import SpoolError, SpoolFullError

_STATUS = {
    "unknown-model": HTTPStatus.NOT_FOUND,
    "unknown-version": HTTPStatus.NOT_FOUND,
    "no-such-variant": HTTPStatus.NOT_FOUND,
    "no-champion": HTTPStatus.SERVICE_UNAVAILABLE,
    "unloadable-version": HTTPStatus.SERVICE_UNAVAILABLE,
    "unloadable-explainer": HTTPStatus.SERVICE_UNAVAILABLE,
    "stale-features": HTTPStatus.SERVICE_UNAVAILABLE,
    "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "wrong-layout": HTTPStatus.SERVICE_UNAVAILABLE,
    "model-failed": HTTPStatus.INTERNAL_SERVER_ERROR,
    "deadline-exceeded": HTTPStatus.GATEWAY_TIMEOUT,
    "busy": HTTPStatus.TOO_MANY_REQUESTS,
    "draining": HTTPStatus.SERVICE_UNAVAILABLE,
    "online-store-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "registry-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "spool-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "spool-full": HTTPStatus.SERVICE_UNAVAILABLE,
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
    code = HTTPStatus(status or status_of(kind))
    title = kind.replace("-", " ").capitalize()
    body = Problem(f"urn:augury:{kind}", title, code.value, detail, request_id)
    return Response(msgspec.json.encode(body), code, patience(code, headers), media_type=MEDIA_TYPE)


def status_of(kind: str) -> HTTPStatus:
    """Give the status of a kind of problem."""
    return _STATUS.get(kind, HTTPStatus.UNPROCESSABLE_ENTITY)


def is_client_fault(kind: str | None) -> bool:
    """Tell whether what went wrong, if anything did, is wrong with the request itself."""
    return kind is not None and status_of(kind) < HTTPStatus.INTERNAL_SERVER_ERROR


def patience(code: HTTPStatus, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the headers of a problem: with `Retry-After` where it passes."""
    return {**({"Retry-After": "1"} if code in _RETRY else {}), **(headers or {})}


def kind_of(error: Exception) -> str:
    """Give the kind of problem that an exception is."""
    match error:
        case RequestError():
            return error.kind
        case HTTPException():
            return HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        case RedisError():
            return "online-store-unavailable"
        case SpoolFullError():
            return "spool-full"
        case SpoolError():
            return "spool-unavailable"
        case OutageError():
            return "registry-unavailable"
        case _:
            return "fault"


def detail_of(error: Exception) -> str:
    """Give what is told of an exception; one that nobody has foreseen is a fault of the door."""
    match error:
        case HTTPException():
            return str(error.detail)
        case RequestError() | RedisError() | SpoolError() | OutageError():
            return str(error)
        case _:
            # What it was goes to the door's own log; its text may hold what is not the client's to know.
            return f"a request that trips over a fault of the door has no answer ({type(error).__name__})"


def problem_of(error: Exception) -> Response:
    """Answer with the problem that an exception is."""
    kind, detail = kind_of(error), detail_of(error)
    if isinstance(error, HTTPException):
        return problem(kind, detail, error.status_code, headers=error.headers)
    return problem(kind, detail)
