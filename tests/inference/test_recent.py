from msgspec.structs import replace

from inference.predictor import Answer
from inference.recent import RecentAnswers
from inference.records import Request, Result

REQUEST = Request("r1", "late", entity_id="AA")


def answer(request: Request, problem: str | None = None) -> Answer:
    made = Result("", request.request_id, request.model_name, 1, "", "", 0.5, problem, {}, {}, {}, [], 0, 0)
    return Answer(made, problem, None)


def test_the_same_request_gets_the_same_answer_within_the_window() -> None:
    now = [1_000]
    recent = RecentAnswers(lambda: now[0], window_ms=10)
    given = answer(REQUEST)
    assert recent.get(REQUEST) is None
    recent.put(REQUEST, given)
    now[0] += 10
    assert recent.get(replace(REQUEST)) == given
    now[0] += 1
    assert recent.get(REQUEST) is None


def test_another_request_under_the_same_id_is_answered_anew() -> None:
    recent = RecentAnswers(lambda: 0)
    recent.put(REQUEST, answer(REQUEST))
    for change in ({"entity_id": "UA"}, {"inputs": {"x": 1}}, {"model_name": "early"}, {"model_version": 2}):
        assert recent.get(replace(REQUEST, **change)) is None


def test_errors_are_not_kept() -> None:
    recent = RecentAnswers(lambda: 0)
    recent.put(REQUEST, answer(REQUEST, "model-failed"))
    assert recent.get(REQUEST) is None


def test_memory_is_bounded_by_the_newest() -> None:
    recent = RecentAnswers(lambda: 0, most=2)
    requests = [replace(REQUEST, request_id=f"r{i}") for i in range(3)]
    for request in (*requests, requests[1]):
        recent.put(request, answer(request))
    assert [recent.get(request) is not None for request in requests] == [False, True, True]
