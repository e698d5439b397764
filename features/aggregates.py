"""Aggregates over windows, and the table of their operations.

Every aggregate skips events whose argument is NULL. A window without values is 0 for counts and sums,
NULL for all others.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict, Unpack

from features.errors import DefinitionError
from features.types import DataType
from features.windows import Window, milliseconds, spell, window

ANY = frozenset(DataType)
NUMBERS = frozenset({DataType.INTEGER, DataType.DOUBLE})


class Part(StrEnum):
    """What an engine keeps of the values in a window. All but the extremes and lists can be subtracted."""

    COUNT = "count"  # how many values
    SUM = "sum"  # their sum as a fixed-point integer of 128 bits
    SQUARES = "squares"  # the sum of the squares of the fixed-point values, 256 bits
    CUBES = "cubes"  # the sum of their cubes, 256 bits
    MIN = "min"
    MAX = "max"
    FIRST = "first"  # the value that is oldest by (ts, log order)
    LAST = "last"  # the values that are newest by (ts, log order), `nth` of them, distinct or not
    VALUES = "values"  # how often each value is there
    DECAYED = "decayed"  # their decayed sum: of each half-life what arrived in it, 128 bits


@dataclass(frozen=True)
class Operation:
    """One entry of the catalogue: what it takes, which parts it is computed from, what it gives.

    `result` is the type of the feature; None stands for the argument's own type. `options` are the
    names of what else an aggregate states.
    """

    takes: frozenset[DataType]
    parts: tuple[Part, ...]
    result: DataType | None
    needs_argument: bool = True
    options: tuple[str, ...] = ()


_KEPT = ANY - {DataType.TIMESTAMP}
_MOMENTS = (Part.SUM, Part.COUNT, Part.SQUARES)
OPERATIONS: dict[str, Operation] = {
    "count": Operation(ANY, (Part.COUNT,), DataType.INTEGER, needs_argument=False),
    "sum": Operation(NUMBERS, (Part.SUM,), None),
    "mean": Operation(NUMBERS, (Part.SUM, Part.COUNT), DataType.DOUBLE),
    "share": Operation(frozenset({DataType.BOOLEAN}), (Part.SUM, Part.COUNT), DataType.DOUBLE),
    "variance": Operation(NUMBERS, _MOMENTS, DataType.DOUBLE),
    "stddev": Operation(NUMBERS, _MOMENTS, DataType.DOUBLE),
    "skewness": Operation(NUMBERS, (*_MOMENTS, Part.CUBES), DataType.DOUBLE),
    "min": Operation(NUMBERS, (Part.MIN,), None),
    "max": Operation(NUMBERS, (Part.MAX,), None),
    "first": Operation(_KEPT, (Part.FIRST,), None),
    "last": Operation(_KEPT, (Part.LAST,), None, options=("nth", "distinct")),
    "count_distinct": Operation(_KEPT, (Part.VALUES,), DataType.INTEGER, options=("limit",)),
    "mode": Operation(_KEPT, (Part.VALUES,), None, options=("limit",)),
    "mode_share": Operation(_KEPT, (Part.VALUES,), DataType.DOUBLE, options=("limit",)),
    "quantile": Operation(NUMBERS, (Part.VALUES,), None, options=("q", "limit")),
    "decayed_count": Operation(
        ANY, (Part.DECAYED,), DataType.DOUBLE, needs_argument=False, options=("half_life",)
    ),
    "decayed_sum": Operation(NUMBERS, (Part.DECAYED,), DataType.DOUBLE, options=("half_life",)),
}

Option = int | float | bool
LIMIT = 1_000
"""How many distinct values a window may hold by default, for what is computed from each of them."""
LONGEST = "36500d"
"""The longest half-life: with it, times and their products fit in 64 bits."""


@dataclass(frozen=True)
class Aggregate:
    """One aggregate feature: an operation on a column over a window, or over the entity's lifetime.

    `where` keeps the events that it counts; `options` are those of the operation, by name.
    """

    op: str
    argument: str | None
    window: Window | None
    name: str
    where: str | None = None
    options: tuple[tuple[str, Option], ...] = ()

    @property
    def operation(self) -> Operation:
        """The catalogue's entry."""
        return OPERATIONS[self.op]


class Chosen(TypedDict, total=False):
    """What every aggregate states alike: `where`, a condition on the event, and with it a `name`."""

    where: str
    name: str


class Over(Chosen, total=False):
    """What an aggregate over a window states besides.

    `over` is the window's size, without which it is the entity's lifetime; `hop` is how finely its tail
    moves.
    """

    over: str
    hop: str


def _aggregate(op: str, column: str | None, spelled: str, over: Over, **options: Option) -> Aggregate:
    size, hop = over.get("over"), over.get("hop")
    place = f"{op}({column or ''}{f', over={size!r}' if size else ''})"
    if hop is not None and size is None:
        raise DefinitionError(place, "a hop belongs to a window", "a lifetime has no tail to move", hop)
    span = None if size is None else window(size, hop, place)
    return _named(op, column, spelled, span, over, place, **options)


def _named(
    op: str,
    column: str | None,
    spelled: str,
    span: Window | None,
    chosen: Chosen,
    place: str,
    **options: Option,
) -> Aggregate:
    where, name = chosen.get("where"), chosen.get("name")
    if where is not None and name is None:
        rule = "an aggregate with `where` states its name"
        raise DefinitionError(place, rule, "it would be called as if it counted all events", where)
    words = [column, spelled, None if span is None else spell(span.size)]
    return Aggregate(
        op, column, span, name or "_".join(w for w in words if w), where, tuple(sorted(options.items()))
    )


def _at_least_one(number: int, what: str, place: str) -> int:
    if number < 1:
        raise DefinitionError(place, f"{what} is 1 or more", "there is no such value", number)
    return number


def count(column: str | None = None, **over: Unpack[Over]) -> Aggregate:
    """Count the events, or the values of `column` that are not NULL."""
    return _aggregate("count", column, "count", over)


def total(column: str, **over: Unpack[Over]) -> Aggregate:
    """Sum the values exactly, doubles as fixed-point integers of scale 6; named `<column>_sum_<over>`."""
    return _aggregate("sum", column, "sum", over)


def mean(column: str, **over: Unpack[Over]) -> Aggregate:
    """Divide the exact sum by the count; NULL where there is no value."""
    return _aggregate("mean", column, "mean", over)


def share(column: str, **over: Unpack[Over]) -> Aggregate:
    """Give the share of true among the values of a boolean column; NULL where there is no value."""
    return _aggregate("share", column, "share", over)


def variance(column: str, **over: Unpack[Over]) -> Aggregate:
    """Give the population variance, from exact sums; NULL where there is no value."""
    return _aggregate("variance", column, "variance", over)


def stddev(column: str, **over: Unpack[Over]) -> Aggregate:
    """Give the population standard deviation: the root of the variance."""
    return _aggregate("stddev", column, "stddev", over)


def skewness(column: str, **over: Unpack[Over]) -> Aggregate:
    """Give the population skewness (Fisher's g1), from exact sums; NULL where all values are equal."""
    return _aggregate("skewness", column, "skewness", over)


def minimum(column: str, **over: Unpack[Over]) -> Aggregate:
    """Give the smallest value."""
    return _aggregate("min", column, "min", over)


def maximum(column: str, **over: Unpack[Over]) -> Aggregate:
    """Give the greatest value."""
    return _aggregate("max", column, "max", over)


def first(column: str, **over: Unpack[Over]) -> Aggregate:
    """Give the value that is oldest by event time, then by log order."""
    return _aggregate("first", column, "first", over)


def last(column: str, nth: int = 1, *, distinct: bool = False, **over: Unpack[Over]) -> Aggregate:
    """Give the value that is newest by event time, then by log order; with `nth`, the nth newest.

    `distinct` counts each value once, at its newest; NULL where there are fewer than `nth`.
    """
    _at_least_one(nth, "nth", f"last({column})")
    if nth == 1:  # the newest is also the newest of the distinct ones
        return _aggregate("last", column, "last", over)
    spelled = f"last{nth}_distinct" if distinct else f"last{nth}"
    options: dict[str, Option] = {"distinct": True} if distinct else {}
    return _aggregate("last", column, spelled, over, nth=nth, **options)


def count_distinct(column: str, *, limit: int = LIMIT, **over: Unpack[Over]) -> Aggregate:
    """Count the different values, exactly; NULL while there are more than `limit`."""
    limit = _at_least_one(limit, "limit", f"count_distinct({column})")
    return _aggregate("count_distinct", column, "count_distinct", over, limit=limit)


def mode(column: str, *, limit: int = LIMIT, **over: Unpack[Over]) -> Aggregate:
    """Give the most frequent value, the smallest of several; NULL while there are more than `limit`."""
    limit = _at_least_one(limit, "limit", f"mode({column})")
    return _aggregate("mode", column, "mode", over, limit=limit)


def mode_share(column: str, *, limit: int = LIMIT, **over: Unpack[Over]) -> Aggregate:
    """Give the share of the most frequent value; NULL while there are more than `limit` different ones."""
    limit = _at_least_one(limit, "limit", f"mode_share({column})")
    return _aggregate("mode_share", column, "mode_share", over, limit=limit)


def quantile(column: str, q: float, *, limit: int = LIMIT, **over: Unpack[Over]) -> Aggregate:
    """Give the smallest value that at least a share `q` of the values does not exceed, exactly.

    This is definition 1 of Hyndman and Fan (1996). NULL while there are more than `limit` different values.
    """
    place = f"quantile({column})"
    if not 0 <= q <= 1:
        raise DefinitionError(place, "q lies between 0 and 1", "there is no such quantile", q)
    limit = _at_least_one(limit, "limit", place)
    if "name" not in over and not re.fullmatch(r"0(\.\d{1,5})?|1(\.0)?", repr(float(q))):
        rule = "a quantile of more than five decimal places states its name"
        raise DefinitionError(place, rule, "its name would not tell it from another", q)
    spelled = f"q{100 * q:g}".replace(".", "_")
    return _aggregate("quantile", column, spelled, over, q=float(q), limit=limit)


def decayed_count(half_life: str, column: str | None = None, **chosen: Unpack[Chosen]) -> Aggregate:
    """Count the events, or the values that are not NULL, each by half as much with every `half_life`.

    As of the start of the half-life in which the row stands, see `features.decay`; 0 after 64 of them.
    """
    return _decayed("decayed_count", column, half_life, chosen)


def decayed_total(column: str, half_life: str, **chosen: Unpack[Chosen]) -> Aggregate:
    """Sum the values, each by half as much with every `half_life`; named `<column>_decayed_sum_<half_life>`.

    As of the start of the half-life in which the row stands, see `features.decay`; 0 after 64 of them.
    """
    return _decayed("decayed_sum", column, half_life, chosen)


def _decayed(op: str, column: str | None, half_life: str, chosen: Chosen) -> Aggregate:
    place = f"{op}({column or ''})"
    span = milliseconds(half_life, f"{place}, half_life")
    if span > milliseconds(LONGEST, place):
        rule = f"a half-life is at most {LONGEST}"
        raise DefinitionError(place, rule, "its weights would overflow", half_life)
    return _named(op, column, f"{op}_{spell(span)}", None, chosen, place, half_life=span)
