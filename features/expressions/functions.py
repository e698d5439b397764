"""The typing rules of the functions: a table for those that are plain, a method for each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlglot
from sqlglot import exp

from features.errors import DefinitionError
from features.expressions import macros
from features.expressions.operations import CASTS, DATE_PARTS
from features.expressions.patterns import well_formed
from features.expressions.rules import ANY, BOOLEAN, INTEGER, MOMENT, NUMBER, TEXT, Rules
from features.expressions.tree import Call, Expression, Literal, substitute
from features.types import DataType


@dataclass(frozen=True)
class Plain:
    """A function of arguments of one type; where that is double, bigints become doubles.

    `parts` are sqlglot's names of the arguments, `ignored` those of what it keeps beside them.
    """

    op: str
    takes: DataType
    gives: DataType
    parts: tuple[str, ...] = ("this",)
    exact: bool = True
    ignored: tuple[str, ...] = ()


_BOTH = ("this", "expression")
_T, _I, _D = DataType.TEXT, DataType.INTEGER, DataType.DOUBLE
PLAIN: Mapping[type[exp.Expr], Plain] = {
    exp.Lower: Plain("lower", _T, _T),
    exp.Upper: Plain("upper", _T, _T),
    exp.DPipe: Plain("concat", _T, _T, _BOTH, ignored=("safe",)),
    exp.Length: Plain("length", _T, _I),
    exp.Replace: Plain("replace", _T, _T, ("this", "expression", "replacement")),
    exp.StartsWith: Plain("starts_with", _T, DataType.BOOLEAN, _BOTH),
    exp.EndsWith: Plain("ends_with", _T, DataType.BOOLEAN, _BOTH),
    exp.StrPosition: Plain("strpos", _T, _I, ("this", "substr")),
    exp.Sqrt: Plain("sqrt", _D, _D),
    exp.Ln: Plain("ln", _D, _D, exact=False),
    exp.Exp: Plain("exp", _D, _D, exact=False),
    exp.Pow: Plain("power", _D, _D, _BOTH, exact=False),
    exp.Sin: Plain("sin", _D, _D, exact=False),
    exp.Cos: Plain("cos", _D, _D, exact=False),
    exp.Atan2: Plain("atan2", _D, _D, _BOTH, exact=False),
}
_LOG10 = Plain("log10", _D, _D, ("expression",), exact=False, ignored=("this",))
INEXACT = frozenset(f.op for f in (*PLAIN.values(), _LOG10) if not f.exact)
"""The operations whose results may differ between engines by some ulps."""

_ROUNDING: dict[type[exp.Expr], str] = {exp.Abs: "abs", exp.Floor: "floor", exp.Ceil: "ceil"}
_EXTREMES: dict[type[exp.Expr], str] = {exp.Least: "le", exp.Greatest: "ge"}
_TRIMS = {"": "trim", "BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}
_TARGETS = {
    exp.DType.BIGINT: DataType.INTEGER,
    exp.DType.INT: DataType.INTEGER,
    exp.DType.DOUBLE: DataType.DOUBLE,
    exp.DType.BOOLEAN: DataType.BOOLEAN,
    exp.DType.TEXT: DataType.TEXT,
    exp.DType.VARCHAR: DataType.TEXT,
    exp.DType.TIMESTAMP: DataType.TIMESTAMP,
}
_MOST_DIGITS = 15
_MOST_BUCKETS = 2**31 - 1


class Functions(Rules):
    """The rules of what is no operator."""

    def function(self, node: exp.Expr) -> Expression:
        """Type a function. Raises `DefinitionError` for one that is not on the list."""
        match node:
            case exp.Log() if node.this.name == "10" and node.expression:
                return self.plain(node, _LOG10)
            case exp.Log():
                raise self.refuse(node, "log alone means either of two functions: say ln or log10")
            case exp.Abs() | exp.Floor() | exp.Ceil() if self.bare(node, "this"):
                value = self.typed(node.this, NUMBER)
                return Call(_ROUNDING[type(node)], (value,), value.type)
            case exp.Round() if self.bare(node, "this", "decimals"):
                return self.round(node)
            case exp.Sign():
                value = self.typed(node.this, NUMBER)
                return self.macro(macros.SIGN, x=value)
            case exp.Trim() if self.bare(node, "this", "position"):
                op = _TRIMS[str(node.args.get("position") or "")]
                return Call(op, (self.typed(node.this, TEXT),), DataType.TEXT)
            case exp.Substring() if self.bare(node, "this", "start", "length"):
                return self.substring(node)
            case exp.Like() if not isinstance(node.expression, exp.Any | exp.All):
                return self.like(node)
            case exp.Case() if node.this is None:
                return self.case(node)
            case exp.Coalesce():
                values = self.alike(node, [node.this, *node.expressions], ANY)
                return Call("coalesce", tuple(values), values[0].type)
            case exp.Nullif():
                left, right = self.alike(node, [node.this, node.expression], ANY)
                same = Call("eq", (left, right), DataType.BOOLEAN)
                return Call("case", (same, Literal(None, left.type), left), left.type)
            case exp.Least() | exp.Greatest():
                return self.extreme(node, _EXTREMES[type(node)])
            case exp.Cast():
                return self.cast(node)
            case exp.Extract():
                return self.extract(node)
            case exp.DateTrunc():
                return self.date_trunc(node)
            case exp.Anonymous() if node.name.lower() == "haversine":
                return self.haversine(node)
            case exp.Anonymous() if node.name.lower() == "hash_bucket":
                return self.hash_bucket(node)
            case _ if type(node) in PLAIN:
                return self.plain(node, PLAIN[type(node)])
            case _:
                raise self.unlisted(node)

    def unlisted(self, node: exp.Expr) -> DefinitionError:
        """Give the error for a function that is not on the list."""
        name = node.name.lower() if isinstance(node, exp.Anonymous) else node.key
        return self.refuse(node, f"{name} is not among the functions that an expression may use")

    def bare(self, node: exp.Expr, *parts: str) -> bool:
        """Tell whether the node has no other arguments than `parts`."""
        return all(name in parts for name, value in node.args.items() if value)

    def macro(self, text: str, **arguments: Expression) -> Expression:
        """Read a text of the dialect, and put the arguments in the place of its columns."""
        columns = {name: argument.type for name, argument in arguments.items()}
        read = type(self)(text, columns, self.place, inexact=True).expression(sqlglot.parse_one(text))
        return substitute(read, arguments)

    def constant(self, node: exp.Expr, part: exp.Expr, least: int, most: int) -> int:
        """Give an argument that must be an integer constant from `least` to `most`."""
        value = self.typed(part, INTEGER)
        if isinstance(value, Literal) and isinstance(value.value, int) and least <= value.value <= most:
            return value.value
        raise self.refuse(node, f"{part.sql()} must be a constant from {least} to {most}")

    def must_be_allowed(self, node: exp.Expr) -> None:
        """Refuse an inexact function where every engine must give the same bits."""
        if not self.inexact:
            rule = "only derived and on_demand may use it, for engines may differ by some ulps"
            raise self.refuse(node, rule)

    def plain(self, node: exp.Expr, function: Plain) -> Call:
        """Type a function of the table."""
        if not self.bare(node, *function.parts, *function.ignored):
            raise self.unlisted(node)
        if not function.exact:
            self.must_be_allowed(node)
        parts = [node.args.get(part) for part in function.parts]
        if function.takes is DataType.DOUBLE:
            arguments = [self.double(part) for part in parts]
        else:
            arguments = [self.typed(part, frozenset({function.takes})) for part in parts]
        return Call(function.op, tuple(arguments), function.gives)

    def round(self, node: exp.Round) -> Expression:
        """Round half to even; `round(x, n)` by the stated formula."""
        value = self.typed(node.this, NUMBER)
        decimals = node.args.get("decimals")
        digits = 0 if decimals is None else self.constant(node, decimals, 0, _MOST_DIGITS)
        if value.type is DataType.INTEGER:
            return value
        if not digits:
            return Call("round", (value,), DataType.DOUBLE)
        return self.macro(macros.ROUND.format(scale=float(10**digits)), x=value)

    def substring(self, node: exp.Substring) -> Call:
        """Type `substring(s, from[, length])`."""
        parts = [node.args["start"], node.args.get("length")]
        bounds = [self.typed(part, INTEGER) for part in parts if part is not None]
        return Call("substring", (self.typed(node.this, TEXT), *bounds), DataType.TEXT)

    def like(self, node: exp.Like) -> Call:
        """Type `[not] like`, whose pattern is a constant."""
        value, pattern = self.typed(node.this, TEXT), self.typed(node.expression, TEXT)
        if not isinstance(pattern, Literal) or pattern.value is None:
            raise self.refuse(node, "a pattern is a constant text")
        if not well_formed(str(pattern.value)):
            raise self.refuse(node, "in a pattern \\ stands before %, _ or \\")
        found = Call("like", (value, pattern), DataType.BOOLEAN)
        return Call("not", (found,), DataType.BOOLEAN) if node.args.get("negate") else found

    def case(self, node: exp.Case) -> Expression:
        """Type the searched `case`."""
        branches = node.args["ifs"]
        otherwise = node.args.get("default") or exp.Null()
        conditions = [self.typed(branch.this, BOOLEAN) for branch in branches]
        values = self.alike(node, [*(branch.args["true"] for branch in branches), otherwise], ANY)
        pairs = [part for pair in zip(conditions, values, strict=False) for part in pair]
        return Call("case", (*pairs, values[-1]), values[0].type)

    def extreme(self, node: exp.Expr, op: str) -> Expression:
        """Reduce `least` or `greatest` to comparisons: NULL where an argument is NULL."""
        values = self.alike(node, [node.this, *node.expressions], NUMBER)
        result = values[0]
        for value in values[1:]:
            first = Call(op, (result, value), DataType.BOOLEAN)
            second = Call(op, (value, result), DataType.BOOLEAN)
            nothing = Literal(None, value.type)
            result = Call("case", (first, result, second, value, nothing), value.type)
        return result

    def cast(self, node: exp.Cast) -> Expression:
        """Type a cast of the list."""
        target = _TARGETS.get(node.to.this)
        if target is None or node.to.expressions or node.args.get("format"):
            raise self.refuse(node, "a cast goes to bigint, double, boolean, string or timestamp")
        if isinstance(node.this.unnest(), exp.Null):
            return Literal(None, target)
        value = self.expression(node.this)
        if value.type == target:
            return value
        if (value.type, target) not in CASTS:
            raise self.refuse(
                node, f"no cast from {value.type.value} to {target.value} is the same everywhere"
            )
        return Call("cast", (value,), target)

    def extract(self, node: exp.Extract) -> Expression:
        """Type a date part in a time zone, UTC unless one is named."""
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
        return Call("extract", (self.typed(moment, MOMENT),), DataType.INTEGER, (part, zone))

    def date_trunc(self, node: exp.DateTrunc) -> Expression:
        """Reduce `date_trunc(part, t)` to arithmetic on UTC's days."""
        if not self.bare(node, "unit", "this") or isinstance(node.this, exp.AtTimeZone):
            raise self.refuse(node, "date_trunc goes by UTC, for elsewhere a day may begin twice")
        part = node.args["unit"].name.lower()
        if part not in macros.TRUNCATIONS:
            raise self.refuse(node, f"date_trunc goes to one of {', '.join(macros.TRUNCATIONS)}")
        return self.macro(macros.TRUNCATIONS[part], t=self.typed(node.this, MOMENT))

    def haversine(self, node: exp.Anonymous) -> Expression:
        """Reduce `haversine(lat1, lon1, lat2, lon2)` to its formula."""
        names = ("lat1", "lon1", "lat2", "lon2")
        if len(node.expressions) != len(names):
            raise self.refuse(node, f"haversine takes {', '.join(names)}, in degrees")
        self.must_be_allowed(node)
        degrees = {name: self.double(part) for name, part in zip(names, node.expressions, strict=True)}
        return self.macro(macros.HAVERSINE, **degrees)

    def hash_bucket(self, node: exp.Anonymous) -> Call:
        """Type `hash_bucket(text or bigint, n)`; a bigint hashes as its text."""
        if len(node.expressions) != 2:
            raise self.refuse(node, "hash_bucket takes a value and the number of buckets")
        value = self.typed(node.expressions[0], INTEGER | TEXT)
        if value.type is DataType.INTEGER:
            value = Call("cast", (value,), DataType.TEXT)
        buckets = self.constant(node, node.expressions[1], 1, _MOST_BUCKETS)
        return Call("hash_bucket", (value, Literal(buckets, DataType.INTEGER)), DataType.INTEGER)
