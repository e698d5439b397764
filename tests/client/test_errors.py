import pytest

from augury_client import (
    AuguryError,
    FaultError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    ProblemError,
    UnauthorizedError,
    UnavailableError,
)
from augury_client.errors import passes, problem

BODY = {
    "type": "urn:augury:unknown-model",
    "title": "t",
    "status": 404,
    "detail": "no such",
    "request_id": "r",
}


def test_a_problem_is_read_whole() -> None:
    error = problem(404, BODY, None, 2.5)
    assert isinstance(error, NotFoundError)
    assert (error.kind, error.status, error.detail) == ("unknown-model", 404, "no such")
    assert (error.request_id, error.retry_after) == ("r", 2.5)
    assert str(error) == "unknown-model (404): no such"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (413, InvalidRequestError),
        (422, InvalidRequestError),
        (429, UnavailableError),
        (500, FaultError),
        (502, UnavailableError),
        (503, UnavailableError),
        (599, FaultError),
    ],
)
def test_each_status_has_its_exception(status: int, kind: type[ProblemError]) -> None:
    error = problem(status, BODY, None)
    assert type(error) is kind
    assert isinstance(error, AuguryError)


def test_only_what_passes_is_tried_again() -> None:
    assert [status for status in range(200, 600) if passes(status)] == [429, 503]


@pytest.mark.parametrize("body", [None, "<html>", [], {}, {"type": None, "detail": None}])
def test_what_a_proxy_says_is_an_error_too(body: object) -> None:
    error = problem(502, body, "mine")
    assert (error.kind, error.request_id) == ("bad-gateway", "mine")
    assert "no problem was told" in error.detail
