"""A group's events out of its sources' tables: refusals, dedup, lookups, `where` and arguments, in SQL.

The rules are those of the stream, word for word: T orders, dedup comes before `where` and before the
entity, and what the group refuses never reaches a window.
"""

from collections.abc import Mapping

from features.inputs import LookupPlan, SourcePlan
from features.plan import GroupPlan, NamedExpression
from features.types import DataType
from warehouse.dialect import CLICKHOUSE, column, typed

LOG_ORDER = "_t, _topic, _partition, _offset"


def milliseconds(expression: str) -> str:
    """Give the SQL of a DateTime64(3) as milliseconds."""
    return f"toUnixTimestamp64Milli({expression})"


def moment(ms: int) -> str:
    """Give the SQL of a moment stated in milliseconds."""
    return f"fromUnixTimestamp64Milli(toInt64({ms}), 'UTC')"


def log(source: SourcePlan, columns: Mapping[str, str], since: int | None, until: int) -> str:
    """Select a source's events with T in [since, until) (ms), each offset once, duplicates dropped.

    `since` None is the beginning of the log. Gives the columns, each named and taken from one of the source,
    `_ts` and the place in the log.
    """
    event_id = _own(source.event_id)
    named = "".join(f", {_own(of)} AS {column(name)}" for name, of in columns.items())
    places = f"{LOG_ORDER}{''.join(f', {column(name)}' for name in columns)}"
    happened = milliseconds(f"assumeNotNull({_own(source.event_time)})")  # the sink lets none be NULL
    # as much before as may hold what makes an event a duplicate
    begun = "" if since is None else f"log_time >= {moment(since - source.dedup_ms)} AND "
    after = "" if since is None else f"_t >= {since} AND "
    held = (
        f"SELECT {milliseconds('log_time')} AS _t, log_topic AS _topic, log_partition AS _partition, "
        f"log_offset AS _offset, least({happened}, _t) AS _ts, "
        f"{event_id} AS _id{named} FROM {column(source.name)} AS _s FINAL "
        f"WHERE {begun}log_time < {moment(until)}"
    )
    if source.dedup_ms == 0:
        return f"SELECT _ts, {places} FROM ({held})"
    return (
        f"SELECT _ts, {places} FROM (SELECT *, lagInFrame(toNullable(_t)) OVER "
        f"(PARTITION BY _id ORDER BY {LOG_ORDER} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS _before "
        f"FROM ({held})) WHERE {after}(isNull(_before) OR _t - _before >= {source.dedup_ms})"
    )


def _own(name: str) -> str:
    return f"_s.{column(name)}"  # qualified, for an alias would hide a column of its name


def found(plan: GroupPlan, since: int, until: int) -> str:
    """Select the events of all sources of the group, with what its lookups found for them.

    What is looked up may have come at any time before `until`.
    """
    shared = {name: name for name in plan.shared}
    events = " UNION ALL ".join(log(source, shared, since, until) for source in plan.sources)
    given = list(plan.shared)
    for lookup in plan.lookups:
        events = _look_up(lookup, events, given, until)
        given += [name for name, _ in lookup.columns]
    return events


def _look_up(lookup: LookupPlan, events: str, given: list[str], until: int) -> str:
    """Add to each event the newest values by (ts, log order) that the log held before it, under its key."""
    types = lookup.source.columns
    names = [name for name, _ in lookup.columns]
    mine = {f"_on{i}": column(key) for i, (key, _) in enumerate(lookup.on)}
    theirs = {f"_on{i}": key for i, (_, key) in enumerate(lookup.on)}
    asked = [
        *(f"{sql} AS {key}" for key, sql in mine.items()),
        *(f"{typed('NULL', types[source])} AS {column(name)}" for name, source in lookup.columns),
        *(column(name) for name in given),
    ]
    values = theirs | dict(lookup.columns)
    told = [*mine, *(column(name) for name in names), *("NULL" for _ in given)]
    keys = ", ".join(mine)
    there = " AND ".join(f"isNotNull({key})" for key in theirs)
    newest = f"argMaxIf(tuple({', '.join(column(n) for n in names)}), (_ts, {LOG_ORDER}), _event = 0) OVER w"
    gained = ", ".join(f"_newest.{i} AS {column(name)}" for i, name in enumerate(names, start=1))
    before = ", ".join(column(name) for name in given)
    return (
        f"SELECT _ts, {LOG_ORDER}, {before}, {gained} FROM (SELECT * EXCEPT ({', '.join(names)}), "
        f"{newest} AS _newest "
        f"FROM (SELECT 1 AS _event, _ts, {LOG_ORDER}, {', '.join(asked)} FROM ({events}) "
        f"UNION ALL SELECT 0, _ts, {LOG_ORDER}, {', '.join(told)} "
        f"FROM ({log(lookup.source, values, None, until)}) WHERE {there}) "
        f"WINDOW w AS (PARTITION BY {keys} ORDER BY {LOG_ORDER} "
        f"ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) WHERE _event = 1"
    )


def entity_text(keys: list[tuple[str, DataType]]) -> str:
    """Give the SQL of an entity's key text; NULL where a key is NULL."""
    parts = []
    for name, data_type in keys:
        plain = column(name)
        if data_type is DataType.TIMESTAMP:
            plain = milliseconds(plain)
        spelled = plain if data_type is DataType.TEXT else f"toString({plain})"
        parts.append(f"replaceAll(replaceAll({spelled}, '\\\\', '\\\\\\\\'), '|', '\\\\|')")
    separated = ", '|', ".join(parts)
    return parts[0] if len(parts) == 1 else f"concat({separated})"


def events(plan: GroupPlan, since: int, until: int) -> str:
    """Select the group's events with T in [since, until) (ms).

    Gives entity, `_ts`, place in the log, and the arguments `_a0`, `_a1`, ...
    """
    arguments = [_argument(a) for a in plan.arguments]
    named = "".join(f", {sql} AS _a{i}" for i, sql in enumerate(arguments))
    keep = "1" if plan.where is None else f"({CLICKHOUSE.render(plan.where)}) = 1"
    entity = entity_text([(k, plan.columns[k]) for k in plan.keys])
    fits = [
        f"(isNull(_a{i}) OR abs(_a{i}) <= {a.bound})"  # NaN is not <= anything
        for i, a in enumerate(plan.arguments)
        if a.type.numeric
    ]
    values = "".join(f", _a{i}" for i in range(len(arguments)))
    return (
        f"SELECT assumeNotNull(_entity) AS entity, _ts, {LOG_ORDER}{values} "
        f"FROM (SELECT {entity} AS _entity, _ts, {LOG_ORDER}{named} "
        f"FROM ({found(plan, since, until)}) WHERE {keep}) "
        f"WHERE {' AND '.join(['isNotNull(_entity)', *fits])}"
    )


def _argument(argument: NamedExpression) -> str:
    sql = CLICKHOUSE.render(argument.expression)
    return f"({sql} + 0.)" if argument.type is DataType.DOUBLE else sql  # makes -0.0 a zero
