"""Features out of parts: what each aggregate is read from, and how, in SQL.

The formulas are those of `features.exact`, in the same operations and order.
"""

from collections.abc import Callable
from dataclasses import dataclass

from features.aggregates import LIMIT
from features.decay import ONE
from features.plan import SCALE, GroupPlan, PlannedAggregate
from features.types import DataType
from warehouse.dialect import typed
from warehouse.extremes import unranked
from warehouse.parts import Held, Kept, tile

Columns = dict[Kept, str]


@dataclass(frozen=True)
class Reading:
    """One entry of the catalogue: the parts it needs, and the SQL of the feature from their columns."""

    parts: tuple[Kept, ...]
    sql: Callable[[GroupPlan, PlannedAggregate, Columns], str]


def held(plan: GroupPlan) -> list[Held]:
    """List the parts that the plan's aggregates need, each once."""
    return list(dict.fromkeys(part for aggregate in plan.aggregates for part in _held(aggregate)))


def feature(plan: GroupPlan, aggregate: PlannedAggregate) -> str:
    """Give the SQL of an aggregate's value, of its type."""
    columns = {part.kept: part.name for part in _held(aggregate)}
    return typed(_reading(aggregate).sql(plan, aggregate, columns), aggregate.type)


def _reading(aggregate: PlannedAggregate) -> Reading:
    nth = " nth" if aggregate.option("nth", 1) != 1 else ""
    distinct = " distinct" if aggregate.option("distinct", False) else ""
    return READINGS[f"{aggregate.op}{nth}{distinct}"]


def _held(aggregate: PlannedAggregate) -> list[Held]:
    most = {Kept.FREQUENCIES: _limit(aggregate) + 1}
    most |= dict.fromkeys((Kept.NEWEST, Kept.NEWEST_DISTINCT), _nth(aggregate))
    return [
        Held(part, aggregate.argument, aggregate.window, most.get(part, 1), _half_life(aggregate))
        for part in _reading(aggregate).parts
    ]


def _half_life(aggregate: PlannedAggregate) -> int | None:
    return int(aggregate.option("half_life", 0)) or None


def _limit(aggregate: PlannedAggregate) -> int:
    return int(aggregate.option("limit", LIMIT))


def _nth(aggregate: PlannedAggregate) -> int:
    return int(aggregate.option("nth", 1))


# `features.exact.as_double`. It takes 64 bits at a time, which become the nearest double; wider integers
# would be rounded twice.
_LIMBS = [f"toFloat64(toUInt64(bitShiftRight(abs(toInt256(x)), {64 * i})))" for i in range(4)]
_HORNER = f"(({_LIMBS[3]} * {2**64}. + {_LIMBS[2]}) * {2**64}. + {_LIMBS[1]}) * {2**64}. + {_LIMBS[0]}"
_AS_DOUBLE = f"x -> if(x < 0, -1., 1.) * ({_HORNER})"


def conversions(integer: str) -> str:
    """Give the SQL of `as_double`, and of `sum_as_double` for sums kept as `integer`: 64 bits are a limb."""
    narrow = "x -> toFloat64(x)" if integer == "Int64" else _AS_DOUBLE
    return f"{_AS_DOUBLE} AS as_double, {narrow} AS sum_as_double"


def _unit(plan: GroupPlan, aggregate: PlannedAggregate) -> str | None:
    """Give how many units make one; None where it is one."""
    assert aggregate.argument is not None
    return f"1e{SCALE}" if plan.arguments[aggregate.argument].type is DataType.DOUBLE else None


def _sum(plan: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
    unit = _unit(plan, aggregate)
    return f"sum_as_double({columns[Kept.SUM]}) / {unit}" if unit else f"toInt64({columns[Kept.SUM]})"


def _mean(plan: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
    unit = _unit(plan, aggregate)
    total = f"sum_as_double({columns[Kept.SUM]})"
    return (
        f"{f'({total} / {unit})' if unit else total} / nullIf(toFloat64(toInt64({columns[Kept.COUNT]})), 0)"
    )


def _spread(columns: Columns) -> str:
    """Give n * sum of squares - sum^2."""
    n, one, two = (f"toInt256({columns[k]})" for k in (Kept.COUNT, Kept.SUM, Kept.SQUARES))
    return f"{n} * {two} - {one} * {one}"


def _variance(plan: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
    unit = _unit(plan, aggregate)
    spread, count = f"as_double({_spread(columns)})", f"toFloat64(toInt64({columns[Kept.COUNT]}))"
    scaled = f"{spread} / ({unit} * {unit})" if unit else spread
    return f"{scaled} / nullIf({count} * {count}, 0)"


def _stddev(plan: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
    return f"sqrt({_variance(plan, aggregate, columns)})"


def _skewness(_: GroupPlan, __: PlannedAggregate, columns: Columns) -> str:
    n, one, two, three = (f"toInt256({columns[k]})" for k in (Kept.COUNT, Kept.SUM, Kept.SQUARES, Kept.CUBES))
    third = f"as_double({n} * {n} * {three} - 3 * {n} * {one} * {two} + 2 * {one} * {one} * {one})"
    spread = f"nullIf(as_double({_spread(columns)}), 0)"
    return f"{third} / ({spread} * sqrt({spread}))"


def _extreme(kept: Kept) -> Callable[[GroupPlan, PlannedAggregate, Columns], str]:
    def read(plan: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
        part = Held(kept, aggregate.argument, aggregate.window)
        return unranked(plan, part) if part.extreme else columns[kept]

    return read


def _first(_: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
    first = columns[Kept.FIRST]
    return f"{first}.1" if aggregate.window is None else f"if(notEmpty({first}), {first}[1].3, NULL)"


def _last(plan: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
    name = columns[Kept.LAST]
    inside = f"{name}_any"
    if aggregate.window is not None:
        span = plan.windows[aggregate.window]
        inside += f" AND {tile(f'{name}.2', span.hop)} + {span.hop + span.size} > _t"
    return f"if({inside}, {name}.1, NULL)"


def _newest(part: Kept) -> Callable[[GroupPlan, PlannedAggregate, Columns], str]:
    def read(_: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
        nth = _nth(aggregate)
        return f"if(length({columns[part]}) >= {nth}, {columns[part]}[{nth}].3, NULL)"

    return read


def _count_distinct(_: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
    found = f"ifNull(toInt64({columns[Kept.DISTINCT]}), 0)"  # NULL in a row of which nothing counts
    return f"if({found} <= {_limit(aggregate)}, {found}, NULL)"


def _mode(_: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
    return _of_few(aggregate, columns, f"{columns[Kept.COMMONEST]}[1].2")


def _mode_share(_: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
    often, count = f"-{columns[Kept.COMMONEST]}[1].1", f"toInt64({columns[Kept.COUNT]})"
    return _of_few(aggregate, columns, f"toFloat64({often}) / toFloat64({count})")


def _of_few(aggregate: PlannedAggregate, columns: Columns, found: str) -> str:
    """Give what was found among the different values; NULL where there are none, or more than the limit."""
    return f"if({columns[Kept.DISTINCT]} BETWEEN 1 AND {_limit(aggregate)}, {found}, NULL)"


def _quantile(_: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
    found = columns[Kept.FREQUENCIES]  # one more than the limit if there are too many
    ordered, count = f"arraySort({found})", f"toFloat64(arraySum({found}.2))"
    rank = f"greatest(1., ceil(toFloat64({aggregate.option('q', 0.5)!r}) * {count}))"
    at = f"arrayFirstIndex(n -> n >= {rank}, arrayCumSum({ordered}.2))"
    return f"if(length({found}) BETWEEN 1 AND {_limit(aggregate)}, {ordered}[{at}].1, NULL)"


def _decayed_count(_: GroupPlan, __: PlannedAggregate, columns: Columns) -> str:
    return f"as_double({columns[Kept.DECAYED_COUNT]}) / {ONE}"


def _decayed_sum(plan: GroupPlan, aggregate: PlannedAggregate, columns: Columns) -> str:
    unit = _unit(plan, aggregate)
    found = f"as_double({columns[Kept.DECAYED_SUM]}) / {ONE}"
    return f"{found} / {unit}" if unit else found


_MOMENTS = (Kept.COUNT, Kept.SUM, Kept.SQUARES)
READINGS = {
    "count": Reading((Kept.COUNT,), lambda _, __, columns: f"toInt64({columns[Kept.COUNT]})"),
    "sum": Reading((Kept.SUM,), _sum),
    "mean": Reading((Kept.SUM, Kept.COUNT), _mean),
    "share": Reading((Kept.SUM, Kept.COUNT), _mean),
    "variance": Reading(_MOMENTS, _variance),
    "stddev": Reading(_MOMENTS, _stddev),
    "skewness": Reading((*_MOMENTS, Kept.CUBES), _skewness),
    "min": Reading((Kept.MIN,), _extreme(Kept.MIN)),
    "max": Reading((Kept.MAX,), _extreme(Kept.MAX)),
    "first": Reading((Kept.FIRST,), _first),
    "last": Reading((Kept.LAST,), _last),
    "last nth": Reading((Kept.NEWEST,), _newest(Kept.NEWEST)),
    "last nth distinct": Reading((Kept.NEWEST_DISTINCT,), _newest(Kept.NEWEST_DISTINCT)),
    "count_distinct": Reading((Kept.DISTINCT,), _count_distinct),
    "mode": Reading((Kept.DISTINCT, Kept.COMMONEST), _mode),
    "mode_share": Reading((Kept.DISTINCT, Kept.COMMONEST, Kept.COUNT), _mode_share),
    "quantile": Reading((Kept.FREQUENCIES,), _quantile),
    "decayed_count": Reading((Kept.DECAYED_COUNT,), _decayed_count),
    "decayed_sum": Reading((Kept.DECAYED_SUM,), _decayed_sum),
}
