"""What every typing rule goes by: where an expression stands, and which types belong where."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from sqlglot import exp

from features.errors import DefinitionError
from features.expressions.tree import Call, Expression, Literal
from features.types import DataType

ANY = frozenset(DataType)
NUMBER = frozenset({DataType.INTEGER, DataType.DOUBLE})
INTEGER = frozenset({DataType.INTEGER})
TEXT = frozenset({DataType.TEXT})
BOOLEAN = frozenset({DataType.BOOLEAN})
MOMENT = frozenset({DataType.TIMESTAMP})


class Rules(ABC):
    """One expression's text, columns and place; `inexact` says whether inexact functions may stand there."""

    def __init__(self, text: str, columns: Mapping[str, DataType], place: str, inexact: bool) -> None:
        self.text = text
        self.columns = columns
        self.place = place
        self.inexact = inexact

    @abstractmethod
    def expression(self, node: exp.Expr | None) -> Expression:
        """Type a node. Raises `DefinitionError` for what is not on the list."""

    def refuse(self, node: exp.Expr, rule: str) -> DefinitionError:
        """Give the error for a node that breaks `rule`."""
        place = f"{self.place}: expression {self.text!r}, at {node.sql()!r}"
        return DefinitionError(place, rule, "the three engines would not agree on it, so it is refused")

    def typed(self, node: exp.Expr | None, allowed: frozenset[DataType]) -> Expression:
        """Type a node whose type must be one of `allowed`; NULL takes one of them."""
        value = self.expression(node)
        if isinstance(value, Literal) and value.value is None and value.type not in allowed:
            return Literal(None, min(allowed))
        if value.type not in allowed:
            names = " or ".join(sorted(t.value for t in allowed))
            assert node is not None
            raise self.refuse(node, f"a {names} belongs here, not a {value.type.value}")
        return value

    def double(self, node: exp.Expr | None) -> Expression:
        """Type a number as a double."""
        return as_type(self.typed(node, NUMBER), DataType.DOUBLE)

    def alike(self, node: exp.Expr, parts: list[exp.Expr], allowed: frozenset[DataType]) -> list[Expression]:
        """Type all parts alike: NULL takes the others' type, an integer beside a double becomes one."""
        values = [self.typed(part, allowed) for part in parts]
        types = {v.type for v in values if not (isinstance(v, Literal) and v.value is None)}
        if types == {DataType.INTEGER, DataType.DOUBLE}:
            types = {DataType.DOUBLE}
        if len(types) > 1:
            raise self.refuse(node, f"types must agree, not {' and '.join(sorted(t.value for t in types))}")
        target = types.pop() if types else values[0].type
        return [as_type(v, target) for v in values]


def as_type(value: Expression, target: DataType) -> Expression:
    """Cast an integer to a double, or NULL to any type; leave alone what is of the type."""
    if value.type == target:
        return value
    if isinstance(value, Literal):
        return Literal(None if value.value is None else float(value.value), target)
    return Call("cast", (value,), target)
