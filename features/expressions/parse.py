"""Text to typed tree. What is not on the list is refused, naming the expression and the place in it."""

import math
from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from features.errors import DefinitionError
from features.expressions.functions import Functions
from features.expressions.rules import ANY, BOOLEAN, INTEGER, NUMBER
from features.expressions.tree import Call, Column, Expression, Literal
from features.types import DataType

_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "add", exp.Sub: "sub", exp.Mul: "mul"}
_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "eq",
    exp.LT: "lt",
    exp.LTE: "le",
    exp.GT: "gt",
    exp.GTE: "ge",
}
_LOGIC: dict[type[exp.Expr], str] = {exp.And: "and", exp.Or: "or"}


def parse(text: str, columns: Mapping[str, DataType], place: str, *, inexact: bool = False) -> Expression:
    """Parse and type one expression over `columns`.

    A column may be qualified: `group.feature` where `columns` has that name. `place` says where the
    expression stands, for the error. `inexact` allows the functions whose results may differ between
    engines by some ulps. Raises `DefinitionError` for a syntax error, an unknown column, a function that
    is not on the list or not allowed here, or types that do not fit.
    """
    try:
        tree = sqlglot.parse_one(text)
    except sqlglot.errors.SqlglotError as error:
        raise DefinitionError(
            place, "an expression is one SQL expression", "it cannot be compiled", text
        ) from error
    return _Parser(text, columns, place, inexact).expression(tree)


class _Parser(Functions):
    """The rules of columns, constants and operators."""

    def expression(self, node: exp.Expr | None) -> Expression:
        match node:
            case None:
                place = f"{self.place}: expression {self.text!r}"
                raise DefinitionError(place, "a function has its arguments", "it cannot be computed")
            case exp.Paren():
                return self.expression(node.this)
            case exp.Column():
                return self.column(node)
            case exp.Literal() | exp.Boolean() | exp.Null():
                return self.literal(node)
            case exp.Add() | exp.Sub() | exp.Mul():
                left, right = self.alike(node, [node.left, node.right], NUMBER)
                return Call(_ARITHMETIC[type(node)], (left, right), left.type)
            case exp.Div():
                return Call("div", (self.double(node.left), self.double(node.right)), DataType.DOUBLE)
            case exp.Mod():
                both = [self.typed(side, INTEGER) for side in (node.left, node.right)]
                return Call("mod", tuple(both), DataType.INTEGER)
            case exp.Neg():
                value = self.typed(node.this, NUMBER)
                if isinstance(node.this, exp.Literal) and isinstance(value, Literal):
                    assert isinstance(value.value, int | float)
                    return Literal(-value.value, value.type)
                return Call("neg", (value,), value.type)
            case exp.Not():
                return Call("not", (self.typed(node.this, BOOLEAN),), DataType.BOOLEAN)
            case exp.And() | exp.Or():
                sides = (self.typed(node.left, BOOLEAN), self.typed(node.right, BOOLEAN))
                return Call(_LOGIC[type(node)], sides, DataType.BOOLEAN)
            case exp.NEQ():
                return Call("not", (self.compare("eq", node, node.left, node.right),), DataType.BOOLEAN)
            case exp.EQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
                return self.compare(_COMPARISONS[type(node)], node, node.left, node.right)
            case exp.Between() if not node.args.get("symmetric"):
                low = self.compare("ge", node, node.this, node.args["low"])
                high = self.compare("le", node, node.this, node.args["high"])
                return Call("and", (low, high), DataType.BOOLEAN)
            case exp.In() if node.expressions:
                return self.membership(node)
            case exp.Is() if isinstance(node.expression, exp.Null):
                return Call("is_null", (self.expression(node.this),), DataType.BOOLEAN)
            case _:
                return self.function(node)

    def column(self, node: exp.Column) -> Column:
        name = ".".join(part.name for part in node.parts)
        if name not in self.columns:
            raise self.refuse(node, f"an expression names known columns ({', '.join(self.columns)})")
        return Column(name, self.columns[name])

    def literal(self, node: exp.Expr) -> Literal:
        if isinstance(node, exp.Null):
            return Literal(None, DataType.BOOLEAN)
        if isinstance(node, exp.Boolean):
            return Literal(bool(node.this), DataType.BOOLEAN)
        if node.is_string:
            return Literal(str(node.this), DataType.TEXT)
        if str(node.this).isdigit():
            value = int(node.this)
            if value >= 2**63:
                raise self.refuse(node, "an integer has 64 bits")
            return Literal(value, DataType.INTEGER)
        number = float(node.this)
        if not math.isfinite(number):
            raise self.refuse(node, "a double is finite")
        return Literal(number, DataType.DOUBLE)

    def compare(self, op: str, node: exp.Expr, left: exp.Expr, right: exp.Expr) -> Call:
        return Call(op, tuple(self.alike(node, [left, right], ANY)), DataType.BOOLEAN)

    def membership(self, node: exp.In) -> Expression:
        tests: list[Expression] = [self.compare("eq", node, node.this, item) for item in node.expressions]
        result = tests[0]
        for test in tests[1:]:
            result = Call("or", (result, test), DataType.BOOLEAN)
        return result
