import json
import math
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from inference.access import Access
from inference.encoding import ResultEncoder
from inference.http import LIMIT, create_app
from inference.log import AnswerLog
from inference.metrics import Metrics
from inference.predictor import Predictor
from inference.spool import DEFAULT_BYTES, Spool
from inference.tokens import Scope, TokensFile
from schemas.codec import Codec
from schemas.tracing import Tracing

from .onnx_models import regressor, trees
from .world import NOW, LocalSchemas, World

BODY: dict[str, Any] = {
    "request_id": "r1",
    "model_name": "late",
    "entity_keys": {"carrier": "AA", "route": "JFK|LAX"},
    "inputs": {"scheduled_at": 3_600_000 * 5, "distance": 1200},
}


class Door(TestClient):
    def __init__(
        self,
        world: World,
        token: str | None = None,
        redis: Redis | None = None,
        limit: int = LIMIT,
        tokens_file: Path | None = None,
        tracing: Tracing | None = None,
        spool_bytes: int = DEFAULT_BYTES,
        shed: bool = False,
    ) -> None:
        self.codec = Codec(LocalSchemas())
        self.spool = Spool(world.folder / f"spool-{uuid.uuid4().hex}", most_bytes=spool_bytes)
        metrics = Metrics(CollectorRegistry())
        store = redis or world.redis
        log = AnswerLog(self.spool, ResultEncoder(self.codec), metrics.unlogged if shed else None)
        access = Access(world.clock, token, tokens_file)
        predictor = Predictor(world.models, store, world.clock)
        super().__init__(
            create_app(world.models, predictor, log, store.ping, world.clock, access, limit, metrics, tracing)
        )

    def logged(self) -> list[tuple[str, dict[str, Any]]]:
        position, found = self.spool.position(), []
        while True:
            records, after = self.spool.read(position, 100)
            if after == position:
                return found
            found += [(record.topic, self.codec.decode(record.value)) for record in records]
            position = after

    def problem(self, body: object, **more: Any) -> tuple[int, str, str]:
        answer = self.post("/v1/predict", json=body, **more)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["title"]
        return answer.status_code, problem["type"], problem["detail"]


@pytest.fixture
def door(world: World) -> Iterator[Door]:
    world.put("carrier_delay", "AA", 7, arr_delay_mean_1h=2.5, count_1d=3, diverted_last=False)
    world.put("route_delay", "JFK|LAX", 1, arr_delay_mean_7d=-4.25)
    world.tick("carrier_delay")
    world.serve(regressor(6))
    door = Door(world)
    yield door
    door.spool.close()


def test_a_single_request(door: Door) -> None:
    answer = door.post("/v1/predict", json=BODY).json()
    assert answer["prediction"] == pytest.approx(7.25)
    assert (answer["model_version_used"], answer["variant"], answer["error"]) == (1, "champion", None)
    assert answer["groups"][0] == {
        "group": "carrier_delay",
        "version": 1,
        "entity": "AA",
        "event_timestamp": NOW - 5_000,
        "seq": 7,
        "state": "fresh",
        "age_ms": 1_000,
        "defaulted": False,
    }
    assert answer["groups"][1]["state"] == "stale"
    assert set(answer["latency_ms"]) == {"features", "on_demand", "model", "total"}
    ((topic, record),) = door.logged()
    assert topic == "prediction.results"
    assert record["prediction"] == answer["prediction"]
    assert record["rows"] == answer["groups"]
    assert record["frozen"] == answer["frozen"] == []
    assert record["feature_values_used"] == answer["feature_values_used"]
    assert record["door"] == "http"


def test_an_explanation_is_in_the_answer_and_in_the_log(door: Door, world: World) -> None:
    world.register_trees(*trees(6))
    answer = door.post("/v1/predict", json=BODY | {"model_version": 2, "explain": True}).json()
    explained = answer["explanation"]
    assert explained["contributions"].keys() == answer["feature_values_used"].keys()
    raw = explained["bias"] + sum(explained["contributions"].values())
    assert answer["prediction"] == pytest.approx(1 / (1 + math.exp(-raw)), abs=1e-5)
    assert answer["outputs"] == pytest.approx([1 - answer["prediction"], answer["prediction"]], abs=1e-6)
    assert answer["predicted_class"] == str(int(answer["prediction"] > 0.5))
    ((_, record),) = door.logged()
    assert {"bias": record["bias"], "contributions": record["contributions"]} == explained
    assert (record["outputs"], record["predicted_class"]) == (answer["outputs"], answer["predicted_class"])
    again = door.post("/v1/predict", json=BODY | {"model_version": 2, "explain": True}).json()
    assert again == answer
    assert door.post("/v1/predict", json=BODY | {"model_version": 2}).json()["explanation"] is None
    assert door.problem(BODY | {"explain": True})[:2] == (422, "urn:augury:no-explainer")
    assert door.problem(BODY | {"explain": 1})[:2] == (422, "urn:augury:malformed")


def test_a_batch_answers_each_request(door: Door) -> None:
    batch = [
        BODY,
        BODY | {"model_name": "early"},
        {"request_id": "v", "model_name": "late", "vector": [1, 2, 3, 4, 5, None]},
    ]
    answer = door.post("/v1/predict", json={"requests": batch})
    assert answer.status_code == 200
    first, second, third = answer.json()["results"]
    assert first["prediction"] == pytest.approx(7.25)
    assert "nothing can answer for 'early'" in second["error"]
    assert third["feature_values_used"]["far"] is None
    assert [record["error"] is None for _, record in door.logged()] == [True, False, False]


def test_errors_are_problems_and_logged(door: Door) -> None:
    assert door.problem(BODY | {"model_name": "early"})[:2] == (404, "urn:augury:unknown-model")
    assert door.problem(BODY | {"model_version": 9})[:2] == (404, "urn:augury:unknown-version")
    assert door.problem(BODY | {"variant": "shadow"})[:2] == (404, "urn:augury:no-such-variant")
    assert door.problem(BODY | {"entity_keys": {}})[:2] == (422, "urn:augury:missing-entity")
    assert door.problem(BODY | {"inputs": {"scheduled_at": "now"}})[:2] == (422, "urn:augury:wrong-input")
    assert door.problem(BODY | {"inputs": {"scheduled_at": 2**80}})[:2] == (422, "urn:augury:wrong-input")
    logged = [record["variant"] for _, record in door.logged()]
    assert logged == ["champion", "pinned", "pinned", *["champion"] * 3]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "missing required field `request_id`"),
        (BODY | {"extra": 1}, "unknown field `extra`"),
        (BODY | {"inputs": {"distance": [1]}}, "inputs"),
        (BODY | {"variant": "pinned"}, "`$.variant` (found 'pinned')"),
        (BODY | {"request_id": "\ud800"}, "surrogate"),
        ({"requests": []}, "length >= 1 - at `$.requests`"),
        ({"requests": [BODY] * 1_001}, "length <= 1000"),
        ([], "Expected `object`, got `array` (found [])"),
        ({"requests": [BODY, BODY | {"model_version": 0}]}, "`$.requests[1].model_version` (found 0)"),
    ],
)
def test_bodies_that_do_not_follow_the_schema(door: Door, body: object, text: str) -> None:
    status, kind, detail = door.problem(
        None, content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert (status, kind) == (422, "urn:augury:malformed")
    assert text in detail
    assert door.logged() == []


def test_the_shadow_is_logged_after_the_answer(door: Door, world: World) -> None:
    world.register(regressor(6, 2.0))
    world.registry.start_trial("late", 2, by="t", why="t")
    world.models.refresh()
    door.post("/v1/predict", json=BODY)
    end = time.monotonic() + 60
    while len(door.logged()) < 2:  # its turn comes when the answer has left
        assert time.monotonic() < end
        time.sleep(0.01)
    (_, answer), (topic, shadow) = door.logged()
    assert (topic, shadow["variant"], shadow["model_version_used"]) == ("prediction.shadow", "shadow", 2)
    assert shadow["prediction"] == pytest.approx(2 * answer["prediction"])


def test_models_are_shown(door: Door) -> None:
    (model,) = door.get("/v1/models").json()["models"]
    assert model == door.get("/v1/models/late").json()
    assert (model["champion_version"], model["problems"]) == (1, [])
    assert model["entities"] == {"carrier": ["carrier"], "route": ["origin", "dest"]}
    assert model["inputs"] == {"scheduled_at": "timestamp", "distance": "double"}
    assert model["vector"][-1] == "far"
    assert door.get("/v1/models/early").json()["type"] == "urn:augury:unknown-model"
    assert door.get("/nowhere").headers["content-type"] == "application/problem+json"


def test_a_token_closes_all_but_health(door: Door, world: World) -> None:
    closed = Door(world, token="s3cret")
    assert [closed.get(path).status_code for path in ("/healthz", "/readyz", "/v1/models")] == [200, 200, 401]
    assert closed.problem(BODY)[:2] == (401, "urn:augury:unauthorized")
    assert closed.problem(BODY, headers={"authorization": "Bearer other"})[0] == 401
    headers = {"authorization": "Bearer s3cret"}
    assert closed.post("/v1/predict", json=BODY, headers=headers).status_code == 200
    closed.spool.close()


def test_a_token_opens_what_its_scope_is_for(door: Door, world: World, tmp_path: Path) -> None:
    tokens = TokensFile(tmp_path / "tokens.json")
    closed = Door(world, tokens_file=tmp_path / "tokens.json")
    asking, reading = (tokens.create(s, frozenset({s}), world.now, None) for s in (Scope.PREDICT, Scope.READ))
    world.now += 1_000

    def statuses(token: str) -> list[int]:
        headers = {"authorization": f"Bearer {token}"}
        asked = closed.post("/v1/predict", json=BODY, headers=headers)
        return [
            asked.status_code,
            *(closed.get(p, headers=headers).status_code for p in ("/v1/models", "/docs")),
        ]

    assert statuses(asking) == [200, 403, 403]
    assert statuses(reading) == [403, 200, 200]
    headers = {"authorization": f"Bearer {reading}"}
    assert closed.problem(BODY, headers=headers)[1] == "urn:augury:missing-scope"
    assert (
        "insufficient_scope"
        in closed.post("/v1/predict", json=BODY, headers=headers).headers["www-authenticate"]
    )
    tokens.revoke(Scope.PREDICT)
    world.now += 1_000
    assert statuses(asking) == [401, 401, 401]
    closed.spool.close()


def test_without_the_store_the_door_is_live_and_not_ready(door: Door, world: World) -> None:
    with Redis(port=1) as nowhere:
        cut = Door(world, redis=nowhere)
        assert cut.get("/healthz").status_code == 200
        assert cut.get("/readyz").json()["type"] == "urn:augury:online-store-unavailable"
        assert cut.problem(BODY)[:2] == (503, "urn:augury:online-store-unavailable")
    cut.spool.close()


def test_no_answer_leaves_without_its_record(door: Door) -> None:
    with open("/dev/full", "wb") as full:
        door.spool._file, own = full.fileno(), door.spool._file
        assert door.problem(BODY)[:2] == (503, "urn:augury:spool-unavailable")
        door.spool._file = own
    assert door.logged() == []


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"requests":' + b"[" * 200_000,
        b'{"request_id":"r","model_name":"m","inputs":{"a":' + b'{"a":' * 100_000,
        b'{"request_id":"r\xff","model_name":"m"}',
        b'{"request_id":["\xff"],"model_name":"m"}',
        b'{"requests":[{"request_id":["\xff"]}]}',
        b'{"request_id":1,"model_name":"\xd4"}',
    ],
    ids=["deep", "deep batch", "deep inputs", "text", "text elsewhere", "text in a batch", "text behind"],
)
def test_what_is_no_utf8_or_nested_without_end_is_malformed(door: Door, body: bytes) -> None:
    answer = door.post("/v1/predict", content=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:augury:malformed")


@pytest.mark.parametrize("body", [b'{"id":"\xff","inputs":[]}', b'{"inputs":' + b"[" * 200_000])
def test_so_it_is_by_the_open_inference_protocol(door: Door, body: bytes) -> None:
    answer = door.post("/v2/models/late/infer", content=body)
    assert answer.status_code < 500
    assert "malformed" in answer.text or "Open Inference Protocol" in answer.text


def test_a_full_spool_refuses_until_kafka_has_taken_what_waits(door: Door, world: World) -> None:
    door.post("/v1/predict", json=BODY)
    room = door.spool.depth()[0] * 2 + 10
    full = Door(world, spool_bytes=room)
    statuses = [full.post("/v1/predict", json=BODY | {"request_id": f"s{n}"}) for n in range(3)]
    assert [answer.status_code for answer in statuses] == [200, 200, 503]
    assert statuses[2].json()["type"] == "urn:augury:spool-full"
    assert f"of {room} bytes that may wait for Kafka" in statuses[2].json()["detail"]
    assert statuses[2].headers["retry-after"] == "1"
    assert [record["request_id"] for _, record in full.logged()] == ["s0", "s1"]
    records, after = full.spool.read(full.spool.position(), 10)
    full.spool.ship(after, len(records))
    assert full.post("/v1/predict", json=BODY | {"request_id": "s2"}).status_code == 200
    assert [record["request_id"] for _, record in full.logged()] == ["s2"]
    full.spool.close()


def test_a_door_that_sheds_answers_beyond_its_full_spool_and_counts_what_is_unlogged(world: World) -> None:
    world.serve(regressor(6))
    shedding = Door(world, spool_bytes=10, shed=True)
    body = {"model_name": "late", "vector": [1.0] * 6}
    answers = [shedding.post("/v1/predict", json=body | {"request_id": f"s{n}"}) for n in range(3)]
    assert [answer.json()["prediction"] for answer in answers] == [6.0] * 3
    assert shedding.logged() == []
    assert "augury_answers_unlogged_total 3.0" in shedding.get("/metrics").text
    shedding.spool.close()


def test_the_openapi_document_has_examples(door: Door) -> None:
    document = door.get("/openapi.json").json()
    shapes = document["components"]["schemas"]
    assert shapes["Request"]["examples"][0]["model_name"] == "late_arrival"
    assert shapes["Prediction"]["examples"][0]["prediction"] == 0.27
    assert (
        "application/problem+json" in document["paths"]["/v1/predict"]["post"]["responses"]["422"]["content"]
    )
    assert door.get("/docs").status_code == 200


def test_what_is_too_large_is_refused_and_not_logged(door: Door) -> None:
    def refused(**change: Any) -> tuple[int, str]:
        return door.problem(BODY | change)[:2]

    assert refused(entity_keys={"carrier": "A" * 5_000}) == (413, "urn:augury:too-large")
    assert refused(inputs={"x": "A" * 70_000}) == (413, "urn:augury:too-large")
    assert refused(model_name="m" * 300) == (413, "urn:augury:too-large")
    assert refused(inputs={"x": "A" * 2_000_000})[0] == 413

    def chunks() -> Iterator[bytes]:
        yield from [b" " * 100_000] * 20

    assert door.post("/v1/predict", content=chunks()).status_code == 413
    assert door.logged() == []


@pytest.mark.parametrize("number", [2**63, -(10**400), 10**400])
def test_integers_beyond_64_bits_are_refused(door: Door, number: int) -> None:
    inputs = {"scheduled_at": 1, "distance": number}
    assert door.problem(BODY | {"inputs": inputs})[:2] == (422, "urn:augury:wrong-input")
    vector = {"request_id": "v", "model_name": "late", "vector": [10**400, 2, 3, 4, 5, 6]}
    assert door.problem(vector)[0] == 422


def test_a_fault_is_a_problem_too(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(Predictor, "predict", fail)
    patient = TestClient(door.app, raise_server_exceptions=False)
    answer = patient.post("/v1/predict", json=BODY)
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:augury:fault")
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_outage_of_the_artifact_store_is_no_answer(
    door: Door, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> bytes:
        raise ConnectionError("no route")

    world.register(regressor(6))
    monkeypatch.setattr(world.artifacts, "get", down)
    assert door.problem(BODY | {"model_version": 2})[:2] == (503, "urn:augury:registry-unavailable")
    assert door.logged() == []


def test_a_token_closes_the_documents_too(door: Door, world: World) -> None:
    closed = Door(world, token="s3cret")
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert closed.get(path).status_code == 401
        assert closed.get(path, headers={"authorization": "Bearer s3cret"}).status_code == 200
    closed.spool.close()


def test_a_scraper_is_told_what_became_of_requests(door: Door) -> None:
    door.post("/v1/predict", json=BODY)
    door.problem(BODY | {"request_id": "r2", "model_name": "early"})
    door.problem({})
    answer = door.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    samples = [s for family in text_string_to_metric_families(answer.text) for s in family.samples]
    outcomes = {s.labels["outcome"]: s.value for s in samples if s.name == "augury_requests_total"}
    assert outcomes == {"ok": 1, "unknown-model": 1, "malformed": 1}
    inside = {s.labels["door"]: s.value for s in samples if s.name == "augury_requests_in_flight"}
    assert inside == {"http": 0}
