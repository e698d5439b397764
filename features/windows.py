"""Durations, and the hopping windows of a feature group.

A window of size `w` and hop `h` covers, at clock time `T`, the events that had arrived by `T` with
`floor(T - w, h) <= ts <= T`. Its events live in tiles `[k*h, (k+1)*h)`; a tile leaves as a whole.
"""

import re
from dataclasses import dataclass

from features.errors import DefinitionError

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_HOPS = [_UNITS["d"] * 1, *(n * _UNITS["h"] for n in (6, 1)), *(n * _UNITS["m"] for n in (15, 5, 1))]
_HOPS += [n * _UNITS["s"] for n in (15, 5, 1)]
_MIN_TILES = 60


def milliseconds(duration: str, place: str) -> int:
    """Read a duration such as `15m`, `1h` or `7d` as milliseconds.

    Raises `DefinitionError` where the text is not a positive whole number and a unit.
    """
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", duration)
    if match is None or int(match[1]) == 0:
        raise DefinitionError(
            place,
            "a duration is a positive whole number and one of ms, s, m, h, d",
            "its length is unknown",
            duration,
        )
    return int(match[1]) * _UNITS[match[2]]


def spell(ms: int) -> str:
    """Write milliseconds as the shortest duration, such as `1h`."""
    for unit in ("d", "h", "m", "s"):
        if ms % _UNITS[unit] == 0:
            return f"{ms // _UNITS[unit]}{unit}"
    return f"{ms}ms"


@dataclass(frozen=True, order=True)
class Window:
    """A window's size and hop, in milliseconds."""

    size: int
    hop: int

    def first_tile(self, clock: int) -> int:
        """Give the start of the oldest tile inside the window at clock time `clock` (ms)."""
        return floor(clock - self.size, self.hop)

    def leaves_at(self, ts: int) -> int:
        """Give the clock time (ms) at which the tile of an event at `ts` is outside for the first time."""
        return floor(ts, self.hop) + self.hop + self.size


def floor(ms: int, hop: int) -> int:
    """Round down to a multiple of `hop`; exact for negative times too."""
    return ms - ms % hop


def window(over: str, hop: str | None, place: str) -> Window:
    """Build the window of an aggregate; without a stated hop, the default one.

    The default is the largest of 1 s, 5 s, 15 s, 1 min, 5 min, 15 min, 1 h, 6 h, 1 d that divides the
    size at least 60 times, else 1 s.
    """
    size = milliseconds(over, place)
    if hop is None:
        fitting = (h for h in _HOPS if size % h == 0 and size // h >= _MIN_TILES)
        step = next(fitting, _UNITS["s"])
    else:
        step = milliseconds(hop, place)
    if size % step:
        raise DefinitionError(
            place,
            "a window's size is a multiple of its hop",
            "its tail would not fall on a boundary",
            f"over={over}, hop={hop or spell(step)}",
        )
    return Window(size, step)
