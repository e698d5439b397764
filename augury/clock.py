"""The wall clock: the only module that reads it. Everything else takes a clock as an argument."""

import time


def wall_ms() -> int:
    """Return the wall clock in milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000  # noqa: TID251
