"""What is kept of the values in a window, and the running parts of it: one value a row, in log order.

An event counts in a window from its arrival until the clock reaches the boundary at which its tile
leaves. So every total is one running sum, in the order of the clock, over the events and, with the
opposite sign, over the boundaries.
"""

from dataclasses import dataclass
from enum import StrEnum

from features.plan import SCALE, GroupPlan
from features.types import DataType

_HALF = f"toInt128('{2**64}')"


class Kept(StrEnum):
    """What ClickHouse keeps: totals, extremes and the newest value run; all else is read from blocks."""

    COUNT = "count"  # how many values
    SUM = "sum"  # of the fixed-point values, 128 bits
    SQUARES = "squares"  # 256 bits
    CUBES = "cubes"  # 256 bits
    MIN = "min"
    MAX = "max"
    FIRST = "first"  # the oldest value
    LAST = "last"  # the newest value
    NEWEST = "newest"  # the `most` newest values
    NEWEST_DISTINCT = "newest_distinct"  # the same, each value once
    DISTINCT = "distinct"  # how many different values
    COMMONEST = "commonest"  # the most frequent value, the smallest of several
    DECAYED_COUNT = "decayed_count"  # how many values, exponentially decayed
    DECAYED_SUM = "decayed_sum"  # their sum, the same
    FREQUENCIES = "frequencies"  # up to `most` different values, each with how often it is there


@dataclass(frozen=True)
class Held:
    """One part of one argument in one window: what the aggregates of a row are computed from."""

    kept: Kept
    argument: int | None
    window: int | None
    most: int = 1
    half_life: int | None = None  # ms, of what decays

    @property
    def name(self) -> str:
        """The column's name."""
        argument = "" if self.argument is None else self.argument
        most = "" if self.most == 1 else f"_{self.most}"
        most += "" if self.half_life is None else f"_{self.half_life}"
        return f"_{self.kept.value}{argument}_{'all' if self.window is None else self.window}{most}"

    @property
    def value(self) -> str:
        """The argument's column."""
        return f"_a{self.argument}"

    @property
    def amount(self) -> str:
        """The column of what an event adds to the total, or a boundary takes from it."""
        return f"_d_{self.kept.value}{'' if self.argument is None else self.argument}"

    @property
    def total(self) -> bool:
        """Whether it is a sum, which what leaves can be subtracted from."""
        return self.kept in _AMOUNTS

    @property
    def running(self) -> bool:
        """Whether it is the extreme of all that came, from which nothing leaves."""
        return self.window is None and self.kept in _EXTREMES

    @property
    def extreme(self) -> bool:
        """Whether it is a window's smallest or greatest value."""
        return self.window is not None and self.kept in (Kept.MIN, Kept.MAX)

    @property
    def in_blocks(self) -> bool:
        """Whether it is read from blocks of rows."""
        return not (self.total or self.running or self.extreme or self.decays or self.kept is Kept.LAST)

    @property
    def decays(self) -> bool:
        """Whether it is exponentially decayed."""
        return self.half_life is not None

    @property
    def counted(self) -> bool:
        """Whether what decays is a count."""
        return self.kept is Kept.DECAYED_COUNT


def tile(ts: str, hop: int) -> str:
    """Give the SQL of the start of a tile."""
    return f"({ts} - positiveModulo({ts}, {hop}))"


def leaves(plan: GroupPlan, window: int) -> str:
    """Give the SQL of the clock time at which an event's tile leaves."""
    span = plan.windows[window]
    return f"{tile('_ts', span.hop)} + {span.hop + span.size}"


def packed(moment: str, rank: str) -> str:
    """Pack a moment and an unsigned integer of 64 bits into one that goes by the moment first."""
    return f"(toInt128({moment}) * {_HALF} + {rank})"


def amount_moved(plan: GroupPlan, part: Held, integer: str) -> str:
    """Give the SQL of what a moment adds to a total: an event as it arrives, a boundary with its sign."""
    moves = "_order > 0"
    if part.window is not None:
        moves = f"if({moves}, {leaves(plan, part.window)} > _t, _window = {part.window})"
    return f"if({moves}, {part.amount}, {zero(part, integer)})"


def counts(plan: GroupPlan, part: Held) -> str:
    """Tell in SQL whether a moment is an event with a value that its window admits."""
    admitted = f"_order > 0 AND isNotNull({part.value})"
    return admitted if part.window is None else f"{admitted} AND {leaves(plan, part.window)} > _t"


def amount(plan: GroupPlan, part: Held, integer: str) -> str:
    """Give what an event adds to a total, counts and sums as `integer`; 0 where its value is NULL."""
    wide, added = _wide(part, integer), _AMOUNTS[part.kept]
    if part.argument is None:
        return f"{wide}(1)"
    if part.kept is Kept.COUNT:
        return f"{wide}({added.format(part.value)})"
    return added.format(f"{wide}(ifNull({units(plan, part)}, 0))")


def units(plan: GroupPlan, part: Held) -> str:
    """Give a value in the units of exact sums, a double as a fixed-point number."""
    assert part.argument is not None
    floating = plan.arguments[part.argument].type is DataType.DOUBLE
    return f"roundBankers({part.value} * 1e{SCALE})" if floating else part.value


def zero(part: Held, integer: str) -> str:
    """Give what leaves a total as it is."""
    return f"{_wide(part, integer)}(0)"


def _wide(part: Held, integer: str) -> str:
    return "toInt256" if part.kept in (Kept.SQUARES, Kept.CUBES) else f"to{integer}"


# What an event adds to each total, of its value as a fixed-point integer.
_AMOUNTS = {
    Kept.COUNT: "isNotNull({})",
    Kept.SUM: "{}",
    Kept.SQUARES: "{0} * {0}",
    Kept.CUBES: "{0} * {0} * {0}",
}
_EXTREMES = (Kept.MIN, Kept.MAX, Kept.FIRST)
