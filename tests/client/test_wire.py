import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury_client import Request
from augury_client.wire import batches, body_of

LIMIT = 1 << 20  # a door's


def test_a_body_has_what_is_stated() -> None:
    assert json.loads(body_of(Request("late", {"carrier": "ÅÄ"}, {"x": None}, "r"))) == {
        "request_id": "r",
        "model_name": "late",
        "entity_keys": {"carrier": "ÅÄ"},
        "inputs": {"x": None},
    }
    asked = json.loads(body_of(Request("late", variant="shadow", explain=True, request_id="r")))
    assert (asked["variant"], asked["explain"]) == ("shadow", True)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_has_no_number_for_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        body_of(Request("late", inputs={"x": number}))


@given(st.lists(st.integers(0, 120_000), max_size=40), st.integers(0, 1_500))
def test_batches_hold_all_requests_in_order_within_the_limits(sizes: list[int], small: int) -> None:
    requests = [Request("late", {"carrier": "A" * size}, request_id=str(n)) for n, size in enumerate(sizes)]
    requests += [Request("late", request_id=f"s{n}") for n in range(small)]
    bodies = list(batches(requests))
    found = [json.loads(body)["requests"] for body in bodies]
    assert [one["request_id"] for batch in found for one in batch] == [r.request_id for r in requests]
    assert all(len(body) <= LIMIT for body in bodies)
    assert all(1 <= len(batch) <= 1_000 for batch in found)
    # no two batches that follow each other would have gone as one
    for (one, held), (other, more) in zip(
        zip(bodies, found, strict=True), list(zip(bodies, found, strict=True))[1:], strict=False
    ):
        assert len(held) == 1_000 or len(one) + len(json.dumps(more[0])) > LIMIT - 128 or not other
