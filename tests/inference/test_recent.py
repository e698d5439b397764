from msgspec.structs import replace

from inference.recent import RecentAnswers
from inference.records import Request

REQUEST = Request("r1", "late", entity_id="AA")


def test_the_same_request_gets_the_same_answer_within_the_window() -> None:
    now = [1_000]
    recent = RecentAnswers(lambda: now[0], window_ms=10)
    assert recent.get(REQUEST) is None
    recent.put(REQUEST, b"given")
    now[0] += 10
    assert recent.get(replace(REQUEST)) == b"given"
    now[0] += 1
    assert recent.get(REQUEST) is None


def test_another_request_under_the_same_id_is_answered_anew() -> None:
    recent = RecentAnswers(lambda: 0)
    recent.put(REQUEST, b"given")
    for change in ({"entity_id": "UA"}, {"inputs": {"x": 1}}, {"model_name": "early"}, {"model_version": 2}):
        assert recent.get(replace(REQUEST, **change)) is None


def test_memory_is_bounded_by_the_newest() -> None:
    recent = RecentAnswers(lambda: 0, most=2)
    requests = [replace(REQUEST, request_id=f"r{i}") for i in range(3)]
    for request in (*requests, requests[1]):
        recent.put(request, b"given")
    assert [recent.get(request) is not None for request in requests] == [False, True, True]
