"""From values to places of a picture, and the values to write beside them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from augury.options import utc

_DAY_MS = 86_400_000
_STEPS_MS = (3_600_000, 3 * 3_600_000, 6 * 3_600_000, *(n * _DAY_MS for n in (1, 2, 7, 14, 28, 91, 364)))


@dataclass(frozen=True)
class Scale:
    """Takes values from `low` to `high` linearly to places from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Give the place of a value."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.end - self.start)


def spanning(values: Iterable[float], start: float, end: float, *more: float) -> Scale:
    """Give a scale that has room for finite values, and for `more`."""
    known = [*values, *more] or [0.0, 1.0]
    low, high = min(known), max(known)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return Scale(low - room if low < 0 or low > room else low, high + room, start, end)


def ticks(scale: Scale, about: int = 4) -> list[float]:
    """Give round values of a scale, `about` so many: one, two or five times a power of ten apart."""
    width = (scale.high - scale.low) / about
    power = 10.0 ** math.floor(math.log10(width))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= width)
    first = math.ceil(scale.low / step)
    return [n * step for n in range(first, math.floor(scale.high / step) + 1)]


def times(low: int, high: int, most: int = 8) -> list[int]:
    """Give times (ms) of a range, at most so many: round hours, days or weeks apart."""
    step = next((s for s in _STEPS_MS if (high - low) / s <= most), _STEPS_MS[-1])
    return list(range(-(-low // step) * step, high + 1, step))


def day(ms: float) -> str:
    """Write a time as its day, and its hour where it is none's beginning."""
    text = utc(round(ms))
    return text[:10] if text[11:16] == "00:00" else text[5:16]


def minute(ms: float) -> str:
    """Write a time to the minute."""
    return utc(round(ms))[:16]


def short(value: float | None) -> str:
    """Write a number with three significant digits or all of its whole part; nothing for None."""
    if value is None:
        return ""
    whole = isinstance(value, int) or 1_000 <= abs(value) < 1e9
    return f"{value:,.0f}" if whole else f"{value:.3g}"
