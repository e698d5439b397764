"""When requests are sent."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """`seconds` of load by `at_once` requests under way at a time.

    Without a `rate` the loop is closed: each answer makes room for the next request, so a slow door is
    asked less. With one, in requests a second, it is open: request n is due n / rate seconds after the start,
    whether or not the door keeps up, and latencies count from there. `at_once` then bounds how many are under
    way; those that wait for room are late, which their latencies show.
    """

    seconds: float
    at_once: int
    rate: float | None = None

    def due(self, number: int) -> float | None:
        """Give when, in seconds after the start, the request is to be sent; None where it is not to be."""
        if self.rate is None:
            return 0.0
        at = number / self.rate
        return at if at < self.seconds else None
