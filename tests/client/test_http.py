"""The client against the real HTTP door."""

import asyncio
import threading
import uuid
from collections.abc import Iterator

import httpx
import pytest

from augury.settings import free_ports
from augury_client import (
    AsyncClient,
    Client,
    InvalidRequestError,
    NotFoundError,
    Request,
    Retry,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from augury_client.http import _Call
from tests.inference.processes import running
from tests.inference.served import Served

from .doors import LATE, TOKEN

ONCE = Retry(attempts=1)
SOON = Retry(attempts=3, first_s=0.01)


@pytest.fixture
def augury(door: str) -> Iterator[Client]:
    with Client(door, token=TOKEN, retry=ONCE) as client:
        yield client


def call(retry: Retry) -> _Call:
    return _Call(retry, "POST", "/v1/predict", b"{}", "r")


def test_a_refusal_that_passes_is_tried_again_when_the_door_says() -> None:
    one = call(Retry(attempts=3))
    for status in (429, 503):
        assert one.refused(httpx.Response(status, headers={"retry-after": "2"})) == 2.0
    with pytest.raises(UnavailableError) as caught:
        one.refused(httpx.Response(429, headers={"retry-after": "2"}))
    assert (caught.value.kind, caught.value.retry_after) == ("too-many-requests", 2.0)
    assert caught.value.request_id == "r"


@pytest.mark.parametrize("status", [400, 401, 404, 422, 500, 502])
def test_a_refusal_that_stays_is_told_at_once(status: int) -> None:
    with pytest.raises(Exception, match=str(status)):
        call(Retry(attempts=9)).refused(httpx.Response(status, headers={"retry-after": "0"}))


def test_tries_without_an_answer_and_refusals_count_together() -> None:
    one = call(Retry(attempts=3))
    one.lost(httpx.ConnectError("refused"))
    one.refused(httpx.Response(503))
    with pytest.raises(UnreachableError, match="in 3 tries: refused"):
        one.lost(httpx.ConnectError("refused"))


def test_a_token_is_never_shown() -> None:
    with Client("http://127.0.0.1:1", token=TOKEN, retry=ONCE) as client:
        assert TOKEN not in repr(client)
        with pytest.raises(UnreachableError) as caught:
            client.predict("late", vector=LATE)
        assert TOKEN not in str(caught.value)


@pytest.mark.stack
def test_a_prediction(augury: Client) -> None:
    answer = augury.predict("late", vector=LATE, request_id="mine")
    assert (answer.prediction, answer.request_id, answer.variant) == (6.0, "mine", "champion")
    pinned = augury.predict("late", vector=LATE, model_version=1)
    assert (pinned.variant, pinned.model_version_used) == ("pinned", 1)
    assert len(pinned.request_id) == 32
    named = augury.predict("late", vector=LATE, variant="champion")
    assert (named.variant, named.model_version_used) == ("pinned", 1)
    with pytest.raises(NotFoundError, match="late has no shadow that is loaded"):
        augury.predict("late", vector=LATE, variant="shadow")


@pytest.mark.stack
def test_many_predictions_keep_their_order(augury: Client) -> None:
    requests = [Request("late", vector=[float(n)] * 6) for n in range(2_500)]
    requests[7] = Request("early")
    answers = augury.predict_many(requests)
    assert [answer.request_id for answer in answers] == [request.request_id for request in requests]
    assert answers[7].prediction is None
    assert "nothing can answer for 'early'" in str(answers[7].error)
    assert [answer.prediction for answer in answers if answer.error is None] == [
        6.0 * n for n in range(2_500) if n != 7
    ]
    assert augury.predict_many([]) == []


@pytest.mark.stack
def test_models(augury: Client) -> None:
    assert {model.model_name for model in augury.models()} == {"late", "late_arrival"}
    late = augury.model("late")
    assert late.entities == {"carrier": ["carrier"], "route": ["origin", "dest"]}
    assert late.champion_version == 1
    with pytest.raises(NotFoundError):
        augury.model("a/b?c")


@pytest.mark.stack
def test_problems_are_exceptions(augury: Client, door: str) -> None:
    with pytest.raises(NotFoundError) as unknown:
        augury.predict("early", request_id="mine")
    assert (unknown.value.kind, unknown.value.request_id) == ("unknown-model", "mine")
    with pytest.raises(InvalidRequestError) as missing:
        augury.predict("late")
    assert missing.value.kind == "missing-entity"
    for token in (None, "other"):
        with Client(door, token=token, retry=ONCE) as closed, pytest.raises(UnauthorizedError):
            closed.models()


@pytest.mark.stack
def test_the_same_for_asyncio(door: str) -> None:
    async def ask() -> None:
        async with AsyncClient(door, token=TOKEN, retry=ONCE) as augury:
            answers = await asyncio.gather(*(augury.predict("late", vector=[n] * 6) for n in range(20)))
            assert [answer.prediction for answer in answers] == [6.0 * n for n in range(20)]
            (one,) = await augury.predict_many([Request("late", vector=LATE)])
            assert one.prediction == 6.0
            assert (await augury.model("late")).champion_version == 1
            assert len(await augury.models()) == 2
            with pytest.raises(NotFoundError):
                await augury.predict("early")

    asyncio.run(ask())


@pytest.mark.stack
def test_a_door_that_comes_back_answers_the_request_that_waited(served: Served) -> None:
    port = str(free_ports(1)[0])
    script, addresses, _, spool = served.arguments
    request_id, found = uuid.uuid4().hex, list[float | None]()
    patient = Retry(attempts=100_000, first_s=0.05, most_s=0.05)

    def ask() -> None:
        with Client(f"http://127.0.0.1:{port}", token=TOKEN, retry=patient) as augury:
            found.append(augury.predict("late", vector=LATE, request_id=request_id).prediction)

    with (
        Client(f"http://127.0.0.1:{port}", token=TOKEN, retry=SOON) as hasty,
        pytest.raises(UnreachableError, match="in 3 tries") as caught,
    ):
        hasty.predict("late", vector=LATE, request_id=request_id)
    assert caught.value.request_id == request_id
    waiting = threading.Thread(target=ask)
    waiting.start()
    with running(script, addresses, port, f"{spool}-late", TOKEN):
        waiting.join(60)
        assert found == [6.0]
        results = served.log.collect("prediction.results", {request_id})
    assert len(results[request_id]) == 1
