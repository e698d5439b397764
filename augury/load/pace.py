"""When requests are sent."""

import math
from dataclasses import dataclass

_LATE_SECONDS = 30.0


@dataclass(frozen=True)
class Pace:
    """`seconds` of load by `at_once` requests under way at a time.

    Without a `rate` the loop is closed: each answer makes room for the next request, so a slow door is
    asked less. With one, in requests a second, it is open: request n is due n / rate seconds after the start,
    whether or not the door keeps up, and latencies count from there. `at_once` then bounds how many are under
    way; those that wait for room are late, which their latencies show. What has found none 30 s after the end
    is given up.
    """

    seconds: float
    at_once: int
    rate: float | None = None

    def due(self, number: int, elapsed: float = 0.0) -> float | None:
        """Give when, in seconds after the start, a request is to be sent; None where it is not to be.

        `elapsed` is how long the load has run.
        """
        if self.rate is None:
            return 0.0 if elapsed < self.seconds else None
        at = number / self.rate
        return at if at < self.seconds and elapsed < self.seconds + _LATE_SECONDS else None

    def given_up(self, sent: int) -> int:
        """Count the requests that were due beside those that were sent."""
        return 0 if self.rate is None else max(0, math.ceil(self.seconds * self.rate) - sent)
