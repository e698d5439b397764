"""The whitelist: which functions an expression may call, and the canonical spelling of each operation."""

from features.expressions.tree import STANDARD, Call, Column, Dialect, Literal, case, function, infix, quote
from features.types import DataType

DATE_PARTS = ("year", "month", "day", "dow", "doy", "hour", "minute", "second")

CASTS = {
    (DataType.INTEGER, DataType.DOUBLE),
    (DataType.DOUBLE, DataType.INTEGER),  # towards zero; NULL beyond 64 bits
    (DataType.BOOLEAN, DataType.INTEGER),
    (DataType.INTEGER, DataType.TEXT),
    (DataType.BOOLEAN, DataType.TEXT),
}


def _literal(literal: Literal) -> str:
    if literal.value is None:
        plain = literal.type in (DataType.BOOLEAN, DataType.TIMESTAMP)
        return "NULL" if plain else f"CAST(NULL AS {literal.type.value.upper()})"
    if isinstance(literal.value, str):
        return quote(literal.value)
    if isinstance(literal.value, bool):
        return str(literal.value).upper()
    return repr(literal.value)


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
        "extract": _extract,
    },
)


def canonical(expression: Column | Literal | Call) -> str:
    """Write the expression in Augury's own dialect: equal trees give equal texts."""
    return CANONICAL.render(expression)
