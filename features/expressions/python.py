"""The tree as a Python function: the reference that the SQL engines are held to."""

import math
import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from features.expressions.tree import Call, Column, Expression, Literal
from features.types import MAX_TIME, MIN_TIME, DataType, Value

Evaluator = Callable[[Mapping[str, Any]], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_PARTS: dict[str, Callable[[datetime], int]] = {
    "year": lambda t: t.year,
    "month": lambda t: t.month,
    "day": lambda t: t.day,
    "dow": lambda t: t.isoweekday() % 7,
    "doy": lambda t: t.timetuple().tm_yday,
    "hour": lambda t: t.hour,
    "minute": lambda t: t.minute,
    "second": lambda t: t.second,
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
        left, right = arguments

        def evaluate(row: Mapping[str, Any]) -> Value:
            a, b = left(row), right(row)
            return None if a is None or b is None else function(a, b)

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


def _cast(call: Call, arguments: list[Evaluator]) -> Evaluator:
    def convert(value: Any) -> Value:  # noqa: ANN401
        match call.type:
            case DataType.DOUBLE:
                return float(value)
            case DataType.INTEGER:
                return int(value) if math.isfinite(value) and -(2**63) <= value < 2**63 else None
            case _:
                return str(value).lower() if isinstance(value, bool) else str(value)

    return _strict(convert)(call, arguments)


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
