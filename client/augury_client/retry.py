"""When a request is tried again."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Retry:
    """A request is tried `attempts` times in all, under the same `request_id`, so that it counts once.

    Between two tries lies a random time of up to `first_s`, which doubles up to `most_s` (seconds), or what
    the door asks for in `Retry-After`. A door that asks for more than `most_s` is not tried again.
    """

    attempts: int = 4
    first_s: float = 0.1
    most_s: float = 5.0

    def wait(self, tried: int, retry_after: float | None = None) -> float | None:
        """Give the seconds to wait after so many tries; None where there is no further one."""
        if tried >= self.attempts or (retry_after is not None and retry_after > self.most_s):
            return None
        if retry_after is not None:
            return retry_after
        # all callers of a door that comes back would else ask it in the same moment
        return random.uniform(0, min(self.most_s, self.first_s * 2 ** (tried - 1)))  # noqa: S311


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Read a `Retry-After`, in seconds or as a date, as seconds from now; None where it says nothing."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or _now())).total_seconds())


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  (a program of its own, outside Augury's layers)
