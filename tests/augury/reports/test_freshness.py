from dataclasses import replace

from augury.reports.freshness import GroupFreshness, freshness_page
from tests.augury.reports.told import checked
from tests.warehouse.reported import DAY, HOUR, START
from warehouse.reports import FreshnessHour, GroupClock

MINUTE = 60_000


def hour(number: int, lag_ms: int | None = 2 * MINUTE, stale: int = 0) -> FreshnessHour:
    """Give an hour in which a hundred rows were read."""
    counts = {"reads": 100, "fresh": 100 - stale, "stale": stale, "missing": 0, "defaulted": 0}
    lags = {"lag_p50_ms": lag_ms, "lag_p99_ms": lag_ms, "lag_max_ms": lag_ms}
    limits = {"expected_max_lag_ms": 10 * MINUTE, "alert_threshold_ms": 30 * MINUTE}
    return FreshnessHour("plain", 1, START + number * HOUR, **counts, **lags, **limits)


def group(*hours: FreshnessHour, label: str = "plain.v1", online: int | None = START) -> GroupFreshness:
    clock = GroupClock("plain", 1, "", 10 * MINUTE, 30 * MINUTE, "serve", START + 5_000, None, None)
    return GroupFreshness(label, clock, online, hours)


def test_a_limit_is_drawn_where_a_lag_came_near_it() -> None:
    said = checked(freshness_page([group(hour(0), hour(1))])).texts
    assert not any("beyond 10" in text for text in said)
    said = checked(freshness_page([group(hour(0), hour(1, 12 * MINUTE, stale=30))])).texts
    assert "stale beyond 10" in said
    assert "Lag by the hour of the request, in min." in said
    assert not any("alert beyond 30" in text for text in said)


def test_hours_that_were_not_fresh_are_listed_the_worst_first() -> None:
    page = checked(freshness_page([group(hour(0), hour(1, stale=3), hour(2, stale=9))]))
    assert [row[2] for row in page.tables[1][1:]] == ["9", "3"]
    assert page.row("plain.v1")[1:5] == ["300", "288", "12", "0"]
    assert page.row("plain.v1")[12] == "5 s"


def test_what_is_not_known_is_left_empty() -> None:
    nothing = GroupFreshness("left.v1", None, None, [hour(0, None)])
    unread = group(label="unread.v1", online=None)
    page = checked(freshness_page([nothing, unread]))
    assert page.row("left.v1")[6:] == [""] * 8
    assert page.row("unread.v1")[6:] == [
        "",
        "600 s",
        "1,800 s",
        "serve",
        "",
        "2013-01-02 00:00",
        "",
        "",
    ]


def test_a_group_that_is_never_read_is_told() -> None:
    assert "No request has read any of them yet." in checked(freshness_page([group()])).texts


def test_a_week_of_many_groups_is_small() -> None:
    hours = [replace(hour(n, (n % 50) * MINUTE), stale=n % 7) for n in range(24 * 30)]
    text = freshness_page([group(*hours, label=f"group_{n}.v1") for n in range(100)])
    checked(text)
    assert len(text.encode()) < 2_000_000
    assert hours[-1].hour == START + 30 * DAY - HOUR
