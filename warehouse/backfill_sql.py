"""A plan's rows in ClickHouse SQL: set-based, exact with late events, n log n in the events.

`gather` gives the events, by slices of entities; `number` numbers those of a slice. `moments` gives their
arrivals and the boundaries at which a tile leaves (`warehouse.boundaries`), `stage` the rows, with the parts
that run (`warehouse.running`). `rows` adds those that are read from blocks (`warehouse.blocks`) or decay
(`warehouse.decays`), and gives the features (`warehouse.readings`). No window join, whatever the size.
"""

from collections.abc import Sequence

from features.plan import GroupPlan
from warehouse.blocks import picked
from warehouse.boundaries import amounts, departures, ranked
from warehouse.decays import decayed
from warehouse.dialect import CLICKHOUSE, column, typed
from warehouse.events import LOG_ORDER, events
from warehouse.extremes import NEVER
from warehouse.parts import Kept, amount
from warehouse.readings import conversions, feature, held
from warehouse.running import run, running


def gather(plan: GroupPlan, since: int, until: int, slices: int) -> str:
    """Select the group's events with T in [since, until) (ms), each with the slice of its entity."""
    return f"SELECT cityHash64(entity) % {slices} AS _slice, * FROM ({events(plan, since, until)})"


def fits(plan: GroupPlan, events: str) -> str:
    """Ask whether no running sum of these events can leave 64 bits, and how many events they are.

    None can where all amounts together fit.
    """
    sums = [h for h in held(plan) if h.kept is Kept.SUM]
    largest = [f"sum(abs({amount(plan, h, 'Int128')})) < {2**63}" for h in sums]
    return f"SELECT {' AND '.join(largest) or '1'}, count() FROM {events}"


def looks_back(plan: GroupPlan) -> bool:
    """Tell whether parts are read from blocks of rows or decay, for which the rows must be kept."""
    return any(h.in_blocks or h.decays for h in held(plan))


def number(plan: GroupPlan, gathered: str) -> str:
    """Select gathered events with a number for their entity and one for their place, in the order of both.

    Numbers are sorted and compared in a fraction of the time that texts take.
    """
    arguments = "".join(f", _a{i}" for i in range(len(plan.arguments)))
    columns = f"entity, {LOG_ORDER}, _ts{arguments}"
    entities = f"SELECT DISTINCT entity FROM {gathered}"
    return (
        f"SELECT _entity, toInt64(_row + 1) AS _order, {columns} FROM (SELECT {columns}, "
        f"rowNumberInAllBlocks() AS _row FROM (SELECT * FROM {gathered} ORDER BY entity, {LOG_ORDER})) AS g "
        "INNER JOIN (SELECT entity, toUInt32(row_number() OVER (ORDER BY entity)) AS _entity "
        f"FROM ({entities})) AS e USING (entity) "
        "SETTINGS max_threads = 1"  # one row after the other is counted
    )


def cuts(events: str, most: int) -> str:
    """Ask which entities have more than `most` numbered events, and at which `_t` to cut them."""
    long = f"SELECT _entity, min(_order) AS _from FROM {events} GROUP BY _entity HAVING count() > {most}"
    return (
        f"SELECT _entity, arraySort(groupUniqArray(_t)) FROM {events} INNER JOIN ({long}) AS l "
        f"USING (_entity) WHERE _order > _from AND (_order - _from) % {most} = 0 "
        "GROUP BY _entity ORDER BY _entity"
    )


def stretch(found: Sequence[tuple[int, Sequence[int]]]) -> str:
    """Give the SQL that tells which of its entity's stretches a moment is in, by what `cuts` found."""
    each = "".join(
        f"_entity = {entity}, arrayCount(c -> c <= _t, {list(moments)}), " for entity, moments in found
    )
    return f"toUInt32({f'multiIf({each}0)' if found else 0})"


def moments(
    plan: GroupPlan, events: str, until: int, integer: str = "Int128", stretch: str = "toUInt32(0)"
) -> str:
    """Select what changes windows, out of numbered events: arrivals, and boundaries before `until` (ms).

    Gives the entity's number, the stretch, `_t`, `_order` among what is at one moment, above 0 for events,
    the window of a boundary, the event's place and `_ts`, its arguments, and a column for each amount and
    extreme; counts and sums as `integer`.
    """
    parts = held(plan)
    arrivals = [
        "_entity, _t, _order, toInt16(-1) AS _window, _topic, _partition, _offset, _ts",
        *(f"_a{i}" for i in range(len(plan.arguments))),
        *(f"{amount(plan, h, integer)} AS {name}" for name, h in amounts(parts).items()),
        *(f"{NEVER} AS {name}" for name in ranked(parts)),
    ]
    left = (departures(plan, events, w, until, integer, parts) for w in range(len(plan.windows)))
    every = " UNION ALL ".join([f"SELECT {', '.join(arrivals)} FROM {events}", *left])
    return f"SELECT *, {stretch} AS _stretch FROM ({every})"


def stage(plan: GroupPlan, changes: str, events: str, integer: str = "Int128", *, cut: bool = False) -> str:
    """Select the rows with their parts, out of moments and of numbered events, which name the entities.

    `cut` says that there are entities of several stretches. What looks back on rows is missing.
    """
    parts = held(plan)
    others = [
        "_entity, _t, _order, _order > 0 AS _kind, _topic, _partition, _offset, _ts",
        *dict.fromkeys(h.value for h in parts if h.argument is not None and (h.in_blocks or h.decays)),
        "row_number() OVER w = rank() OVER w AS _first",  # windows that share a boundary share its row
    ]
    return (
        "SELECT * EXCEPT (_entity, _stretch, _order, _first) "
        f"FROM ({run(running(plan, parts, integer), others, changes, cut=cut)}) AS r "
        f"INNER JOIN (SELECT DISTINCT _entity, entity FROM {events}) AS e USING (_entity) "
        "WHERE _first AND _order >= 0"
    )


def rows(plan: GroupPlan, staged: str, since: int, until: int, integer: str = "Int128") -> str:
    """Select the group's rows with `event_timestamp` in [since, until) from staged rows, sums as `integer`.

    Staged is a table, or a query in parentheses where nothing looks back on rows.
    """
    source, among = staged, f"_t >= {since} AND _t < {until}"
    parts = held(plan)
    blocks = [h for h in parts if h.in_blocks]
    if blocks:
        names = ", ".join(f"x.{h.name} AS {h.name}" for h in blocks)
        found = picked(plan, staged, blocks, among)
        source = f"(SELECT s.*, {names} FROM {staged} AS s LEFT JOIN ({found}) AS x USING (entity, seq))"
    for h in parts:
        if h.decays:
            joined = f"{source} AS s INNER JOIN ({decayed(plan, staged, h, among)}) AS x USING (entity, seq)"
            source = f"(SELECT s.*, x.{h.name} AS {h.name} FROM {joined})"
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
        f"FROM (WITH {conversions(integer)} SELECT *, {aggregates} FROM {source} "
        f"WHERE {among}) "
        "SETTINGS join_use_nulls = 1"
    )
