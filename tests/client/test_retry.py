from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury_client import Retry
from augury_client.retry import retry_after

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@given(st.integers(1, 12), st.floats(0.01, 1), st.floats(1, 60))
def test_waits_double_at_most_up_to_a_bound_and_end(attempts: int, first_s: float, most_s: float) -> None:
    retry = Retry(attempts, first_s, most_s)
    waits = [retry.wait(tried) for tried in range(1, attempts + 2)]
    assert [wait is None for wait in waits] == [tried >= attempts for tried in range(1, attempts + 2)]
    for tried, wait in enumerate(waits):
        assert wait is None or 0 <= wait <= min(most_s, first_s * 2**tried)


def test_a_door_that_says_when_is_asked_then_or_never() -> None:
    retry = Retry(attempts=3, most_s=5)
    assert retry.wait(1, 2.0) == 2.0
    assert retry.wait(2, 0.0) == 0.0
    assert retry.wait(3, 2.0) is None
    assert retry.wait(1, 5.5) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
    ],
)
def test_seconds_and_dates_are_read(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds
