from itertools import permutations
from typing import Any

from features.alerts import ACKNOWLEDGED, RESOLVED, Alert, state
from flows.incidents import ENDED, GOES_ON, OPENED, WORSE, Incidents, Notice

HOUR = 3_600_000


def alert(name: str, at: int = 0, severity: str = "warning", subject: str = "x") -> dict[str, Any]:
    return Alert(name, "p", "drift", subject, severity, {}, at, "drift").record


def follow(name: str, reached: str) -> dict[str, Any]:
    return state(name, reached, by="ann", why="", at=0)


def kinds(*notices: Notice | None) -> list[str | None]:
    return [None if n is None else n.kind for n in notices]


def test_alerts_of_one_incident_are_told_of_once_until_some_time_has_passed() -> None:
    held = Incidents(2 * HOUR)
    told = [held.on_alert(alert(str(hour), hour * HOUR)) for hour in range(6)]
    assert kinds(*told) == [OPENED, None, GOES_ON, None, GOES_ON, None]
    assert kinds(held.on_alert(alert("other", subject="y"))) == [OPENED]


def test_an_alert_that_is_read_again_tells_nothing() -> None:
    held = Incidents(HOUR)
    assert kinds(held.on_alert(alert("a")), held.on_alert(alert("a"))) == [OPENED, None]


def test_what_is_acknowledged_is_told_of_when_it_grows_worse() -> None:
    held = Incidents(HOUR)
    held.on_alert(alert("a"))
    assert held.on_state(follow("a", ACKNOWLEDGED)) is None
    told = [held.on_alert(alert("b", 9 * HOUR)), held.on_alert(alert("c", 9 * HOUR, "critical"))]
    assert kinds(*told) == [None, WORSE]


def test_an_incident_ends_with_its_last_alert_and_another_may_follow() -> None:
    held = Incidents(HOUR)
    held.on_alert(alert("a"))
    held.on_alert(alert("b"))
    assert kinds(held.on_state(follow("a", RESOLVED)), held.on_state(follow("b", RESOLVED))) == [None, ENDED]
    assert kinds(held.on_state(follow("b", RESOLVED)), held.on_alert(alert("a"))) == [None, None]
    assert kinds(held.on_alert(alert("c"))) == [OPENED]


def test_the_order_between_the_two_topics_does_not_matter() -> None:
    records = [alert("a"), alert("b"), follow("a", RESOLVED), follow("b", RESOLVED)]
    for order in permutations(records):
        held = Incidents(HOUR)
        for record in order:
            held.on_state(record) if "state" in record else held.on_alert(record)
        assert kinds(held.on_alert(alert("c"))) == [OPENED]
