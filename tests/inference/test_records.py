import msgspec
import pytest

from features.types import MAX_TIME, MIN_TIME
from inference.bodies import requests_of
from inference.records import RequestError, request_of

RECORD = {"request_id": "r", "model_name": "late"}


@pytest.mark.parametrize("at", [None, MIN_TIME, 0, MAX_TIME])
def test_a_requests_time_is_one_that_every_engine_holds(at: int | None) -> None:
    assert request_of(RECORD | {"requested_at": at}).requested_at == at


def test_a_variant_is_named_or_not() -> None:
    assert request_of(RECORD | {"variant": "shadow"}).variant == "shadow"
    assert request_of(RECORD | {"variant": None}).variant is None
    for other in ("pinned", "", 1, ["shadow"]):
        with pytest.raises(RequestError, match="its variant is"):
            request_of(RECORD | {"variant": other})


@pytest.mark.parametrize("at", [MIN_TIME - 1, MAX_TIME + 1, 2**63, 0.5, "now", True])
def test_another_is_refused(at: object) -> None:
    with pytest.raises(RequestError, match="its requested_at is"):
        request_of(RECORD | {"requested_at": at})


@pytest.mark.parametrize(
    "change",
    [
        {"request_id": ""},
        {"request_id": None},
        {"request_id": "r" * 257},
        {"model_name": "m" * 257},
        {"model_name": None},
        {"model_version": 0},
        {"model_version": -1},
        {"model_version": 2**31},
        {"timeout_ms": 0},
        {"entity_keys": {"carrier": 1}},
        {"inputs": {"a": [1]}},
        {"vector": ["1"]},
        {"entity_id": 1},
        {"explain": "yes"},
    ],
    ids=str,
)
def test_what_is_malformed_or_too_large_is_so_at_both_doors(change: dict[str, object]) -> None:
    record = RECORD | change
    with pytest.raises(RequestError) as by_kafka:
        request_of(record)
    with pytest.raises(RequestError) as by_http:
        requests_of(msgspec.json.encode(record))
    assert by_kafka.value.kind == by_http.value.kind
