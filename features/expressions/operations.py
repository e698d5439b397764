"""The whitelist: which functions an expression may call, and the canonical spelling of each operation."""

from features.expressions.tree import STANDARD, Call, Column, Dialect, Literal, case, function, infix, quote
from features.types import DataType

DATE_PARTS = ("year", "quarter", "month", "day", "dow", "doy", "hour", "minute", "second", "millisecond")

MOST_EXPONENT, LEAST_BASE = 1000.0, 2.2250738585072014e-308
"""What `power` takes: no larger exponent, no smaller base but 0. Beyond, ClickHouse's own is far off."""

CASTS = {
    (DataType.INTEGER, DataType.DOUBLE),
    (DataType.DOUBLE, DataType.INTEGER),  # towards zero; NULL beyond 64 bits
    (DataType.BOOLEAN, DataType.INTEGER),
    (DataType.INTEGER, DataType.TEXT),
    (DataType.BOOLEAN, DataType.TEXT),
    (DataType.TEXT, DataType.INTEGER),  # NULL for what does not read as one, or lies beyond 64 bits
    (DataType.TEXT, DataType.DOUBLE),  # likewise; the nearest double
    (DataType.TIMESTAMP, DataType.INTEGER),  # ms since the epoch
    (DataType.INTEGER, DataType.TIMESTAMP),  # NULL outside the years 1900 to 2299
}


def _literal(literal: Literal) -> str:
    if literal.value is None:
        return f"CAST(NULL AS {literal.type.value.upper()})"
    if isinstance(literal.value, str):
        return quote(literal.value)
    if isinstance(literal.value, bool):
        return str(literal.value).upper()
    return repr(literal.value)


def _neg(call: Call, arguments: list[str]) -> str:
    # what is read as a negative constant is one
    return f"(- ({arguments[0]}))" if isinstance(call.arguments[0], Literal) else f"(- {arguments[0]})"


def _column(column: Column) -> str:
    """Write a column; a qualified one in quotes, for a group may have a word of SQL as its name."""
    if "." not in column.name:
        return column.name
    return ".".join(f'"{part}"' for part in column.name.split("."))


def _extract(call: Call, arguments: list[str]) -> str:
    part, zone = call.option
    return f"EXTRACT({part.upper()} FROM {arguments[0]} AT TIME ZONE {quote(zone)})"


def _cast(call: Call, arguments: list[str]) -> str:
    return f"CAST({arguments[0]} AS {call.type.value.upper()})"


CANONICAL = Dialect(
    column=_column,
    literal=_literal,
    operations={
        **STANDARD,
        "neg": _neg,
        "div": infix("/"),
        "mod": infix("%"),
        "is_null": lambda _, a: f"({a[0]} IS NULL)",
        "case": case,
        "coalesce": function("COALESCE"),
        "cast": _cast,
        "abs": function("ABS"),
        "floor": function("FLOOR"),
        "ceil": function("CEIL"),
        "lower": function("LOWER"),
        "upper": function("UPPER"),
        "concat": infix("||"),
        "like": infix("LIKE"),
        "length": function("LENGTH"),
        "trim": function("TRIM"),
        "ltrim": function("LTRIM"),
        "rtrim": function("RTRIM"),
        "substring": function("SUBSTRING"),
        "replace": function("REPLACE"),
        "starts_with": function("STARTS_WITH"),
        "ends_with": function("ENDS_WITH"),
        "strpos": function("STRPOS"),
        "hash_bucket": function("HASH_BUCKET"),
        "round": function("ROUND"),
        "sqrt": function("SQRT"),
        "ln": function("LN"),
        "log10": function("LOG10"),
        "exp": function("EXP"),
        "power": function("POWER"),
        "sin": function("SIN"),
        "cos": function("COS"),
        "atan2": function("ATAN2"),
        "extract": _extract,
    },
)


def canonical(expression: Column | Literal | Call) -> str:
    """Write the expression in Augury's own dialect: equal trees give equal texts."""
    return CANONICAL.render(expression)
