"""A plan's rows in ClickHouse SQL: set-based, exact with late events, n log n in the events.

`gather` gives the events, by slices of entities. `stage` gives the rows of gathered events, a boundary at
which a tile leaves among them, with the parts that run (`warehouse.parts`, `warehouse.boundaries`); `rows`
adds those that are read from blocks (`warehouse.blocks`), and gives the features (`warehouse.readings`).
No window join, whatever the size.
"""

from features.plan import GroupPlan
from warehouse.blocks import picked
from warehouse.boundaries import departures
from warehouse.decays import decayed
from warehouse.dialect import CLICKHOUSE, column, typed
from warehouse.events import events
from warehouse.extremes import NEVER, since_boundary
from warehouse.parts import Kept, amount, delta, latest, running
from warehouse.readings import AS_DOUBLE, feature, held

_FRAME = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
_PEERS = "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"  # all that stands at the same moment


def gather(plan: GroupPlan, since: int, until: int, slices: int) -> str:
    """Select the group's events with T in [since, until) (ms), each with the slice of its entity."""
    return f"SELECT cityHash64(entity) % {slices} AS _slice, * FROM ({events(plan, since, until)})"


def fits(plan: GroupPlan, gathered: str) -> str:
    """Ask whether no running sum of these events can leave 64 bits: whether all amounts together fit."""
    sums = [h for h in held(plan) if h.kept is Kept.SUM]
    if not sums:
        return "SELECT 1"
    largest = [f"sum(abs({amount(plan, h, 'Int128')})) < {2**63}" for h in sums]
    return f"SELECT {' AND '.join(largest)} FROM {gathered}"


def stage(plan: GroupPlan, gathered: str, until: int, integer: str = "Int128") -> str:
    """Select the rows with `event_timestamp` before `until` (ms) with their parts, out of gathered events.

    Counts and sums are kept as `integer`. A window's smallest and greatest value is as its last boundary
    left it; what is read from blocks is missing.
    """
    parts = held(plan)
    totals = [h for h in parts if h.total]
    extremes = [h for h in parts if h.extreme]
    arrivals = [
        "entity, _t, 1 AS _kind, _topic, _partition, _offset, _ts",
        *(f"_a{i}" for i in range(len(plan.arguments))),
        *(f"{delta(plan, h, integer)} AS _d{h.name}" for h in totals),
        *(f"{NEVER} AS _d{h.name}" for h in extremes),
    ]
    moments = [
        f"SELECT {', '.join(arrivals)} FROM {gathered}",
        *(departures(plan, gathered, w, until, integer, parts) for w in range(len(plan.windows))),
    ]
    selected = [
        "entity",
        "_t",
        "dense_rank() OVER w AS seq",
        "_kind, _topic, _partition, _offset, _ts",
        "max(_ts) OVER w AS _last_ts",
        *dict.fromkeys(
            h.value
            for h in parts
            if h.extreme or h.in_blocks or h.kept is Kept.LAST or (h.decays and h.argument is not None)
        ),
        *(f"sum(_d{h.name}) OVER w AS {h.name}" for h in totals),
        *(f"max(_d{h.name}) OVER w AS {h.name}" for h in extremes),
        *(running(h) for h in parts if h.running),
        "row_number() OVER w = rank() OVER w AS _first",  # windows that share a boundary share its row
    ]
    return (
        f"SELECT * EXCEPT (_first) FROM (SELECT {', '.join(selected)} FROM ({' UNION ALL '.join(moments)}) "
        f"WINDOW w AS (PARTITION BY entity ORDER BY _t, _kind, _topic, _partition, _offset {_PEERS})) "
        "WHERE _first"
    )


def rows(plan: GroupPlan, staged: str, since: int, until: int) -> str:
    """Select the group's rows with `event_timestamp` in [since, until) from the staged table."""
    source, among = f"SELECT * FROM {staged}", f"_t >= {since} AND _t < {until}"
    parts = held(plan)
    again = [since_boundary(plan, h) for h in parts if h.extreme]
    again += [latest(plan, h) for h in parts if h.kept is Kept.LAST]
    if again:
        frame = f"WINDOW w AS (PARTITION BY entity ORDER BY seq {_FRAME})"
        source = f"SELECT *, {', '.join(again)} FROM {staged} {frame}"
    blocks = [h for h in parts if h.in_blocks]
    if blocks:
        names = ", ".join(f"x.{h.name} AS {h.name}" for h in blocks)
        found = picked(plan, staged, blocks, among)
        source = f"SELECT s.*, {names} FROM ({source}) AS s LEFT JOIN ({found}) AS x USING (entity, seq)"
    for h in parts:
        if h.decays:
            found = decayed(plan, staged, h, among)
            joined = f"({source}) AS s INNER JOIN ({found}) AS x USING (entity, seq)"
            source = f"SELECT s.*, x.{h.name} AS {h.name} FROM {joined}"
    aggregates = ", ".join(f"{feature(plan, a)} AS {column(a.name)}" for a in plan.aggregates)
    derived = "".join(
        f", {typed(CLICKHOUSE.render(d.expression), d.type)} AS {column(d.name)}" for d in plan.derived
    )
    names = ", ".join(column(a.name) for a in plan.aggregates)
    return (
        "SELECT entity, fromUnixTimestamp64Milli(_t, 'UTC') AS event_timestamp, "
        "fromUnixTimestamp64Milli(_last_ts, 'UTC') AS last_event_time, seq, "
        "if(_kind = 1, _topic, NULL) AS topic, if(_kind = 1, _partition, NULL) AS partition, "
        f"if(_kind = 1, _offset, NULL) AS offset, {names}{derived} "
        f"FROM (WITH {AS_DOUBLE} SELECT *, {aggregates} FROM ({source}) "
        f"WHERE {among}) "
        "SETTINGS join_use_nulls = 1"
    )
