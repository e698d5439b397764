"""A plan's rows in ClickHouse SQL: set-based, exact with late events, n log n in the events.

`stage` gives the rows, a boundary at which a tile leaves among them, with the parts that run
(`warehouse.parts`); `rows` adds those that are read from blocks (`warehouse.blocks`), and gives the
features (`warehouse.readings`). No window join, whatever the size.
"""

from features.plan import GroupPlan
from warehouse.blocks import picked
from warehouse.dialect import CLICKHOUSE, column, typed
from warehouse.events import events
from warehouse.parts import Kept, delta, latest, leaves, leaving, running
from warehouse.readings import AS_DOUBLE, feature, held

_FRAME = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"


def stage(plan: GroupPlan, until: int) -> str:
    """Select the rows with their parts, but without those that are read from blocks."""
    parts = held(plan)
    totals = [h for h in parts if h.total]
    arguments = [f"_a{i}" for i in range(len(plan.arguments))]
    arrivals = [
        "entity, _t, 1 AS _kind, _topic, _partition, _offset, _ts",
        *arguments,
        *(f"{delta(plan, h)} AS _d{h.name}" for h in totals),
    ]
    selected = [
        "entity",
        "_t",
        "row_number() OVER w AS seq",
        "_kind, _topic, _partition, _offset, _ts",
        "max(_ts) OVER w AS _last_ts",
        *dict.fromkeys(h.value for h in parts if h.in_blocks),
        *(f"sum(_d{h.name}) OVER w AS {h.name}" for h in totals),
        *(running(h) for h in parts if h.running),
        *(latest(plan, h) for h in parts if h.kept is Kept.LAST),
    ]
    union = f"SELECT {', '.join(arrivals)} FROM _events"
    if plan.windows:
        boundaries = ", ".join(f"({i}, {leaves(plan, i)})" for i in range(len(plan.windows)))
        departures = [
            "entity, _left.2, 0, '', -1, -1, min(_ts)",
            *(typed("NULL", a.type) for a in plan.arguments),
            *(leaving(plan, h) for h in totals),
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
    source, among = f"SELECT * FROM {staged}", f"_t >= {since} AND _t < {until}"
    blocks = [h for h in held(plan) if h.in_blocks]
    if blocks:
        names = ", ".join(f"x.{h.name} AS {h.name}" for h in blocks)
        found = picked(plan, staged, blocks, among)
        source = f"SELECT s.*, {names} FROM {staged} AS s LEFT JOIN ({found}) AS x USING (entity, seq)"
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
