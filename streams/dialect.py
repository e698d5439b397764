"""Augury's expressions in Flink SQL. A timestamp is a BIGINT of milliseconds there."""

from features.expressions.tree import STANDARD, Call, Column, Dialect, Literal, case, function, infix, quote
from features.types import MAX_TIME, MIN_TIME, DataType

TYPES = {
    DataType.INTEGER: "BIGINT",
    DataType.DOUBLE: "DOUBLE",
    DataType.BOOLEAN: "BOOLEAN",
    DataType.TEXT: "STRING",
    DataType.TIMESTAMP: "BIGINT",
}
_LETTERS = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def _literal(literal: Literal) -> str:
    if literal.value is None:
        return f"CAST(NULL AS {TYPES[literal.type]})"
    if isinstance(literal.value, str):
        return quote(literal.value)
    if isinstance(literal.value, bool):
        return str(literal.value).upper()
    if literal.type is DataType.INTEGER:
        return f"CAST({literal.value} AS BIGINT)"
    return f"CAST('{literal.value!r}' AS DOUBLE)"  # a text is read exactly; a literal is a decimal first


def _cast(call: Call, arguments: list[str]) -> str:
    value, source = arguments[0], call.arguments[0].type
    match source, call.type:
        case DataType.DOUBLE, _:
            inside = f"{value} >= -9223372036854775808E0 AND {value} < 9223372036854775808E0"
            return f"CASE WHEN {inside} THEN CAST({value} AS BIGINT) END"
        case DataType.BOOLEAN, DataType.INTEGER:
            return f"CASE WHEN {value} THEN CAST(1 AS BIGINT) WHEN NOT {value} THEN CAST(0 AS BIGINT) END"
        case DataType.BOOLEAN, _:
            return f"CASE WHEN {value} THEN 'true' WHEN NOT {value} THEN 'false' END"
        case _:
            return f"CAST({value} AS {TYPES[call.type]})"


def _extract(call: Call, arguments: list[str]) -> str:
    part, zone = call.option
    utc = f"CAST(TO_TIMESTAMP_LTZ({arguments[0]}, 3) AS STRING)"  # the session's zone is UTC
    local = f"CAST(CONVERT_TZ(SUBSTRING({utc}, 1, 19), 'UTC', {quote(zone)}) AS TIMESTAMP(0))"
    # Flink rounds what lies before 1970 towards it; the calendar repeats itself every 400 years.
    later = f"TIMESTAMPADD(YEAR, 400, {local})"
    less = {"year": 400, "dow": 1}.get(part, 0)  # Sunday is 1 in Flink, 0 here
    found = f"EXTRACT({part.upper()} FROM {later}) - CAST({less} AS BIGINT)"
    return f"CASE WHEN {arguments[0]} BETWEEN {MIN_TIME} AND {MAX_TIME} THEN {found} END"


def column(name: str) -> str:
    """Quote a column's name."""
    return f"`{name}`"


def _column(node: Column) -> str:
    return column(node.name)


FLINK = Dialect(
    column=_column,
    literal=_literal,
    operations={
        **STANDARD,
        "div": lambda _, a: f"({a[0]} / NULLIF({a[1]}, 0E0))",
        "mod": lambda _, a: f"MOD({a[0]}, NULLIF({a[1]}, CAST(0 AS BIGINT)))",
        "is_null": lambda _, a: f"({a[0]} IS NULL)",
        "case": case,
        "coalesce": function("COALESCE"),
        "cast": _cast,
        "abs": function("ABS"),
        "floor": function("FLOOR"),
        "ceil": function("CEIL"),
        "lower": lambda _, a: f"TRANSLATE({a[0]}, '{_LETTERS[0]}', '{_LETTERS[1]}')",
        "upper": lambda _, a: f"TRANSLATE({a[0]}, '{_LETTERS[1]}', '{_LETTERS[0]}')",
        "concat": infix("||"),
        "extract": _extract,
    },
)
