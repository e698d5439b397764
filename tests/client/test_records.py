from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury_client import Explanation, Prediction, Request, Row
from augury_client.records import known
from augury_client.wire import prediction_of

ANSWER = {
    "request_id": "r",
    "model_name": "late",
    "model_version_used": 3,
    "variant": "champion",
    "prediction": 0.5,
    "error": None,
    "feature_values_used": {"hour": 11.0},
    "groups": [
        {
            "group": "g",
            "version": 1,
            "entity": "AA",
            "event_timestamp": 5,
            "seq": 7,
            "state": "fresh",
            "age_ms": None,
        }
    ],
    "requested_at": 1,
    "predicted_at": 2,
    "latency_ms": {"features": 0.6, "on_demand": 0.1, "model": 0.2, "total": 1.0},
}


def test_each_request_has_an_id_of_its_own() -> None:
    assert len({Request("late").request_id for _ in range(100)}) == 100
    assert Request("late", request_id="mine").request_id == "mine"


@given(st.integers(0, 2**42), st.integers(-12, 12))
def test_a_moment_is_ms_since_the_epoch_whatever_its_zone(ms: int, hours: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    local = moment.astimezone(timezone(timedelta(hours=hours)))
    assert Request("late", inputs={"at": local, "n": 1}).fields()["inputs"] == {"at": ms, "n": 1}


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="input 'at' is datetime"):
        Request("late", inputs={"at": datetime(2013, 1, 1)}).fields()


def test_nan_in_a_vector_is_a_missing_value() -> None:
    assert Request("late", vector=[1.0, float("nan"), None]).fields()["vector"] == [1.0, None, None]


def test_an_answer_is_read_whole_and_what_a_later_door_adds_is_passed_over() -> None:
    answer = prediction_of(ANSWER)
    assert (answer.outputs, answer.predicted_class, answer.explanation) == ((), None, None)
    later = ANSWER | {"new": 1, "latency_ms": ANSWER["latency_ms"] | {"queue": 0.1}}  # type: ignore[operator]
    assert prediction_of(later) == answer
    assert isinstance(answer, Prediction)
    assert answer.groups == (Row("g", 1, "AA", 5, 7, "fresh", None),)
    assert answer.latency_ms.total == 1.0
    with pytest.raises(KeyError, match="seq"):
        known(Row, {"group": "g", "version": 1, "entity": "AA", "event_timestamp": 5})


def test_outputs_and_an_explanation_are_read() -> None:
    explained = {"bias": 1.0, "contributions": {"hour": 0.5}}
    told = {"outputs": [0.5, 0.5], "predicted_class": "1", "explanation": explained}
    answer = prediction_of(ANSWER | told)
    assert (answer.outputs, answer.predicted_class) == ([0.5, 0.5], "1")
    assert answer.explanation == Explanation(1.0, {"hour": 0.5})
