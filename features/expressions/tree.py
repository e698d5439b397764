"""The typed tree of an expression.

The parser reduces sugar (`between`, `in`, `nullif`, `least`, `greatest`, `<>`) to few operations, so that
an engine has few to prove.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from features.types import DataType, Value


@dataclass(frozen=True)
class Column:
    """A column by name."""

    name: str
    type: DataType


@dataclass(frozen=True)
class Literal:
    """A constant; None is NULL of the type."""

    value: Value
    type: DataType


@dataclass(frozen=True)
class Call:
    """An operation on arguments. `option` holds what is no value: a date part with its zone."""

    op: str
    arguments: tuple["Expression", ...]
    type: DataType
    option: tuple[str, ...] = ()


Expression = Column | Literal | Call
Template = Callable[[Call, list[str]], str]


def columns_of(expression: Expression) -> Iterator[str]:
    """Name the columns that the expression reads, in order of reading, repeats included."""
    match expression:
        case Column(name=name):
            yield name
        case Call(arguments=arguments):
            for argument in arguments:
                yield from columns_of(argument)


def operations_of(expression: Expression) -> Iterator[str]:
    """Name the operations of the expression, repeats included."""
    if isinstance(expression, Call):
        yield expression.op
        for argument in expression.arguments:
            yield from operations_of(argument)


def substitute(expression: Expression, columns: Mapping[str, Expression]) -> Expression:
    """Put each named column's own expression in its place."""
    match expression:
        case Column(name=name):
            return columns.get(name, expression)
        case Call(op=op, arguments=arguments, type=data_type, option=option):
            return Call(op, tuple(substitute(a, columns) for a in arguments), data_type, option)
    return expression


@dataclass(frozen=True)
class Dialect:
    """How an engine's SQL spells the tree: columns, constants, and a template for each operation."""

    column: Callable[[Column], str]
    literal: Callable[[Literal], str]
    operations: Mapping[str, Template]

    def render(self, expression: Expression) -> str:
        """Write the expression in this engine's SQL. Raises `KeyError` for an operation it does not list."""
        match expression:
            case Column():
                return self.column(expression)
            case Literal():
                return self.literal(expression)
            case Call(op=op, arguments=arguments):
                return self.operations[op](expression, [self.render(a) for a in arguments])


def infix(symbol: str) -> Template:
    """Give the template of a binary or n-ary infix operation, in brackets."""
    return lambda _, arguments: f"({f' {symbol} '.join(arguments)})"


def function(name: str) -> Template:
    """Give the template of a function call."""
    return lambda _, arguments: f"{name}({', '.join(arguments)})"


def case(_: Call, arguments: list[str]) -> str:
    """Write `CASE`: the arguments are condition, value, condition, value, ..., else."""
    pairs = zip(arguments[:-1:2], arguments[1:-1:2], strict=True)
    branches = " ".join(f"WHEN {condition} THEN {value}" for condition, value in pairs)
    return f"CASE {branches} ELSE {arguments[-1]} END"


def quote(text: str) -> str:
    """Write a string constant of standard SQL."""
    return "'" + text.replace("'", "''") + "'"


STANDARD: Mapping[str, Template] = {
    "add": infix("+"),
    "sub": infix("-"),
    "mul": infix("*"),
    "neg": lambda _, a: f"(- {a[0]})",
    "eq": infix("="),
    "lt": infix("<"),
    "le": infix("<="),
    "gt": infix(">"),
    "ge": infix(">="),
    "and": infix("AND"),
    "or": infix("OR"),
    "not": lambda _, a: f"(NOT {a[0]})",
}
"""The operations that every engine's SQL spells, and means, alike."""
