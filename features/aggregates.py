"""Aggregates over windows, and the table of their operations.

Every aggregate skips events whose argument is NULL. A window without values is 0 for count and sum,
NULL for all others.
"""

from dataclasses import dataclass
from enum import StrEnum

from features.errors import DefinitionError
from features.types import DataType
from features.windows import Window, spell, window

ANY = frozenset(DataType)
NUMBERS = frozenset({DataType.INTEGER, DataType.DOUBLE})


class Part(StrEnum):
    """What an engine keeps of the values in a window."""

    COUNT = "count"  # how many values: exact, subtractable
    SUM = "sum"  # their sum as a fixed-point integer: exact, subtractable
    MIN = "min"
    MAX = "max"
    LAST = "last"  # the value that is newest by (ts, log order)


@dataclass(frozen=True)
class Operation:
    """One entry of the catalogue: what it takes, which parts it is computed from, what it gives.

    `result` is the type of the feature; None stands for the argument's own type.
    """

    takes: frozenset[DataType]
    parts: tuple[Part, ...]
    result: DataType | None
    needs_argument: bool = True


OPERATIONS: dict[str, Operation] = {
    "count": Operation(ANY, (Part.COUNT,), DataType.INTEGER, needs_argument=False),
    "sum": Operation(NUMBERS, (Part.SUM,), None),
    "mean": Operation(NUMBERS, (Part.SUM, Part.COUNT), DataType.DOUBLE),
    "share": Operation(frozenset({DataType.BOOLEAN}), (Part.SUM, Part.COUNT), DataType.DOUBLE),
    "min": Operation(NUMBERS, (Part.MIN,), None),
    "max": Operation(NUMBERS, (Part.MAX,), None),
    "last": Operation(ANY - {DataType.TIMESTAMP}, (Part.LAST,), None),
}


@dataclass(frozen=True)
class Aggregate:
    """One aggregate feature: an operation on a column over a window, or over the entity's lifetime."""

    op: str
    argument: str | None
    window: Window | None
    name: str

    @property
    def operation(self) -> Operation:
        """The catalogue's entry."""
        return OPERATIONS[self.op]


def _aggregate(op: str, column: str | None, over: str | None, hop: str | None, name: str | None) -> Aggregate:
    place = f"{op}({column or ''}{f', over={over!r}' if over else ''})"
    if hop is not None and over is None:
        raise DefinitionError(place, "a hop belongs to a window", "a lifetime has no tail to move", hop)
    span = None if over is None else window(over, hop, place)
    spelled = [column, op, None if span is None else spell(span.size)]
    return Aggregate(op, column, span, name or "_".join(s for s in spelled if s))


def count(
    column: str | None = None, *, over: str | None = None, hop: str | None = None, name: str | None = None
) -> Aggregate:
    """Count the events, or the values of `column` that are not NULL."""
    return _aggregate("count", column, over, hop, name)


def total(
    column: str, *, over: str | None = None, hop: str | None = None, name: str | None = None
) -> Aggregate:
    """Sum the values exactly, doubles as fixed-point integers of scale 6; named `<column>_sum_<over>`."""
    return _aggregate("sum", column, over, hop, name)


def mean(
    column: str, *, over: str | None = None, hop: str | None = None, name: str | None = None
) -> Aggregate:
    """Divide the exact sum by the count; NULL where there is no value."""
    return _aggregate("mean", column, over, hop, name)


def share(
    column: str, *, over: str | None = None, hop: str | None = None, name: str | None = None
) -> Aggregate:
    """Give the share of true among the values of a boolean column; NULL where there is no value."""
    return _aggregate("share", column, over, hop, name)


def minimum(
    column: str, *, over: str | None = None, hop: str | None = None, name: str | None = None
) -> Aggregate:
    """Give the smallest value."""
    return _aggregate("min", column, over, hop, name)


def maximum(
    column: str, *, over: str | None = None, hop: str | None = None, name: str | None = None
) -> Aggregate:
    """Give the greatest value."""
    return _aggregate("max", column, over, hop, name)


def last(
    column: str, *, over: str | None = None, hop: str | None = None, name: str | None = None
) -> Aggregate:
    """Give the value that is newest by event time, then by log order."""
    return _aggregate("last", column, over, hop, name)
