"""Augury's expressions in Flink SQL. A timestamp is a BIGINT of milliseconds there."""

from features.expressions import patterns
from features.expressions.tree import STANDARD, Call, Column, Dialect, Literal, case, function, infix, quote
from features.types import MAX_TIME, MIN_TIME, DataType

TYPES = {
    DataType.INTEGER: "BIGINT",
    DataType.DOUBLE: "DOUBLE",
    DataType.BOOLEAN: "BOOLEAN",
    DataType.TEXT: "STRING",
    DataType.TIMESTAMP: "BIGINT",
}
FUNCTIONS = {
    "augury_hash_bucket": "io.augury.streams.HashBucket",
    "augury_sqrt": "io.augury.streams.Numbers$Sqrt",
    "augury_ln": "io.augury.streams.Numbers$Ln",
    "augury_log10": "io.augury.streams.Numbers$Log10",
    "augury_exp": "io.augury.streams.Numbers$Exp",
    "augury_power": "io.augury.streams.Numbers$Power",
    "augury_sin": "io.augury.streams.Numbers$Sin",
    "augury_cos": "io.augury.streams.Numbers$Cos",
    "augury_atan2": "io.augury.streams.Numbers$Atan2",
}
"""The functions of the operator's jar that the SQL names, with their classes: a job registers them."""

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


def _matches(value: str, regex: str) -> str:
    whole = rf"\A(?s:{regex})\z"
    return f"REGEXP({value}, {quote(whole)})"


def _like(call: Call, arguments: list[str]) -> str:
    pattern = call.arguments[1]  # in Flink's own LIKE `_` does not stand for a line break
    assert isinstance(pattern, Literal)
    return _matches(arguments[0], patterns.regex(str(pattern.value)))


def _substring(_: Call, arguments: list[str]) -> str:
    value, *bounds = arguments
    inside = " AND ".join(f"{b} >= {least}" for b, least in zip(bounds, (1, 0), strict=False))
    narrow = ", ".join(f"CAST(LEAST({b}, CAST(1073741823 AS BIGINT)) AS INT)" for b in bounds)
    return f"CASE WHEN {inside} THEN SUBSTRING({value}, {narrow}) END"


def _round(_: Call, arguments: list[str]) -> str:
    # Flink's own rounds the decimal text. From 2^52 on a double is whole, so the sum rounds half to even.
    (x,), whole = arguments, "4503599627370496E0"
    up = f"WHEN {x} > 0E0 AND {x} < {whole} THEN ({x} + {whole}) - {whole}"
    down = f"WHEN {x} < 0E0 AND {x} > -{whole} THEN - (({whole} - {x}) - {whole})"  # -0.3 becomes -0.0
    return f"CASE {up} {down} ELSE {x} END"


def _cast(call: Call, arguments: list[str]) -> str:
    value, source = arguments[0], call.arguments[0].type
    match source, call.type:
        case DataType.TEXT, DataType.INTEGER:
            number = f"TRY_CAST({value} AS DECIMAL(19, 0))"
            inside = f"{number} BETWEEN -9223372036854775808 AND 9223372036854775807"
            condition = f"{_matches(value, patterns.INTEGER)} AND {inside}"
            return f"CASE WHEN {condition} THEN CAST({number} AS BIGINT) END"
        case DataType.TEXT, _:
            number = f"TRY_CAST({value} AS DOUBLE)"
            inside = f"{number} BETWEEN -1.7976931348623157E308 AND 1.7976931348623157E308"
            return f"CASE WHEN {_matches(value, patterns.NUMBER)} AND {inside} THEN {number} END"
        case DataType.INTEGER, DataType.TIMESTAMP:
            return f"CASE WHEN {value} BETWEEN {MIN_TIME} AND {MAX_TIME} THEN {value} END"
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
    held = f"CASE WHEN {arguments[0]} BETWEEN {MIN_TIME} AND {MAX_TIME} THEN"
    if part == "millisecond":
        return f"{held} MOD(MOD({arguments[0]}, 1000) + 1000, 1000) END"
    utc = f"CAST(TO_TIMESTAMP_LTZ({arguments[0]}, 3) AS STRING)"  # the session's zone is UTC
    local = f"CAST(CONVERT_TZ(SUBSTRING({utc}, 1, 19), 'UTC', {quote(zone)}) AS TIMESTAMP(0))"
    # Flink rounds what lies before 1970 towards it; the calendar repeats itself every 400 years.
    later = f"TIMESTAMPADD(YEAR, 400, {local})"
    less = {"year": 400, "dow": 1}.get(part, 0)  # Sunday is 1 in Flink, 0 here
    found = f"EXTRACT({part.upper()} FROM {later}) - CAST({less} AS BIGINT)"
    return f"{held} {found} END"


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
        "like": _like,
        "length": lambda _, a: f"CAST(CHAR_LENGTH({a[0]}) AS BIGINT)",
        "trim": lambda _, a: f"TRIM(BOTH ' ' FROM {a[0]})",
        "ltrim": lambda _, a: f"TRIM(LEADING ' ' FROM {a[0]})",
        "rtrim": lambda _, a: f"TRIM(TRAILING ' ' FROM {a[0]})",
        "substring": _substring,
        "replace": lambda _, a: (
            f"CASE WHEN {a[1]} = '' AND {a[2]} IS NOT NULL THEN {a[0]} ELSE REPLACE({', '.join(a)}) END"
        ),
        "starts_with": function("STARTSWITH"),
        "ends_with": function("ENDSWITH"),
        "strpos": lambda _, a: f"CAST(POSITION({a[1]} IN {a[0]}) AS BIGINT)",
        "hash_bucket": function("augury_hash_bucket"),
        "round": _round,
        "sqrt": function("augury_sqrt"),
        "ln": function("augury_ln"),
        "log10": function("augury_log10"),
        "exp": function("augury_exp"),
        "power": function("augury_power"),
        "sin": function("augury_sin"),
        "cos": function("augury_cos"),
        "atan2": function("augury_atan2"),
        "extract": _extract,
    },
)
