from augury.load.pace import Pace


def test_a_rate_sets_when_each_request_is_due() -> None:
    pace = Pace(seconds=2.0, at_once=4, rate=10.0)
    assert [pace.due(n) for n in (0, 1, 19, 20)] == [0.0, 0.1, 1.9, None]


def test_what_is_due_is_sent_late_or_counted_as_given_up() -> None:
    pace = Pace(seconds=2.0, at_once=1, rate=10.0)
    assert [pace.due(19, elapsed) for elapsed in (1.0, 31.0, 32.0)] == [1.9, 1.9, None]
    assert [pace.given_up(sent) for sent in (0, 19, 20)] == [20, 1, 0]


def test_without_a_rate_there_is_always_another_until_the_end() -> None:
    pace = Pace(seconds=2.0, at_once=4)
    assert [pace.due(10**9, elapsed) for elapsed in (0.0, 1.9, 2.0)] == [0.0, 0.0, None]
    assert pace.given_up(0) == 0
