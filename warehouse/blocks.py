"""What cannot be subtracted, such as the most frequent value of a window: read from blocks of rows.

Whatever counts does so for a range of an entity's rows: an event from its own row to the one at which it
leaves, the frequency of a value from a change to the next. Each range is cut into dyadic blocks, the
blocks are aggregated, and a row reads the one block of each level that covers it: n log n, exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from features.plan import GroupPlan
from warehouse.dialect import typed
from warehouse.parts import Held, Kept, leaves


@dataclass(frozen=True)
class _Block:
    """How a part is aggregated over the ranges of a block, and over the blocks of a row.

    `of` may name the value, where the range's event or the value's newest one stands (`_ts`, `_place`),
    and the frequency `_n`. `frequencies` says that the ranges are those of different values.
    """

    ranges: str
    of: str
    blocks: str
    frequencies: bool = False


def _least(of: str, *, frequencies: bool = False) -> _Block:
    return _Block("groupArraySortedIf({most})", of, "groupArraySortedArray({most})", frequencies)


_NEWEST = "(-_ts, -toInt64(_place), {value})"
_BLOCKS = {
    Kept.FIRST: _least("(_ts, _place, {value})"),
    Kept.NEWEST: _least(_NEWEST),
    Kept.NEWEST_DISTINCT: _least(_NEWEST, frequencies=True),
    Kept.DISTINCT: _Block("sumIf", "toUInt64(1)", "sum", frequencies=True),
    Kept.COMMONEST: _least("(-_n, {value})", frequencies=True),
    Kept.FREQUENCIES: _Block(
        "groupArrayIf({most})", "({value}, _n)", "groupArrayArray({most})", frequencies=True
    ),
}


def picked(plan: GroupPlan, staged: str, parts: Sequence[Held], among: str) -> str:
    """Select the parts of the staged rows that `among` is true of, by `entity` and `seq`.

    A row in which nothing counts has none. Frequencies are lists, so few rows at a time bound the memory.
    """
    levels = f"(SELECT toUInt64(ceil(log2(max(seq) + 1))) + 1 FROM {staged})"
    found = ", ".join(f"{_BLOCKS[h.kept].blocks.format(most=h.most)}({h.name}) AS {h.name}" for h in parts)
    return (
        f"SELECT r.entity AS entity, r.seq AS seq, {found} FROM "
        f"(SELECT entity, seq, arrayJoin(range(0, {levels})) AS _level, "
        f"bitShiftRight(seq, _level) AS _block FROM {staged} WHERE {among}) AS r "
        f"INNER JOIN ({_blocks(plan, staged, parts)}) AS b USING (entity, _level, _block) "
        "GROUP BY entity, seq"
    )


# The blocks [b * 2^k, (b + 1) * 2^k) that make up [lo, hi): at level k, with l = ceil(lo / 2^k) and
# r = floor(hi / 2^k), block l where l is odd, and block r - 1 where r is odd, while l < r. A range that is
# none is cut, too, where ClickHouse does it before the filter that leaves it out.
_LEFT = "bitShiftRight(lo + bitShiftLeft(toUInt64(1), k) - 1, k)"
_RIGHT = "bitShiftRight(hi, k)"
_CUTS = (
    "arrayFilter(c -> c.3 = 1, arrayFlatten(arrayMap(k -> ["
    f"(k, {_LEFT}, {_LEFT} < {_RIGHT} AND {_LEFT} % 2 = 1), "
    f"(k, {_RIGHT} - 1, {_LEFT} < {_RIGHT} AND {_RIGHT} % 2 = 1)], "
    "range(0, toUInt64(ceil(log2(greatest(hi - lo, 0) + 1))) + 1))))"
)
_Source = tuple[int | None, int | None]  # the window, and the argument whose frequencies are ranged


def _source(part: Held) -> _Source:
    return part.window, part.argument if _BLOCKS[part.kept].frequencies else None


def _blocks(plan: GroupPlan, staged: str, parts: Sequence[Held]) -> str:
    """Aggregate over dyadic blocks of rows, the ranges of each source cut by themselves."""
    sources = list(dict.fromkeys(_source(h) for h in parts))
    arguments = sorted({h.argument for h in parts if h.argument is not None})
    ranges = []
    for number, (window, argument) in enumerate(sources):
        counted = _counted(plan, staged, window, arguments)
        if argument is not None:
            counted = _frequencies(plan, counted, arguments, argument)
        ranges.append(f"SELECT *, {number} AS _source FROM ({counted})")
    values = ", ".join(f"{_aggregated(h, sources.index(_source(h)))} AS {h.name}" for h in parts)
    return (
        f"SELECT entity, _cut.1 AS _level, _cut.2 AS _block, {values} "
        f"FROM ({' UNION ALL '.join(ranges)}) ARRAY JOIN {_CUTS} AS _cut GROUP BY entity, _level, _block"
    )


def _aggregated(part: Held, source: int) -> str:
    block = _BLOCKS[part.kept]
    of = block.of.format(value=f"assumeNotNull({part.value})" if block.of[0] == "(" else part.value)
    return f"{block.ranges.format(most=part.most)}({of}, _source = {source} AND isNotNull({part.value}))"


def _counted(plan: GroupPlan, staged: str, window: int | None, arguments: Sequence[int]) -> str:
    """Select each admitted event with the rows [lo, hi) for which it counts."""
    columns = "".join(f"_a{a}, " for a in arguments)
    taken = f"entity, seq AS lo, {{hi}} AS hi, {columns}_ts, seq AS _place, toInt64(1) AS _n"
    ended = f"SELECT *, max(seq) OVER (PARTITION BY entity) + 1 AS _end FROM {staged}"
    if window is None:
        return f"SELECT {taken.format(hi='_end')} FROM ({ended}) WHERE _kind = 1"
    leaving = "coalesce(nullIf(_boundary, 0), _end)"  # no row: the boundary has not come
    return (
        f"SELECT {taken.format(hi=leaving)} FROM "
        f"(SELECT *, {leaves(plan, window)} AS _leave FROM ({ended}) WHERE _kind = 1 AND _leave > _t) AS e "
        f"LEFT JOIN (SELECT entity, _t AS _leave, seq AS _boundary FROM {staged} WHERE _kind = 0) AS b "
        f"USING (entity, _leave)"
    )


def _frequencies(plan: GroupPlan, counted: str, arguments: Sequence[int], argument: int) -> str:
    """Select each value with its frequency and newest place, for the rows [lo, hi) between its changes."""
    columns = ", ".join(
        f"_a{a}" if a == argument else f"{typed('NULL', plan.arguments[a].type)} AS _a{a}" for a in arguments
    )
    changes = (
        f"SELECT entity, _a{argument}, _change.1 AS _at, "
        f"sum(_change.2) AS _by, max((_ts, _place)) AS _newest "
        f"FROM ({counted}) ARRAY JOIN [(lo, 1), (hi, -1)] AS _change "
        f"WHERE isNotNull(_a{argument}) GROUP BY entity, _a{argument}, _at"
    )
    by_value = f"PARTITION BY entity, _a{argument} ORDER BY _at ROWS BETWEEN"
    return (
        f"SELECT entity, lo, hi, {columns}, _to.1 AS _ts, _to.2 AS _place, _n FROM (SELECT *, _at AS lo, "
        f"leadInFrame(_at) OVER ({by_value} CURRENT ROW AND 1 FOLLOWING) AS hi, "
        f"sum(_by) OVER ({by_value} UNBOUNDED PRECEDING AND CURRENT ROW) AS _n, "
        f"max(_newest) OVER ({by_value} UNBOUNDED PRECEDING AND CURRENT ROW) AS _to FROM ({changes})) "
        f"WHERE _n > 0"
    )
