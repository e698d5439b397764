from concurrent.futures import ThreadPoolExecutor

from inference.registry import Registry

DAY = 86_400_000


def take(registry: Registry, alert: str, at: int, per_day: int = 1, model: str = "late") -> bool:
    return registry.actions.take(model, "retrain", alert_id=alert, policy="p", at=at, per_day=per_day)


def test_a_day_has_so_many_actions_and_no_more(registry: Registry) -> None:
    assert take(registry, "a", 3 * DAY)
    assert not take(registry, "b", 4 * DAY - 1)
    assert take(registry, "b", 4 * DAY)
    assert take(registry, "c", 4 * DAY, per_day=2)
    assert not take(registry, "d", 4 * DAY, per_day=2)
    assert take(registry, "d", 4 * DAY, model="other")


def test_of_those_who_ask_at_once_no_more_than_stated_get_one(registry: Registry) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: take(registry, f"a{n}", DAY, 2), range(8)))
    assert sum(taken) == 2


def test_what_an_alert_has_taken_it_keeps(registry: Registry) -> None:
    assert all(take(registry, "a", 3 * DAY) for _ in range(3))
    assert not take(registry, "b", 3 * DAY)
    assert take(registry, "a", 9 * DAY)  # also where its time is another
    assert take(registry, "b", 9 * DAY)
