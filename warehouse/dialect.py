"""Augury's expressions in ClickHouse SQL."""

from features.expressions import patterns
from features.expressions.operations import LEAST_BASE, MOST_EXPONENT
from features.expressions.tree import STANDARD, Call, Column, Dialect, Literal, Template, case, function
from features.types import MAX_TIME, MIN_TIME, DataType

TYPES = {
    DataType.INTEGER: "Int64",
    DataType.DOUBLE: "Float64",
    DataType.BOOLEAN: "Bool",
    DataType.TEXT: "String",
    DataType.TIMESTAMP: "DateTime64(3, 'UTC')",
}

_PARTS = {
    "year": "toYear({0}, {1})",
    "quarter": "toQuarter({0}, {1})",
    "month": "toMonth({0}, {1})",
    "day": "toDayOfMonth({0}, {1})",
    "dow": "toDayOfWeek({0}, 2, {1})",
    "doy": "toDayOfYear({0}, {1})",
    "hour": "toHour({0}, {1})",
    "minute": "toMinute({0}, {1})",
    "second": "toSecond({0}, {1})",
    "millisecond": "toMillisecond({0})",
}


def text(value: str) -> str:
    """Write a string constant."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def typed(sql: str, data_type: DataType) -> str:
    """Cast to the engine's nullable type."""
    return f"CAST({sql}, {text(f'Nullable({TYPES[data_type]})')})"


def _literal(literal: Literal) -> str:
    if literal.value is None:
        return typed("NULL", literal.type)
    if isinstance(literal.value, str):
        return text(literal.value)
    if isinstance(literal.value, bool):
        return str(literal.value).lower()
    return f"{'toInt64' if literal.type is DataType.INTEGER else 'toFloat64'}({literal.value!r})"


def _values(call: Call, arguments: list[str]) -> list[str]:
    # Bool and the UInt8 of a comparison have no common type of their own
    return [typed(a, call.type) for a in arguments] if call.type is DataType.BOOLEAN else arguments


def _case(call: Call, arguments: list[str]) -> str:
    values = _values(call, [*arguments[1:-1:2], arguments[-1]])
    pairs = [part for pair in zip(arguments[:-1:2], values, strict=False) for part in pair]
    return case(call, [*pairs, values[-1]])


def _coalesce(call: Call, arguments: list[str]) -> str:
    return f"coalesce({', '.join(_values(call, arguments))})"


def _matches(value: str, regex: str) -> str:
    whole = rf"\A(?s:{regex})\z"
    return f"match({value}, {text(whole)})"


def _substring(_: Call, arguments: list[str]) -> str:
    value, *bounds = arguments
    inside = " AND ".join(f"{b} >= {least}" for b, least in zip(bounds, (1, 0), strict=False))
    narrow = ", ".join(f"least({b}, toInt64(1073741823))" for b in bounds)
    return f"if({inside}, substringUTF8({value}, {narrow}), NULL)"


def _hash_bucket(_: Call, arguments: list[str]) -> str:
    number = f"reinterpretAsUInt64(reverse(substring(MD5({arguments[0]}), 1, 8)))"
    return f"toInt64({number} % toUInt64({arguments[1]}))"


def _finite(name: str) -> Template:
    def template(_: Call, arguments: list[str]) -> str:
        taken = ", ".join(f"ifNotFinite({a}, NULL)" for a in arguments)
        return f"ifNotFinite({name}({taken}), NULL)"

    return template


def _power(call: Call, arguments: list[str]) -> str:
    base, exponent = arguments
    held = f"abs({exponent}) <= {MOST_EXPONENT!r} AND ({base} = 0 OR abs({base}) >= {LEAST_BASE!r})"
    return f"if({held}, {_finite('pow')(call, arguments)}, NULL)"


def _cast(call: Call, arguments: list[str]) -> str:
    value, source = arguments[0], call.arguments[0].type
    match source, call.type:
        case DataType.INTEGER, DataType.DOUBLE:
            return f"toFloat64({value})"
        case DataType.TEXT, DataType.INTEGER:
            number = f"toInt128OrNull({value})"
            inside = f"{number} BETWEEN -9223372036854775808 AND 9223372036854775807"
            return f"if({_matches(value, patterns.INTEGER)} AND {inside}, toInt64({number}), NULL)"
        case DataType.TEXT, _:
            number = f"ifNotFinite(toFloat64OrNull({value}), NULL)"
            return f"if({_matches(value, patterns.NUMBER)}, {number}, NULL)"
        case DataType.TIMESTAMP, _:
            return f"toUnixTimestamp64Milli({value})"
        case DataType.INTEGER, DataType.TIMESTAMP:
            inside = f"{value} BETWEEN {MIN_TIME} AND {MAX_TIME}"
            return f"if({inside}, fromUnixTimestamp64Milli({value}, 'UTC'), NULL)"
        case DataType.DOUBLE, _:
            inside = f"{value} >= -9223372036854775808. AND {value} < 9223372036854775808."
            return f"if({inside}, toInt64({value}), NULL)"
        case DataType.BOOLEAN, DataType.INTEGER:
            return f"toInt64({value})"
        case DataType.BOOLEAN, _:
            return f"toString({typed(value, DataType.BOOLEAN)})"
        case _:
            return f"toString({value})"


def _abs(call: Call, arguments: list[str]) -> str:
    return f"toInt64(abs({arguments[0]}))" if call.type is DataType.INTEGER else f"abs({arguments[0]})"


def _extract(call: Call, arguments: list[str]) -> str:
    part, zone = call.option
    found = f"toInt64({_PARTS[part].format(arguments[0], text(zone))})"
    held = f"toUnixTimestamp64Milli({arguments[0]}) BETWEEN {MIN_TIME} AND {MAX_TIME}"
    return f"if({held}, {found}, NULL)"


def same(one: str, other: str, *, inexact: bool = False) -> str:
    """Say in SQL that two values are the same, NULLs too; inexact ones within a relative 1e-12."""
    equal = f"{one} IS NOT DISTINCT FROM {other}"
    if not inexact:
        return equal
    return f"({equal} OR ifNull(abs({one} - {other}) <= 1e-12 * greatest(abs({one}), abs({other})), 0))"


def column(name: str) -> str:
    """Quote the name of a column or table."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _column(node: Column) -> str:
    return column(node.name)


CLICKHOUSE = Dialect(
    column=_column,
    literal=_literal,
    operations={
        **STANDARD,
        "div": lambda _, a: f"({a[0]} / nullIf({a[1]}, 0))",
        # `%` raises for the least integer by -1
        "mod": lambda _, a: f"moduloOrZero({a[0]}, nullIf({a[1]}, 0))",
        "is_null": lambda _, a: f"isNull({a[0]})",
        "case": _case,
        "coalesce": _coalesce,
        "cast": _cast,
        "abs": _abs,
        "floor": lambda call, a: a[0] if call.type is DataType.INTEGER else f"floor({a[0]})",
        "ceil": lambda call, a: a[0] if call.type is DataType.INTEGER else f"ceil({a[0]})",
        "lower": function("lower"),
        "upper": function("upper"),
        "concat": function("concat"),
        "like": function("like"),
        "length": lambda _, a: f"toInt64(lengthUTF8({a[0]}))",
        "trim": function("trimBoth"),
        "ltrim": function("trimLeft"),
        "rtrim": function("trimRight"),
        "substring": _substring,
        "replace": function("replaceAll"),
        "starts_with": function("startsWith"),
        "ends_with": function("endsWith"),
        "strpos": lambda _, a: f"toInt64(positionUTF8({', '.join(a)}))",
        "hash_bucket": _hash_bucket,
        "round": function("round"),
        "sqrt": _finite("sqrt"),
        "ln": _finite("log"),
        "log10": _finite("log10"),
        "exp": _finite("exp"),
        "power": _power,
        "sin": _finite("sin"),
        "cos": _finite("cos"),
        "atan2": _finite("atan2"),
        "extract": _extract,
    },
)
