from augury.load.pace import Pace


def test_a_rate_sets_when_each_request_is_due() -> None:
    pace = Pace(seconds=2.0, at_once=4, rate=10.0)
    assert [pace.due(n) for n in (0, 1, 19, 20)] == [0.0, 0.1, 1.9, None]


def test_without_a_rate_there_is_always_another() -> None:
    assert Pace(seconds=2.0, at_once=4).due(10**9) == 0.0
