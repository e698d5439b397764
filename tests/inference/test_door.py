"""The prediction route, asked by many at once."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis import Redis

from inference.records import Request
from inference.runtime import Matrix
from schemas.tracing import Tracing

from .onnx_models import regressor, trees
from .test_http import BODY, Door
from .world import World


@pytest.fixture
def door(world: World) -> Iterator[Door]:
    world.put("carrier_delay", "AA", 7, arr_delay_mean_1h=2.5, count_1d=3, diverted_last=False)
    world.put("route_delay", "JFK|LAX", 1, arr_delay_mean_7d=-4.25)
    world.serve(regressor(6))
    door = Door(world, limit=40)
    yield door
    door.spool.close()


def ask(door: Door, *bodies: Any) -> list[httpx.Response]:
    async def all_at_once() -> list[httpx.Response]:
        transport = httpx.ASGITransport(door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            return await asyncio.gather(*(client.post("/v1/predict", json=body) for body in bodies))

    return asyncio.run(all_at_once())


def numbered(count: int) -> list[dict[str, Any]]:
    return [BODY | {"request_id": f"r{i}"} for i in range(count)]


def test_calls_that_are_there_together_share_a_multi_get(door: Door, world: World) -> None:
    def multi_gets() -> int:
        return int(world.redis.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"])

    before = multi_gets()
    answers = ask(door, *numbered(30))
    assert [answer.json()["request_id"] for answer in answers] == [f"r{i}" for i in range(30)]
    assert {answer.json()["prediction"] for answer in answers} == {7.25}
    assert multi_gets() - before < 10
    assert len(door.logged()) == 30


def test_one_call_does_not_spoil_another(door: Door, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> bytes:
        raise ConnectionError("no route")

    world.register(regressor(6))
    monkeypatch.setattr(world.artifacts, "get", down)
    pinned = BODY | {"request_id": "p", "model_version": 2}
    answers = ask(door, *numbered(3), pinned)
    assert [answer.status_code for answer in answers] == [200, 200, 200, 503]
    assert len(door.logged()) == 3


def test_a_ready_vector_is_answered_without_the_store(world: World) -> None:
    world.serve(regressor(6))
    ready = {"request_id": "v", "model_name": "late", "vector": [1.0] * 6}
    with Redis(port=1) as nowhere:
        door = Door(world, redis=nowhere)
        answers = ask(door, *numbered(3), ready, *numbered(2))
        assert [answer.status_code for answer in answers] == [503, 503, 503, 200, 503, 503]
        assert len(door.logged()) == 1
        door.spool.close()


def test_who_asks_again_after_an_error_is_answered_anew(door: Door) -> None:
    unknown = BODY | {"model_version": 9}
    for _ in range(2):
        assert door.post("/v1/predict", json=unknown).status_code == 404
    assert len(door.logged()) == 2


def test_a_request_that_is_sent_again_gets_the_same_answer(door: Door, world: World) -> None:
    first = door.post("/v1/predict", json=BODY).json()
    world.put("carrier_delay", "AA", 8, arr_delay_mean_1h=9.0, count_1d=4, diverted_last=False)
    assert door.post("/v1/predict", json=BODY).json() == first
    assert len(door.logged()) == 1
    other = BODY | {"request_id": "r2"}
    again = door.post("/v1/predict", json={"requests": [BODY, other]}).json()["results"]
    assert again[0] == first
    assert again[1]["prediction"] == pytest.approx(14.75)


def test_a_full_door_tells_to_come_again(door: Door) -> None:
    answers = ask(door, *({"requests": numbered(15)} for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["type"] == "urn:augury:busy"
    assert "40 requests at a time" in refused.json()["detail"]
    assert door.post("/v1/predict", json=BODY).status_code == 200


def test_late_work_is_not_done_and_said(door: Door, world: World) -> None:
    late = world.predictor.predict(
        [Request(**BODY, timeout_ms=50), Request(**BODY, timeout_ms=51)], "http", [world.now - 50] * 2
    )
    assert [answer.problem for answer in late] == ["deadline-exceeded", None]
    assert "had waited for 50 ms" in (late[0].result.error or "")
    assert door.post("/v1/predict", json=BODY | {"timeout_ms": 1_000}).status_code == 200
    assert door.problem(BODY | {"timeout_ms": 0})[:2] == (422, "urn:augury:malformed")


def test_other_methods_are_told_which_is_right(door: Door) -> None:
    answer = door.get("/v1/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["type"] == "urn:augury:method-not-allowed"


def test_a_body_that_comes_in_parts_is_read_whole(door: Door) -> None:
    async def parts() -> AsyncIterator[bytes]:
        body = httpx.Request("POST", "http://door", json=BODY).content
        for place in range(0, len(body), 10):
            yield body[place : place + 10]

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(door.app), base_url="http://door"
        ) as client:
            return await client.post("/v1/predict", content=parts())

    assert asyncio.run(send()).status_code == 200


def test_a_traced_call_is_one_span_and_its_records_say_whose_they_are(world: World) -> None:
    world.serve(regressor(6))
    exporter = InMemorySpanExporter()
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with Tracing("http", "1", exporter) as tracing:
        door = Door(world, tracing=tracing)
        body = {
            "requests": [{"request_id": f"r{i}", "model_name": "late", "vector": [1.0] * 6} for i in "ab"]
        }
        door.post("/v1/predict", json=body, headers={"traceparent": caller})
        door.post("/v1/predict", json={"model_name": "late"}, headers={"traceparent": caller})
        records, _ = door.spool.read(door.spool.position(), 10)
        door.spool.close()
    answered, refused = exporter.get_finished_spans()
    assert [span.attributes["http.response.status_code"] for span in (answered, refused)] == [200, 422]
    assert {span.context.trace_id for span in (answered, refused)} == {int(caller.split("-")[1], 16)}
    own = f"00-{caller.split('-')[1]}-{answered.context.span_id:016x}-01"
    assert [record.trace for record in records] == [own, own]


def test_nobody_waits_for_an_explanation(door: Door, world: World) -> None:
    """The explanation is held up until the other answer is there."""
    version = world.register_trees(*trees(6)).version
    explainer = world.models.version("late", version).explainer
    assert explainer is not None
    explain, others_are_answered = explainer.explain, threading.Event()

    def held_up(vectors: Matrix, classes: Sequence[int]) -> Matrix:
        assert others_are_answered.wait(60)
        return explain(vectors, classes)

    async def both() -> list[httpx.Response]:
        transport = httpx.ASGITransport(door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            asked = BODY | {"request_id": "e", "model_version": version, "explain": True}
            explained = asyncio.create_task(client.post("/v1/predict", json=asked))
            await asyncio.sleep(0)  # it is asked first
            other = await client.post("/v1/predict", json=BODY)
            others_are_answered.set()
            return [await explained, other]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explainer, "explain", held_up)
        explained, other = asyncio.run(both())
    assert explained.json()["explanation"]["contributions"]
    assert other.json()["explanation"] is None
    assert {record["request_id"] for _, record in door.logged()} == {"e", "r1"}
