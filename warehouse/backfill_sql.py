"""A plan's rows in ClickHouse SQL: set-based, exact with late events, linear in the events.

An event counts in a window from its arrival until the clock reaches the boundary at which its tile
leaves. So every total is one running sum, in the order of the clock, over the events and, with the
opposite sign, over the boundaries; and a boundary is a decay row. No window join, whatever the size.

Smallest and greatest values cannot be subtracted. An event holds for the rows from its own to the one at
which it leaves; that range is cut into dyadic blocks, the blocks are aggregated, and a row reads the one
block of each level that covers it: n log n, exact.
"""

from dataclasses import dataclass

from features.aggregates import OPERATIONS, Part
from features.plan import SCALE, GroupPlan, PlannedAggregate
from features.types import DataType
from warehouse.dialect import CLICKHOUSE, column, typed
from warehouse.events import events

_FRAME = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
_PLACE = "_ts, _t, _topic, _partition, _offset"  # what `last` goes by


@dataclass(frozen=True)
class Held:
    """One part of one argument in one window: what the aggregates of a row are computed from."""

    part: Part
    argument: int | None
    window: int | None

    @property
    def name(self) -> str:
        """The column's name."""
        argument = "" if self.argument is None else self.argument
        return f"_{self.part.value}{argument}_{'all' if self.window is None else self.window}"


def held(plan: GroupPlan) -> list[Held]:
    """List the parts that the plan's aggregates need, each once."""
    return list(
        dict.fromkeys(
            Held(part, aggregate.argument, aggregate.window)
            for aggregate in plan.aggregates
            for part in OPERATIONS[aggregate.op].parts
        )
    )


def stage(plan: GroupPlan, until: int) -> str:
    """Select the rows with their parts, but without the windows' smallest and greatest values."""
    parts = held(plan)
    totals = [h for h in parts if h.part in (Part.COUNT, Part.SUM)]
    running = [h for h in parts if h.part in (Part.MIN, Part.MAX) and h.window is None]
    latest = [h for h in parts if h.part is Part.LAST]
    extremes = [h for h in parts if h.part in (Part.MIN, Part.MAX) and h.window is not None]
    arguments = [f"_a{i}" for i in range(len(plan.arguments))]
    arrivals = [
        "entity, _t, 1 AS _kind, _topic, _partition, _offset, _ts",
        *arguments,
        *(f"{_delta(plan, h)} AS _d{h.name}" for h in totals),
    ]
    selected = [
        "entity",
        "_t",
        "row_number() OVER w AS seq",
        "_kind, _topic, _partition, _offset, _ts",
        "max(_ts) OVER w AS _last_ts",
        *dict.fromkeys(_value(h) for h in extremes),
        *(f"sum(_d{h.name}) OVER w AS {h.name}" for h in totals),
        *(f"{h.part.value}({_value(h)}) OVER w AS {h.name}" for h in running),
        *(_latest(plan, h) for h in latest),
    ]
    union = f"SELECT {', '.join(arrivals)} FROM _events"
    if plan.windows:
        boundaries = ", ".join(f"({i}, {_leaves(plan, i)})" for i in range(len(plan.windows)))
        departures = [
            "entity, _left.2, 0, '', -1, -1, min(_ts)",
            *(typed("NULL", a.type) for a in plan.arguments),
            *(_leaving(plan, h) for h in totals),
        ]
        union += (
            f" UNION ALL SELECT {', '.join(departures)} FROM _events "
            f"ARRAY JOIN arrayFilter(b -> b.2 > _t, [{boundaries}]) AS _left GROUP BY entity, _left.2"
        )
    return (
        f"WITH _events AS ({events(plan, until)}) SELECT {', '.join(selected)} FROM ({union}) "
        f"WINDOW w AS (PARTITION BY entity ORDER BY _t, _kind, _topic, _partition, _offset {_FRAME})"
    )


def rows(plan: GroupPlan, staged: str, since: int, until: int) -> str:
    """Select the group's rows with `event_timestamp` in [since, until) from the staged table."""
    extremes = [h for h in held(plan) if h.part in (Part.MIN, Part.MAX) and h.window is not None]
    source = f"SELECT * FROM {staged}"
    if extremes:
        blocks = _blocks(plan, staged, extremes)
        levels = f"(SELECT toUInt64(ceil(log2(max(seq) + 1))) + 1 FROM {staged})"
        found = ", ".join(f"{h.part.value}({h.name}) AS {h.name}" for h in extremes)
        picked = (
            f"SELECT r.entity AS entity, r.seq AS seq, {found} FROM "
            f"(SELECT entity, seq, arrayJoin(range(0, {levels})) AS _level, "
            f"bitShiftRight(seq, _level) AS _block FROM {staged}) AS r "
            f"INNER JOIN ({blocks}) AS b USING (entity, _level, _block) GROUP BY entity, seq"
        )
        names = ", ".join(f"x.{h.name} AS {h.name}" for h in extremes)
        source = f"SELECT s.*, {names} FROM {staged} AS s LEFT JOIN ({picked}) AS x USING (entity, seq)"
    aggregates = ", ".join(f"{_feature(plan, a)} AS {column(a.name)}" for a in plan.aggregates)
    derived = "".join(
        f", {typed(CLICKHOUSE.render(d.expression), d.type)} AS {column(d.name)}" for d in plan.derived
    )
    names = ", ".join(column(a.name) for a in plan.aggregates)
    return (
        "SELECT entity, fromUnixTimestamp64Milli(_t, 'UTC') AS event_timestamp, "
        "fromUnixTimestamp64Milli(_last_ts, 'UTC') AS last_event_time, seq, "
        "if(_kind = 1, _topic, NULL) AS topic, if(_kind = 1, _partition, NULL) AS partition, "
        f"if(_kind = 1, _offset, NULL) AS offset, {names}{derived} "
        f"FROM (SELECT *, {aggregates} FROM ({source}) WHERE _t >= {since} AND _t < {until}) "
        "SETTINGS join_use_nulls = 1"
    )


def _tile(ts: str, hop: int) -> str:
    return f"({ts} - positiveModulo({ts}, {hop}))"


def _leaves(plan: GroupPlan, window: int) -> str:
    span = plan.windows[window]
    return f"{_tile('_ts', span.hop)} + {span.hop + span.size}"


def _value(part: Held) -> str:
    return f"_a{part.argument}"


def _amount(plan: GroupPlan, part: Held) -> str:
    """Give what an event adds to a total: one, or its value as a fixed-point integer; 0 where it is NULL."""
    if part.argument is None:
        return "toInt128(1)"
    if part.part is Part.COUNT:
        return f"toInt128(isNotNull({_value(part)}))"
    if plan.arguments[part.argument].type is DataType.DOUBLE:
        return f"toInt128(ifNull(roundBankers({_value(part)} * 1e{SCALE}), 0))"
    return f"toInt128(ifNull({_value(part)}, 0))"


def _delta(plan: GroupPlan, part: Held) -> str:
    amount = _amount(plan, part)
    if part.window is None:
        return amount
    return f"if({_leaves(plan, part.window)} > _t, {amount}, toInt128(0))"


def _leaving(plan: GroupPlan, part: Held) -> str:
    if part.window is None:
        return "toInt128(0)"
    return f"-sumIf({_amount(plan, part)}, _left.1 = {part.window})"


def _latest(plan: GroupPlan, part: Held) -> str:
    """Keep the newest admitted value with its ts; whether its tile is still inside is told by each row."""
    counts = f"_kind = 1 AND isNotNull({_value(part)})"
    if part.window is not None:
        counts += f" AND {_leaves(plan, part.window)} > _t"
    return (
        f"argMaxIf(tuple({_value(part)}, _ts), ({_PLACE}), {counts}) OVER w AS {part.name}, "
        f"countIf({counts}) OVER w > 0 AS {part.name}_any"
    )


def _blocks(plan: GroupPlan, staged: str, extremes: list[Held]) -> str:
    """Aggregate the values over dyadic blocks of rows, each window's range cut by itself."""
    selects = []
    for window in sorted({h.window for h in extremes if h.window is not None}):
        mine = [h for h in extremes if h.window == window]
        values = ", ".join(
            f"{h.part.value}({_value(h)}) AS {h.name}" if h in mine else f"{_nothing(plan, h)} AS {h.name}"
            for h in extremes
        )
        arguments = ", ".join(dict.fromkeys(f"e.{_value(h)} AS {_value(h)}" for h in mine))
        ranges = (
            f"SELECT e.entity AS entity, e.seq AS lo, b.seq AS hi, {arguments} FROM "
            f"(SELECT *, {_leaves(plan, window)} AS _leave FROM {staged} "
            f"WHERE _kind = 1 AND _leave > _t) AS e "
            f"INNER JOIN (SELECT entity, _t, seq FROM {staged} WHERE _kind = 0) AS b "
            f"ON e.entity = b.entity AND e._leave = b._t"
        )
        selects.append(
            f"SELECT entity, _cut.1 AS _level, _cut.2 AS _block, {values} "
            f"FROM ({ranges}) ARRAY JOIN {_CUTS} AS _cut GROUP BY entity, _level, _block"
        )
    merged = ", ".join(f"{h.part.value}({h.name}) AS {h.name}" for h in extremes)
    return (
        f"SELECT entity, _level, _block, {merged} FROM ({' UNION ALL '.join(selects)}) "
        f"GROUP BY entity, _level, _block"
    )


# The blocks [b * 2^k, (b + 1) * 2^k) that make up [lo, hi): at level k, with l = ceil(lo / 2^k) and
# r = floor(hi / 2^k), block l where l is odd, and block r - 1 where r is odd, while l < r.
_LEFT = "bitShiftRight(lo + bitShiftLeft(toUInt64(1), k) - 1, k)"
_RIGHT = "bitShiftRight(hi, k)"
_CUTS = (
    "arrayFilter(c -> c.3 = 1, arrayFlatten(arrayMap(k -> ["
    f"(k, {_LEFT}, {_LEFT} < {_RIGHT} AND {_LEFT} % 2 = 1), "
    f"(k, {_RIGHT} - 1, {_LEFT} < {_RIGHT} AND {_RIGHT} % 2 = 1)], "
    "range(0, toUInt64(ceil(log2(hi - lo + 1))) + 1))))"
)


def _nothing(plan: GroupPlan, part: Held) -> str:
    assert part.argument is not None
    return typed("NULL", plan.arguments[part.argument].type)


def _feature(plan: GroupPlan, aggregate: PlannedAggregate) -> str:
    columns = {
        part: Held(part, aggregate.argument, aggregate.window).name for part in OPERATIONS[aggregate.op].parts
    }
    return typed(_FEATURES[aggregate.op](plan, aggregate, columns), aggregate.type)


def _count(_: GroupPlan, __: PlannedAggregate, columns: dict[Part, str]) -> str:
    return f"toInt64({columns[Part.COUNT]})"


def _exact(total: str) -> str:
    """Round a 128-bit integer to the nearest double: through 64 bits where it fits, as hardware rounds."""
    fits = f"{total} BETWEEN -9223372036854775808 AND 9223372036854775807"
    return f"if({fits}, toFloat64(toInt64({total})), toFloat64({total}))"


def _sum(plan: GroupPlan, aggregate: PlannedAggregate, columns: dict[Part, str]) -> str:
    assert aggregate.argument is not None
    if plan.arguments[aggregate.argument].type is DataType.DOUBLE:
        return f"{_exact(columns[Part.SUM])} / 1e{SCALE}"
    return f"toInt64({columns[Part.SUM]})"


def _mean(plan: GroupPlan, aggregate: PlannedAggregate, columns: dict[Part, str]) -> str:
    assert aggregate.argument is not None
    total = _exact(columns[Part.SUM])
    if plan.arguments[aggregate.argument].type is DataType.DOUBLE:
        total = f"({total} / 1e{SCALE})"
    return f"{total} / nullIf(toFloat64(toInt64({columns[Part.COUNT]})), 0)"


def _last(plan: GroupPlan, aggregate: PlannedAggregate, columns: dict[Part, str]) -> str:
    name = columns[Part.LAST]
    inside = f"{name}_any"
    if aggregate.window is not None:
        span = plan.windows[aggregate.window]
        inside += f" AND {_tile(f'{name}.2', span.hop)} + {span.hop + span.size} > _t"
    return f"if({inside}, {name}.1, NULL)"


_FEATURES = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "share": _mean,
    "min": lambda _, __, columns: columns[Part.MIN],
    "max": lambda _, __, columns: columns[Part.MAX],
    "last": _last,
}
