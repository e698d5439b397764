"""Text to typed tree. What is not on the list is refused, naming the expression and the place in it."""

import math
from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlglot
from sqlglot import exp

from features.errors import DefinitionError
from features.expressions.operations import CASTS, DATE_PARTS
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
_ROUNDING: dict[type[exp.Expr], str] = {exp.Abs: "abs", exp.Floor: "floor", exp.Ceil: "ceil"}
_LETTERS: dict[type[exp.Expr], str] = {exp.Lower: "lower", exp.Upper: "upper"}
_EXTREMES: dict[type[exp.Expr], str] = {exp.Least: "le", exp.Greatest: "ge"}
_TARGETS = {
    exp.DType.BIGINT: DataType.INTEGER,
    exp.DType.INT: DataType.INTEGER,
    exp.DType.DOUBLE: DataType.DOUBLE,
    exp.DType.BOOLEAN: DataType.BOOLEAN,
    exp.DType.TEXT: DataType.TEXT,
    exp.DType.VARCHAR: DataType.TEXT,
}
_ANY = frozenset(DataType)
_NUMBER = frozenset({DataType.INTEGER, DataType.DOUBLE})
_TEXT = frozenset({DataType.TEXT})
_BOOLEAN = frozenset({DataType.BOOLEAN})


def parse(text: str, columns: Mapping[str, DataType], place: str) -> Expression:
    """Parse and type one expression over `columns`.

    A column may be qualified: `group.feature` where `columns` has that name. `place` says where the
    expression stands, for the error. Raises `DefinitionError` for a syntax
    error, an unknown column, a function that is not on the list, or types that do not fit.
    """
    try:
        tree = sqlglot.parse_one(text)
    except sqlglot.errors.SqlglotError as error:
        raise DefinitionError(
            place, "an expression is one SQL expression", "it cannot be compiled", text
        ) from error
    return _Parser(text, columns, place).expression(tree)


class _Parser:
    def __init__(self, text: str, columns: Mapping[str, DataType], place: str) -> None:
        self.text = text
        self.columns = columns
        self.place = place

    def refuse(self, node: exp.Expr, rule: str) -> DefinitionError:
        place = f"{self.place}: expression {self.text!r}, at {node.sql()!r}"
        return DefinitionError(place, rule, "the three engines would not agree on it, so it is refused")

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
                left, right = self.alike(node, [node.left, node.right], _NUMBER)
                return Call(_ARITHMETIC[type(node)], (left, right), left.type)
            case exp.Div():
                return Call("div", self.doubles(node), DataType.DOUBLE)
            case exp.Mod():
                both = [self.typed(side, frozenset({DataType.INTEGER})) for side in (node.left, node.right)]
                return Call("mod", tuple(both), DataType.INTEGER)
            case exp.Neg():
                value = self.typed(node.this, _NUMBER)
                if isinstance(value, Literal) and isinstance(value.value, int | float):
                    return Literal(-value.value, value.type)
                return Call("neg", (value,), value.type)
            case exp.Not():
                return Call("not", (self.typed(node.this, _BOOLEAN),), DataType.BOOLEAN)
            case exp.And() | exp.Or():
                sides = (self.typed(node.left, _BOOLEAN), self.typed(node.right, _BOOLEAN))
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

    def function(self, node: exp.Expr) -> Expression:
        match node:
            case exp.Abs() | exp.Floor() | exp.Ceil() if not (
                node.args.get("decimals") or node.args.get("to")
            ):
                value = self.typed(node.this, _NUMBER)
                return Call(_ROUNDING[type(node)], (value,), value.type)
            case exp.Lower() | exp.Upper():
                return Call(_LETTERS[type(node)], (self.typed(node.this, _TEXT),), DataType.TEXT)
            case exp.DPipe():
                sides = (self.typed(node.left, _TEXT), self.typed(node.right, _TEXT))
                return Call("concat", sides, DataType.TEXT)
            case exp.Case() if node.this is None:
                return self.case(node)
            case exp.Coalesce():
                values = self.alike(node, [node.this, *node.expressions], _ANY)
                return Call("coalesce", tuple(values), values[0].type)
            case exp.Nullif():
                left, right = self.alike(node, [node.this, node.expression], _ANY)
                same = Call("eq", (left, right), DataType.BOOLEAN)
                return Call("case", (same, Literal(None, left.type), left), left.type)
            case exp.Least() | exp.Greatest():
                return self.extreme(node, _EXTREMES[type(node)])
            case exp.Cast():
                return self.cast(node)
            case exp.Extract():
                return self.extract(node)
            case _:
                raise self.refuse(node, f"{node.key} is not among the functions that an expression may use")

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

    def typed(self, node: exp.Expr, allowed: frozenset[DataType]) -> Expression:
        value = self.expression(node)
        if isinstance(value, Literal) and value.value is None and value.type not in allowed:
            return Literal(None, min(allowed))
        if value.type not in allowed:
            names = " or ".join(sorted(t.value for t in allowed))
            raise self.refuse(node, f"a {names} belongs here, not a {value.type.value}")
        return value

    def alike(self, node: exp.Expr, parts: list[exp.Expr], allowed: frozenset[DataType]) -> list[Expression]:
        """Type all parts alike: NULL takes the others' type, an integer beside a double becomes one."""
        values = [self.typed(part, allowed) for part in parts]
        types = {v.type for v in values if not (isinstance(v, Literal) and v.value is None)}
        if types == {DataType.INTEGER, DataType.DOUBLE}:
            types = {DataType.DOUBLE}
        if len(types) > 1:
            raise self.refuse(node, f"types must agree, not {' and '.join(sorted(t.value for t in types))}")
        target = types.pop() if types else values[0].type
        return [_as(v, target) for v in values]

    def doubles(self, node: exp.Expr) -> tuple[Expression, ...]:
        return tuple(_as(self.typed(s, _NUMBER), DataType.DOUBLE) for s in (node.left, node.right))  # type: ignore[attr-defined]

    def compare(self, op: str, node: exp.Expr, left: exp.Expr, right: exp.Expr) -> Call:
        return Call(op, tuple(self.alike(node, [left, right], _ANY)), DataType.BOOLEAN)

    def membership(self, node: exp.In) -> Expression:
        tests: list[Expression] = [self.compare("eq", node, node.this, item) for item in node.expressions]
        result = tests[0]
        for test in tests[1:]:
            result = Call("or", (result, test), DataType.BOOLEAN)
        return result

    def case(self, node: exp.Case) -> Expression:
        branches = node.args["ifs"]
        otherwise = node.args.get("default") or exp.Null()
        conditions = [self.typed(branch.this, _BOOLEAN) for branch in branches]
        values = self.alike(node, [*(branch.args["true"] for branch in branches), otherwise], _ANY)
        pairs = [part for pair in zip(conditions, values, strict=False) for part in pair]
        return Call("case", (*pairs, values[-1]), values[0].type)

    def extreme(self, node: exp.Expr, op: str) -> Expression:
        values = self.alike(node, [node.this, *node.expressions], _NUMBER)
        result = values[0]
        for value in values[1:]:
            first = Call(op, (result, value), DataType.BOOLEAN)
            second = Call(op, (value, result), DataType.BOOLEAN)
            nothing = Literal(None, value.type)  # NULL where either is NULL
            result = Call("case", (first, result, second, value, nothing), value.type)
        return result

    def cast(self, node: exp.Cast) -> Expression:
        value = self.expression(node.this)
        target = _TARGETS.get(node.to.this)
        if target is None or node.to.expressions or node.args.get("format"):
            raise self.refuse(node, "a cast goes to bigint, double, boolean or string")
        if isinstance(value, Literal) and value.value is None:
            return Literal(None, target)
        if value.type == target:
            return value
        if (value.type, target) not in CASTS:
            raise self.refuse(
                node, f"no cast from {value.type.value} to {target.value} is the same everywhere"
            )
        return Call("cast", (value,), target)

    def extract(self, node: exp.Extract) -> Expression:
        part = node.this.name.lower()
        if part not in DATE_PARTS:
            raise self.refuse(node, f"a date part is one of {', '.join(DATE_PARTS)}")
        moment, zone = node.expression, "UTC"
        if isinstance(moment, exp.AtTimeZone):
            zone = moment.args["zone"].name
            moment = moment.this
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder of zones
            raise self.refuse(node, "a time zone is an IANA name") from error
        value = self.typed(moment, frozenset({DataType.TIMESTAMP}))
        return Call("extract", (value,), DataType.INTEGER, (part, zone))


def _as(value: Expression, target: DataType) -> Expression:
    if value.type == target:
        return value
    if isinstance(value, Literal):
        return Literal(None if value.value is None else float(value.value), target)
    return Call("cast", (value,), target)
