"""A group's events out of its source's table: refusals, dedup, `where` and arguments, in SQL.

The rules are those of the stream, word for word: T orders, dedup comes before `where` and before the
entity, and what the group refuses never reaches a window.
"""

from features.plan import BOUND, GroupPlan, NamedExpression
from features.types import DataType
from warehouse.dialect import CLICKHOUSE, column

LOG_ORDER = "_t, _topic, _partition, _offset"


def milliseconds(expression: str) -> str:
    """Give the SQL of a DateTime64(3) as milliseconds."""
    return f"toUnixTimestamp64Milli({expression})"


def moment(ms: int) -> str:
    """Give the SQL of a moment stated in milliseconds."""
    return f"fromUnixTimestamp64Milli(toInt64({ms}), 'UTC')"


def log(plan: GroupPlan, table: str, since: int, until: int) -> str:
    """Select the source's events with T in [since, until) (ms), each offset once, duplicates dropped."""
    event_id = column(plan.source.event_id)
    columns = ", ".join(column(name) for name in plan.source.columns)
    held = (
        f"SELECT {columns}, {milliseconds('log_time')} AS _t, log_topic AS _topic, "
        f"log_partition AS _partition, log_offset AS _offset "
        f"FROM {table} FINAL "
        f"WHERE log_time >= {moment(since - plan.source.dedup_ms)} AND log_time < {moment(until)}"
    )
    if plan.source.dedup_ms == 0:
        return held
    return (
        f"SELECT * FROM (SELECT *, lagInFrame(toNullable(_t)) OVER "
        f"(PARTITION BY {event_id} ORDER BY {LOG_ORDER} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS _before "
        f"FROM ({held})) WHERE _t >= {since} "
        f"AND (isNull(_before) OR _t - _before >= {plan.source.dedup_ms})"
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


def events(plan: GroupPlan, table: str, since: int, until: int) -> str:
    """Select the group's events with T in [since, until) (ms).

    Gives entity, `_ts`, place in the log, and the arguments `_a0`, `_a1`, ...
    """
    arguments = [_argument(a) for a in plan.arguments]
    happened = f"assumeNotNull({column(plan.source.event_time)})"  # the sink lets none be NULL
    ts = f"least({milliseconds(happened)}, _t)"
    named = "".join(f", {sql} AS _a{i}" for i, sql in enumerate(arguments))
    keep = "1" if plan.where is None else f"({CLICKHOUSE.render(plan.where)}) = 1"
    entity = entity_text([(k, plan.source.columns[k]) for k in plan.keys])
    fits = [
        f"(isNull(_a{i}) OR abs(_a{i}) <= {BOUND})"  # NaN is not <= anything
        for i, a in enumerate(plan.arguments)
        if a.type.numeric
    ]
    values = "".join(f", _a{i}" for i in range(len(arguments)))
    return (
        f"SELECT assumeNotNull(_entity) AS entity, _ts, {LOG_ORDER}{values} "
        f"FROM (SELECT {entity} AS _entity, {ts} AS _ts, {LOG_ORDER}{named} "
        f"FROM ({log(plan, table, since, until)}) WHERE {keep}) "
        f"WHERE {' AND '.join(['isNotNull(_entity)', *fits])}"
    )


def _argument(argument: NamedExpression) -> str:
    sql = CLICKHOUSE.render(argument.expression)
    return f"({sql} + 0.)" if argument.type is DataType.DOUBLE else sql  # makes -0.0 a zero
