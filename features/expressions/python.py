"""The tree as a Python function: the reference that the SQL engines are held to."""

import hashlib
import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from features.expressions import patterns
from features.expressions.operations import LEAST_BASE, MOST_EXPONENT
from features.expressions.tree import Call, Column, Expression, Literal
from features.types import MAX_TIME, MIN_TIME, DataType, Value

Evaluator = Callable[[Mapping[str, Any]], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_INTEGER, _NUMBER = re.compile(patterns.INTEGER), re.compile(patterns.NUMBER)
_PARTS: dict[str, Callable[[datetime], int]] = {
    "year": lambda t: t.year,
    "quarter": lambda t: (t.month + 2) // 3,
    "month": lambda t: t.month,
    "day": lambda t: t.day,
    "dow": lambda t: t.isoweekday() % 7,
    "doy": lambda t: t.timetuple().tm_yday,
    "hour": lambda t: t.hour,
    "minute": lambda t: t.minute,
    "second": lambda t: t.second,
    "millisecond": lambda t: t.microsecond // 1000,
}


def wrap(number: int) -> int:
    """Keep the low 64 bits of an integer, as two's complement."""
    return (number + 2**63) % 2**64 - 2**63


def _strict(function: Callable[..., Value]) -> Callable[[Call, list[Evaluator]], Evaluator]:
    """Lift a function of values: NULL in, NULL out."""

    def compile_call(_: Call, arguments: list[Evaluator]) -> Evaluator:
        if len(arguments) == 1:
            only = arguments[0]
            return lambda row: None if (a := only(row)) is None else function(a)

        def evaluate(row: Mapping[str, Any]) -> Value:
            values = [argument(row) for argument in arguments]
            return None if None in values else function(*values)

        return evaluate

    return compile_call


def _number(function: Callable[..., Any]) -> Callable[[Call, list[Evaluator]], Evaluator]:
    def compile_call(call: Call, arguments: list[Evaluator]) -> Evaluator:
        if call.type is DataType.INTEGER:
            return _strict(lambda *values: wrap(function(*values)))(call, arguments)
        return _strict(function)(call, arguments)

    return compile_call


def _divide(a: float, b: float) -> float | None:
    return a / b if b else None


def _modulo(a: int, b: int) -> int | None:
    return int(math.copysign(1, a)) * (abs(a) % abs(b)) if b else None


def _finite(function: Callable[..., float]) -> Callable[..., Value]:
    """Give NULL unless all arguments and the result are finite numbers."""

    def apply(*values: float) -> Value:
        if not all(map(math.isfinite, values)):
            return None
        try:
            result = function(*values)
        except (ValueError, OverflowError):  # undefined there, or too large
            return None
        return result if math.isfinite(result) else None

    return apply


def _power(base: float, exponent: float) -> float:
    held = abs(exponent) <= MOST_EXPONENT and (base == 0 or abs(base) >= LEAST_BASE)
    return math.pow(base, exponent) if held else math.nan


def _round(function: Callable[[float], int]) -> Callable[[Any], Any]:
    def apply(value: Any) -> Value:  # noqa: ANN401
        if isinstance(value, int):
            return value
        if not math.isfinite(value):
            return float(value)
        return float(math.copysign(function(value), value))  # a zero keeps its sign

    return apply


def _and(_: Call, arguments: list[Evaluator]) -> Evaluator:
    left, right = arguments

    def evaluate(row: Mapping[str, Any]) -> Value:
        a, b = left(row), right(row)
        if a is False or b is False:
            return False
        return None if a is None or b is None else True

    return evaluate


def _or(_: Call, arguments: list[Evaluator]) -> Evaluator:
    left, right = arguments

    def evaluate(row: Mapping[str, Any]) -> Value:
        a, b = left(row), right(row)
        if a is True or b is True:
            return True
        return None if a is None or b is None else False

    return evaluate


def _is_null(_: Call, arguments: list[Evaluator]) -> Evaluator:
    only = arguments[0]
    return lambda row: only(row) is None


def _case(_: Call, arguments: list[Evaluator]) -> Evaluator:
    pairs = list(zip(arguments[:-1:2], arguments[1:-1:2], strict=True))
    otherwise = arguments[-1]

    def evaluate(row: Mapping[str, Any]) -> Value:
        for condition, value in pairs:
            if condition(row) is True:
                return value(row)  # type: ignore[no-any-return]
        return otherwise(row)  # type: ignore[no-any-return]

    return evaluate


def _coalesce(_: Call, arguments: list[Evaluator]) -> Evaluator:
    return lambda row: next((v for a in arguments if (v := a(row)) is not None), None)


def _to_integer(value: Any) -> Value:  # noqa: ANN401
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            return None
        value = int(value)
    return int(value) if math.isfinite(value) and -(2**63) <= value < 2**63 else None


def _to_double(value: Any) -> Value:  # noqa: ANN401
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


_CASTS: dict[DataType, Callable[[Any], Value]] = {
    DataType.INTEGER: _to_integer,
    DataType.DOUBLE: _to_double,
    DataType.TEXT: lambda a: str(a).lower() if isinstance(a, bool) else str(a),
    DataType.TIMESTAMP: lambda a: a if MIN_TIME <= a <= MAX_TIME else None,
}


def _cast(call: Call, arguments: list[Evaluator]) -> Evaluator:
    return _strict(_CASTS[call.type])(call, arguments)


def _like(call: Call, arguments: list[Evaluator]) -> Evaluator:
    pattern = call.arguments[1]
    assert isinstance(pattern, Literal)
    whole = re.compile(patterns.regex(str(pattern.value)), re.DOTALL)
    return _strict(lambda a: whole.fullmatch(a) is not None)(call, arguments[:1])


def _substring(text: str, start: int, length: int = 2**63) -> str | None:
    return None if start < 1 or length < 0 else text[start - 1 : start - 1 + length]


def _hash_bucket(text: str, buckets: int) -> int:
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") % buckets


def _extract(call: Call, arguments: list[Evaluator]) -> Evaluator:
    part, zone = _PARTS[call.option[0]], ZoneInfo(call.option[1])

    def apply(ms: int) -> Value:
        if not MIN_TIME <= ms <= MAX_TIME:
            return None
        return part((_EPOCH + timedelta(milliseconds=ms)).astimezone(zone))

    return _strict(apply)(call, arguments)


_OPERATIONS: dict[str, Callable[[Call, list[Evaluator]], Evaluator]] = {
    "add": _number(operator.add),
    "sub": _number(operator.sub),
    "mul": _number(operator.mul),
    "div": _strict(_divide),
    "mod": _strict(_modulo),
    "neg": _number(operator.neg),
    "eq": _strict(operator.eq),
    "lt": _strict(operator.lt),
    "le": _strict(operator.le),
    "gt": _strict(operator.gt),
    "ge": _strict(operator.ge),
    "and": _and,
    "or": _or,
    "not": _strict(operator.not_),
    "is_null": _is_null,
    "case": _case,
    "coalesce": _coalesce,
    "cast": _cast,
    "abs": _number(abs),
    "floor": _strict(_round(math.floor)),
    "ceil": _strict(_round(math.ceil)),
    "lower": _strict(lambda a: a.translate(_LOWER)),
    "upper": _strict(lambda a: a.translate(_UPPER)),
    "concat": _strict(operator.add),
    "like": _like,
    "length": _strict(len),
    "trim": _strict(lambda a: a.strip(" ")),
    "ltrim": _strict(lambda a: a.lstrip(" ")),
    "rtrim": _strict(lambda a: a.rstrip(" ")),
    "substring": _strict(_substring),
    "replace": _strict(lambda a, old, new: a.replace(old, new) if old else a),
    "starts_with": _strict(str.startswith),
    "ends_with": _strict(str.endswith),
    "strpos": _strict(lambda a, part: a.find(part) + 1),
    "hash_bucket": _strict(_hash_bucket),
    "round": _strict(_round(round)),
    "sqrt": _strict(_finite(math.sqrt)),
    "ln": _strict(_finite(math.log)),
    "log10": _strict(_finite(math.log10)),
    "exp": _strict(_finite(math.exp)),
    "power": _strict(_finite(_power)),
    "sin": _strict(_finite(math.sin)),
    "cos": _strict(_finite(math.cos)),
    "atan2": _strict(_finite(math.atan2)),
    "extract": _extract,
}


def evaluator(expression: Expression) -> Evaluator:
    """Compile to a function from a row (values by column name; timestamps as ms) to a value.

    Raises `KeyError` for an operation that is not listed here.
    """
    match expression:
        case Column(name=name):
            return operator.itemgetter(name)
        case Literal(value=value):
            return lambda _: value
        case Call(op=op, arguments=arguments):
            return _OPERATIONS[op](expression, [evaluator(a) for a in arguments])
