"""Both doors give the same answers to the same requests."""

import math
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augury.stack import Stack
from schemas.log import producer
from schemas.records import load

from .onnx_models import regressor
from .processes import WORKER, Records, running
from .served import Served
from .world import NOW

pytestmark = pytest.mark.stack

KEYS = {
    "carrier": st.sampled_from(["AA", "UA", "é", "nobody", ""]) | st.text(max_size=5),
    "route": st.sampled_from(["JFK|LAX", "LAX|JFK", "JFK", "a|b|c"]),
}
SCALAR = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
INPUTS = {
    "scheduled_at": st.integers(NOW - 10**9, NOW + 10**9) | SCALAR,
    "distance": st.floats(0, 5_000) | st.integers(0, 5_000) | SCALAR,
}
# Eighths, whose sums are exact in float32: batches of other sizes add in another order.
NUMBERS = st.none() | st.integers(-(2**15), 2**15).map(lambda n: n / 8) | st.integers(-(2**12), 2**12)
VECTORS = st.lists(NUMBERS, min_size=6, max_size=6) | st.lists(NUMBERS, max_size=8)
MODELS = st.sampled_from(["late", "late", "late", "early", ""])
VERSIONS = st.sampled_from([None, None, 1, 2, 3, 99])


def mostly(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """All fields, or some of them and others."""
    return st.fixed_dictionaries(fields) | st.fixed_dictionaries(
        {"other": st.sampled_from(["x", "y"])}, optional=fields
    )


REQUESTS = st.fixed_dictionaries(
    {"model_name": MODELS, "model_version": VERSIONS},
    optional={"entity_keys": mostly(KEYS), "inputs": mostly(INPUTS), "entity_id": st.text(max_size=5)},
) | st.fixed_dictionaries({"model_name": MODELS, "model_version": VERSIONS, "vector": VECTORS})


@pytest.fixture
def served(stack: Stack, tmp_path: Path) -> Iterator[Served]:
    served = Served(stack, tmp_path)
    rest = {"arr_delay_mean_1h": 2.5, "diverted_last": False}
    served.world.put("carrier_delay", "AA", 7, count_1d=3, **rest)
    served.world.put("carrier_delay", "é", 2, count_1d=4)
    served.world.put("route_delay", "JFK|LAX", 1, arr_delay_mean_7d=-4.25)
    served.world.register(regressor(6, 2.0))
    served.world.register(b"no model")
    yield served
    served.close()


def test_both_doors_give_the_same_answers(served: Served, tmp_path: Path) -> None:
    encode = served.log.codec.encoder("prediction.requests", load("prediction_request"))
    sender = producer(served.addresses.kafka)
    seen: set[str] = set()

    @settings(max_examples=12, suppress_health_check=list(HealthCheck))
    @given(st.lists(REQUESTS, min_size=20, max_size=60))
    def agree(drawn: list[dict[str, Any]]) -> None:
        asked = [{"request_id": uuid.uuid4().hex, **request} for request in drawn]
        for request in asked:
            sender.produce("prediction.requests", encode(in_avro(request)), request["request_id"])
        sender.flush(30)
        answer = served.client.post("/v1/predict", json={"requests": asked})
        assert answer.status_code == 200, answer.text
        by_kafka = collect(results, {request["request_id"] for request in asked})
        for request, by_http in zip(asked, answer.json()["results"], strict=True):
            found = by_kafka[request["request_id"]]
            assert told(found, found["rows"]) == told(by_http, by_http["groups"]), request
            seen.add("an answer" if found["error"] is None else found["error"].split(";")[0])

    group, batches = uuid.uuid4().hex, str(tmp_path / "batches")
    with (
        running(*served.arguments),
        running(WORKER, served.addresses, group, batches),
        served.log.reading("prediction.results") as results,
    ):
        served.await_ready()
        agree()
    assert len(seen) > 8  # answers, and errors of many kinds


def collect(results: Records, ids: set[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for record in results:
        if record["door"] == "kafka" and record["request_id"] in ids:
            assert record["request_id"] not in found
            found[record["request_id"]] = record
        if len(found) == len(ids):
            break
    return found


def in_avro(request: dict[str, Any]) -> dict[str, Any]:
    """The same request as a record, where a missing number is NaN."""
    if "vector" not in request:
        return request
    return request | {"vector": [math.nan if n is None else float(n) for n in request["vector"]]}


def told(answer: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What does not depend on the moment of the answer."""
    timeless = [{name: held for name, held in row.items() if name != "age_ms"} for row in rows]
    names = ("model_name", "model_version_used", "variant", "prediction", "error", "feature_values_used")
    return {name: answer[name] for name in names} | {"rows": timeless}
