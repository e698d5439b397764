"""What can go wrong, as exceptions."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

_URN = "urn:augury:"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class AuguryError(Exception):
    """Whatever keeps a prediction from its caller. `request_id` names the request, where it is about one."""

    def __init__(self, detail: str, request_id: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.request_id = request_id


class UnreachableError(AuguryError):
    """The door did not answer, tried as often as `Retry` allows. It may have got the request."""


class PredictionError(AuguryError):
    """A request got an error in place of a prediction."""


class ProblemError(PredictionError):
    """The door answered with a problem of RFC 9457.

    `kind` is its type without `urn:augury:`, such as `unknown-model`; `status` is HTTP's; `retry_after` is
    what the door said of it, in seconds.
    """

    def __init__(
        self,
        kind: str,
        status: int,
        detail: str,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail, request_id)
        self.kind = kind
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.kind} ({self.status}): {self.detail}"


class InvalidRequestError(ProblemError):
    """The request breaks a rule (400, 413, 422 and others); it would do so again."""


class UnauthorizedError(ProblemError):
    """The door knows no such token, or the token has expired (401)."""


class ForbiddenError(ProblemError):
    """The token lacks a scope (403)."""


class NotFoundError(ProblemError):
    """There is no such model or version (404)."""


class UnavailableError(ProblemError):
    """The door cannot answer for now (429, 503 and others that pass), also not when tried again."""


class FaultError(ProblemError):
    """The door or the model tripped over a fault of its own (500)."""


def problem(
    status: int, body: object, request_id: str | None, retry_after: float | None = None
) -> ProblemError:
    """Give the exception for an answer that is no success; its body may be anything, as a proxy's may."""
    fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
    phrase = _PHRASES.get(status, "No success")
    kind = str(fields.get("type") or "").removeprefix(_URN) or phrase.lower().replace(" ", "-")
    detail = str(fields.get("detail") or f"{phrase}, and no problem was told")
    return _class_of(status)(kind, status, detail, fields.get("request_id") or request_id, retry_after)


def passes(status: int) -> bool:
    """Tell whether an answer of this status may be another one a little later."""
    return status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def _class_of(status: int) -> type[ProblemError]:
    match status:
        case 401:
            return UnauthorizedError
        case 403:
            return ForbiddenError
        case 404:
            return NotFoundError
        case 429 | 502 | 503 | 504:
            return UnavailableError
        case _ if status >= 500:
            return FaultError
        case _:
            return InvalidRequestError
