"""A plan's rows in ClickHouse SQL: set-based, exact with late events, linear in the events.

An event counts in a window from its arrival until the clock reaches the boundary at which its tile
leaves. So every total is one running sum, in the order of the clock, over the events and, with the
opposite sign, over the boundaries; and a boundary is a decay row. No window join, whatever the size.

Smallest and greatest values cannot be subtracted. But between two boundaries of a window nothing leaves
it: a row's value is the greater of what the last boundary left and what has arrived since. What a boundary
leaves is read from tiles, not from events, so it is cheap however many events an entity has.
"""

from dataclasses import dataclass

from features.aggregates import OPERATIONS, Part
from features.plan import SCALE, GroupPlan, PlannedAggregate
from features.types import DataType
from warehouse.dialect import CLICKHOUSE, column, typed
from warehouse.events import events

_FRAME = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
_PEERS = "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"  # all that stands at the same moment
_HALF = f"toInt128('{2**64}')"
_TOP = f"toUInt64({2**63})"
_NEVER = f"toInt128('{-(2**60) * 2**64}')"  # packed: before all moments, no value


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


def gather(plan: GroupPlan, table: str, since: int, until: int, slices: int) -> str:
    """Select the group's events with T in [since, until) (ms), each with the slice of its entity."""
    return f"SELECT cityHash64(entity) % {slices} AS _slice, * FROM ({events(plan, table, since, until)})"


def fits(plan: GroupPlan, gathered: str) -> str:
    """Ask whether no running total of these events can leave 64 bits: whether all amounts together fit."""
    sums = dict.fromkeys(h for h in held(plan) if h.part is Part.SUM)
    largest = [f"sum(abs({_amount(plan, h, 'Int128')})) < {2**63}" for h in sums]
    return f"SELECT {' AND '.join(largest) or '1'} FROM {gathered}"


def stage(plan: GroupPlan, gathered: str, until: int, integer: str = "Int128") -> str:
    """Select the rows with `event_timestamp` before `until` (ms) with their parts, out of gathered events.

    Totals are kept as `integer`. A window's smallest and greatest value is as its last boundary left it.
    """
    parts = held(plan)
    totals = [h for h in parts if h.part in (Part.COUNT, Part.SUM)]
    running = [h for h in parts if _extreme(h) and h.window is None]
    extremes = [h for h in parts if _extreme(h) and h.window is not None]
    arrivals = [
        "entity, _t, 1 AS _kind, _topic, _partition, _offset, _ts",
        *(f"_a{i}" for i in range(len(plan.arguments))),
        *(f"{_delta(plan, h, integer)} AS _d{h.name}" for h in totals),
        *(f"{_NEVER} AS _d{h.name}" for h in extremes),
    ]
    moments = [
        f"SELECT {', '.join(arrivals)} FROM {gathered}",
        *(
            _departures(plan, gathered, window, until, integer, totals, extremes)
            for window in range(len(plan.windows))
        ),
    ]
    selected = [
        "entity",
        "_t",
        "dense_rank() OVER w AS seq",
        "_kind, _topic, _partition, _offset, _ts",
        "max(_ts) OVER w AS _last_ts",
        *dict.fromkeys(_value(h) for h in parts if _extreme(h) or h.part is Part.LAST),
        *(f"sum(_d{h.name}) OVER w AS {h.name}" for h in totals),
        *(f"{h.part.value}({_value(h)}) OVER w AS {h.name}" for h in running),
        *(f"max(_d{h.name}) OVER w AS {h.name}" for h in extremes),
        "row_number() OVER w = rank() OVER w AS _first",  # windows that share a boundary share its row
    ]
    return (
        f"SELECT * EXCEPT (_first) FROM (SELECT {', '.join(selected)} FROM ({' UNION ALL '.join(moments)}) "
        f"WINDOW w AS (PARTITION BY entity ORDER BY _t, _kind, _topic, _partition, _offset {_PEERS})) "
        "WHERE _first"
    )


def rows(plan: GroupPlan, staged: str, since: int, until: int) -> str:
    """Select the group's rows with `event_timestamp` in [since, until) from the staged table."""
    parts = held(plan)
    second = [
        *(_since_boundary(plan, h) for h in parts if _extreme(h) and h.window is not None),
        *(_latest(plan, h) for h in parts if h.part is Part.LAST),
    ]
    source = f"SELECT * FROM {staged}"
    if second:
        again = ", ".join(second)
        source = f"SELECT *, {again} FROM {staged} WINDOW w AS (PARTITION BY entity ORDER BY seq {_FRAME})"
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
        f"FROM (SELECT *, {aggregates} FROM ({source}) WHERE _t >= {since} AND _t < {until})"
    )


def _tile(ts: str, hop: int) -> str:
    return f"({ts} - positiveModulo({ts}, {hop}))"


def _leaves(plan: GroupPlan, window: int) -> str:
    span = plan.windows[window]
    return f"{_tile('_ts', span.hop)} + {span.hop + span.size}"


def _value(part: Held) -> str:
    return f"_a{part.argument}"


def _amount(plan: GroupPlan, part: Held, integer: str) -> str:
    """Give what an event adds to a total: one, or its value as a fixed-point integer; 0 where it is NULL."""
    if part.argument is None:
        return f"to{integer}(1)"
    if part.part is Part.COUNT:
        return f"to{integer}(isNotNull({_value(part)}))"
    if plan.arguments[part.argument].type is DataType.DOUBLE:
        return f"to{integer}(ifNull(roundBankers({_value(part)} * 1e{SCALE}), 0))"
    return f"to{integer}(ifNull({_value(part)}, 0))"


def _delta(plan: GroupPlan, part: Held, integer: str) -> str:
    amount = _amount(plan, part, integer)
    if part.window is None:
        return amount
    return f"if({_leaves(plan, part.window)} > _t, {amount}, to{integer}(0))"


def _departures(
    plan: GroupPlan,
    gathered: str,
    window: int,
    until: int,
    integer: str,
    totals: list[Held],
    extremes: list[Held],
) -> str:
    """Select the boundaries of a window: what leaves the totals there, and the extremes that stay.

    A tile's events are prompt where they arrived within the tile. At a boundary at L, a prompt tile is
    complete and inside exactly if it leaves in (L, L + size]; one that was late, if it had arrived by then.
    """
    size, hop = plan.windows[window].size, plan.windows[window].hop
    mine = [h for h in extremes if h.window == window]
    left = {h: f"-sum({_amount(plan, h, integer)})" for h in totals if h.window == window}
    taken = [f"{sql} AS _d{h.name}" for h, sql in left.items()]
    cell = ["entity", f"{_leaves(plan, window)} AS _leave"]
    keys, keep = "entity, _leave", f"_leave > _t AND _leave < {until}"
    stays = dict.fromkeys(extremes, _NEVER)
    frame = ""
    if mine:
        # tiles that leave after `until` are still inside at a boundary before it
        keys, keep = "entity, _leave, _arrived", "_leave > _t"
        cell.append(f"{_tile('_t', hop)} + {hop} AS _arrived")
        taken += [f"max({_rank(plan, h)}) AS _m{h.name}" for h in mine]
        taken.append(f"_leave < _arrived + {size} AS _late")
        frame = (
            f" WINDOW f AS (PARTITION BY entity ORDER BY intDiv(_leave, {hop}) "
            f"RANGE BETWEEN 1 FOLLOWING AND {size // hop} FOLLOWING)"
        )
        for h in mine:
            prompt = f"max(if(_late, 0, _m{h.name})) OVER f"
            late = (
                f"arrayMax((a, m) -> if(a <= _leave, m, 0), "
                f"groupArrayIf(_arrived, _late) OVER f, groupArrayIf(_m{h.name}, _late) OVER f)"
            )
            stays[h] = _packed("_leave", f"greatest({prompt}, {late})")
    selected = [
        f"entity, _leave AS _t, 0, '', -1, -1, _leave - {size + hop}",  # no event of the tile is older
        *(typed("NULL", a.type) for a in plan.arguments),
        *(f"_d{h.name}" if h in left else f"to{integer}(0)" for h in totals),
        *stays.values(),
    ]
    cells = f"SELECT {', '.join([*cell, *taken])} FROM {gathered} WHERE {keep} GROUP BY {keys}"
    found = f"SELECT {', '.join(selected)} FROM ({cells}){frame}"
    return f"SELECT * FROM ({found}) WHERE _t < {until}" if mine else found


def _extreme(part: Held) -> bool:
    return part.part in (Part.MIN, Part.MAX)


def _rank(plan: GroupPlan, part: Held) -> str:
    """Map a value to an unsigned integer that is greatest for the value sought, and 0 for NULL.

    The bits of a double, read as an integer, grow with it where it is positive and fall where it is negative.
    """
    assert part.argument is not None
    bits = f"reinterpretAsUInt64(assumeNotNull({_value(part)}))"
    rank = f"bitXor({bits}, {_TOP})"
    if plan.arguments[part.argument].type is DataType.DOUBLE:
        rank = f"if({bits} < {_TOP}, {rank}, bitNot({bits}))"
    return f"if(isNull({_value(part)}), 0, {rank if part.part is Part.MAX else f'bitNot({rank})'})"


def _ranked(plan: GroupPlan, part: Held, packed: str) -> str:
    """Give the value of a packed rank; NULL where there was none."""
    assert part.argument is not None
    rank = f"toUInt64({packed})"  # the lower half
    ordered = rank if part.part is Part.MAX else f"bitNot({rank})"
    bits = f"bitXor({ordered}, {_TOP})"
    if plan.arguments[part.argument].type is DataType.DOUBLE:
        value = f"reinterpretAsFloat64(if({ordered} < {_TOP}, bitNot({ordered}), {bits}))"
    else:
        value = f"reinterpretAsInt64({bits})"
    return f"if({rank} = 0, NULL, {value})"


def _packed(moment: str, rank: str) -> str:
    """Pack a moment and a rank into one integer that goes by the moment first."""
    return f"(toInt128({moment}) * {_HALF} + {rank})"


def _since_boundary(plan: GroupPlan, part: Held) -> str:
    """Take the greater of what the last boundary left and what has arrived since."""
    assert part.window is not None
    arrived = f"{part.name} - toUInt64({part.name}) + {_rank(plan, part)}"
    counts = f"_kind = 1 AND {_leaves(plan, part.window)} > _t"
    return f"max(if({counts}, greatest({part.name}, {arrived}), {part.name})) OVER w AS {part.name}_now"


def _latest(plan: GroupPlan, part: Held) -> str:
    """Keep the newest admitted value with its ts; whether its tile is still inside is told by each row."""
    counts = f"_kind = 1 AND isNotNull({_value(part)})"
    if part.window is not None:
        counts += f" AND {_leaves(plan, part.window)} > _t"
    return (
        f"argMaxIf(tuple({_value(part)}, _ts), {_packed('_ts', 'seq')}, {counts}) OVER w AS {part.name}, "
        f"countIf({counts}) OVER w > 0 AS {part.name}_any"
    )


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


def _extremum(plan: GroupPlan, aggregate: PlannedAggregate, columns: dict[Part, str]) -> str:
    ((part, name),) = columns.items()
    if aggregate.window is None:
        return name
    return _ranked(plan, Held(part, aggregate.argument, aggregate.window), f"{name}_now")


_FEATURES = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "share": _mean,
    "min": _extremum,
    "max": _extremum,
    "last": _last,
}
