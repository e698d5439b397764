"""What each aggregate gives for the values of a window, by definition: the catalogue, spelled out.

`values` are those of the argument that are not NULL, in order of (ts, log order).
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from features import exact
from features.aggregates import LIMIT
from features.expressions.python import wrap
from features.plan import SCALE, PlannedAggregate
from features.types import DataType

Values = Sequence[Any]
Reading = Callable[[PlannedAggregate, DataType, Values], Any]


def read(aggregate: PlannedAggregate, data_type: DataType, values: Values) -> Any:  # noqa: ANN401
    """Give the aggregate's value over the values, which are of `data_type`; None is NULL."""
    return _READINGS[aggregate.op](aggregate, data_type, values)


def _sums(data_type: DataType, values: Values, powers: int) -> tuple[list[int], float]:
    """Give the count and the exact sums of the first powers, in units; and how many units make one."""
    whole = [units(data_type, v) for v in values]
    return [sum(u**power for u in whole) for power in range(powers + 1)], unit(data_type)


def units(data_type: DataType, value: int | float) -> int:
    """Give a number in the units of exact sums: a double as a fixed-point integer."""
    return round(value * 10**SCALE) if data_type is DataType.DOUBLE else int(value)


def unit(data_type: DataType) -> float:
    """Give how many units make one."""
    return float(10**SCALE) if data_type is DataType.DOUBLE else 1.0


def _sum(_: PlannedAggregate, data_type: DataType, values: Values) -> int | float:
    (_count, total), one = _sums(data_type, values, 1)
    return exact.as_double(total) / one if data_type is DataType.DOUBLE else wrap(total)


def _mean(_: PlannedAggregate, data_type: DataType, values: Values) -> float | None:
    (count, total), one = _sums(data_type, values, 1)
    return exact.mean(count, total, one)


def _variance(_: PlannedAggregate, data_type: DataType, values: Values) -> float | None:
    (count, total, squares), one = _sums(data_type, values, 2)
    return exact.variance(count, total, squares, one)


def _stddev(_: PlannedAggregate, data_type: DataType, values: Values) -> float | None:
    (count, total, squares), one = _sums(data_type, values, 2)
    return exact.stddev(count, total, squares, one)


def _skewness(_: PlannedAggregate, data_type: DataType, values: Values) -> float | None:
    (count, total, squares, cubes), _one = _sums(data_type, values, 3)
    return exact.skewness(count, total, squares, cubes)


def _last(aggregate: PlannedAggregate, _: DataType, values: Values) -> Any:  # noqa: ANN401
    newest = list(reversed(values))
    if aggregate.option("distinct", False):
        newest = list(dict.fromkeys(newest))
    nth = int(aggregate.option("nth", 1))
    return newest[nth - 1] if len(newest) >= nth else None


def _frequencies(aggregate: PlannedAggregate, values: Values) -> list[tuple[Any, int]] | None:
    """Give the different values in order (texts by their UTF-8 bytes), each with how often it is there."""
    counted = Counter(values)
    if len(counted) > aggregate.option("limit", LIMIT):
        return None
    return sorted(counted.items(), key=lambda i: i[0].encode() if isinstance(i[0], str) else i[0])


def _count_distinct(aggregate: PlannedAggregate, _: DataType, values: Values) -> int | None:
    found = _frequencies(aggregate, values)
    return None if found is None else len(found)


def _mode(aggregate: PlannedAggregate, _: DataType, values: Values) -> Any:  # noqa: ANN401
    found = _frequencies(aggregate, values)
    return max(found, key=lambda i: i[1])[0] if found else None  # the first, so the smallest, of several


def _mode_share(aggregate: PlannedAggregate, _: DataType, values: Values) -> float | None:
    found = _frequencies(aggregate, values)
    return max(n for _, n in found) / len(values) if found else None


def _quantile(aggregate: PlannedAggregate, _: DataType, values: Values) -> Any:  # noqa: ANN401
    found = _frequencies(aggregate, values)
    if not found:
        return None
    rank = max(1, math.ceil(float(aggregate.option("q", 0.5)) * len(values)))
    counted = accumulate(n for _, n in found)
    return next(value for (value, _), reached in zip(found, counted, strict=True) if reached >= rank)


_READINGS: dict[str, Reading] = {
    "count": lambda _, __, values: len(values),
    "sum": _sum,
    "mean": _mean,
    "share": _mean,
    "variance": _variance,
    "stddev": _stddev,
    "skewness": _skewness,
    "min": lambda _, __, values: min(values, default=None),
    "max": lambda _, __, values: max(values, default=None),
    "first": lambda _, __, values: values[0] if values else None,
    "last": _last,
    "count_distinct": _count_distinct,
    "mode": _mode,
    "mode_share": _mode_share,
    "quantile": _quantile,
}
