"""Every operation of the expressions over edge values: the table that each engine is held to.

An engine is a function that evaluates typed expressions over rows. The Python evaluator is the reference;
`KNOWN` pins it to results worked out by hand, and `disagreements` holds another engine to it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

from features.expressions import Call, Expression, parse
from features.expressions.python import evaluator
from features.types import MAX_TIME, MIN_TIME, DataType, Row, Value

Engine = Callable[[Mapping[str, DataType], Sequence[Row], Sequence[Expression]], list[list[Value]]]
"""(columns, rows, expressions) -> for each row the value of each expression; timestamps are in ms."""

MIN, MAX = -(2**63), 2**63 - 1


def ms(text: str) -> int:
    """Read an ISO moment of UTC as ms since the epoch."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


@dataclass(frozen=True)
class Sheet:
    """Expressions over every combination of the columns' values."""

    name: str
    columns: dict[str, DataType]
    values: dict[str, tuple[Value, ...]]
    texts: tuple[str, ...]

    @property
    def rows(self) -> list[Row]:
        """All combinations."""
        return [dict(zip(self.values, row, strict=True)) for row in product(*self.values.values())]

    @property
    def expressions(self) -> list[Expression]:
        """The texts, parsed."""
        return [parse(text, self.columns, f"sheet {self.name}") for text in self.texts]


@dataclass(frozen=True)
class Known:
    """What one expression gives for one row, by hand."""

    text: str
    row: Row
    expected: Value


COLUMNS = {
    **dict.fromkeys("ij", DataType.INTEGER),
    **dict.fromkeys("xy", DataType.DOUBLE),
    **dict.fromkeys("pq", DataType.BOOLEAN),
    **dict.fromkeys("sr", DataType.TEXT),
    **dict.fromkeys("tu", DataType.TIMESTAMP),
}

INTEGERS: tuple[Value, ...] = (None, 0, 1, -1, 2, -7, 2**53 + 1, MAX, MIN)
DOUBLES: tuple[Value, ...] = (
    *(None, 0.0, -0.0, 0.5, -0.5, 2.5, -7.25, 0.1, 5e-324, 1e22, 2.0**53, -1.7976931348623157e308),
    *(2.0**63, -(2.0**63), math.nextafter(2.0**63, 0)),  # the edges of a cast to an integer
)
NOT_FINITE: tuple[Value, ...] = (math.nan, math.inf, -math.inf)
BOOLEANS: tuple[Value, ...] = (None, False, True)
TEXTS: tuple[Value, ...] = (
    None,
    "",
    "a",
    "A",
    "aB",
    "it's",
    '"',
    "\\",
    "\\n",
    "|",
    "%_",
    "ÄßÿİıΣ",
    "日本",
    "🛬",
)
MOMENTS: tuple[Value, ...] = (
    *(None, 0, 1, -1, -999, -1000, -1001),
    *(ms("2013-03-10T06:59:59.999"), ms("2013-03-10T07:00:00")),  # New York springs forward
    *(ms("2013-11-03T05:30:00"), ms("2013-11-03T06:30:00")),  # one local time, twice
    *(ms("2012-02-29T23:59:59"), ms("2012-03-01T00:00:00"), ms("2000-02-29T12:00:00")),
    *(ms("1900-03-01T00:00:00"), ms("1969-12-31T23:59:59.500"), ms("1967-04-30T07:00:00")),
    *(ms("2012-12-31T23:59:59"), ms("2013-01-01T04:59:59"), ms("2013-01-06T12:00:00")),  # a Sunday
    *(ms("2100-02-28T23:59:59"), ms("2200-01-01T00:00:00")),
    *(MIN_TIME - 1, MIN_TIME, MAX_TIME, MAX_TIME + 1, 10**14),  # the first and last that every engine holds
)
PARTS = ("year", "month", "day", "dow", "doy", "hour", "minute", "second")
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu")
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


def _over(
    columns: str, values: tuple[Value, ...]
) -> tuple[dict[str, DataType], dict[str, tuple[Value, ...]]]:
    return {c: COLUMNS[c] for c in columns}, dict.fromkeys(columns, values)


_INTEGER_TEXTS = (
    *("i + j", "i - j", "i * j", "i / j", "i % j", "- i", "abs(i)", "floor(i)", "ceil(i)"),
    *(f"i {op} j" for op in COMPARISONS),
    *("i is null", "i is not null", "coalesce(i, j)", "coalesce(i, j, 5)", "nullif(i, j)"),
    *(
        "least(i, j)",
        "greatest(i, j)",
        "least(i, j, 1)",
        "greatest(i, null)",
        "i in (1, j)",
        "i not in (2, -7)",
    ),
    *("i in (1, null)", "i between j and 2", "i not between -1 and j", "case when i > j then i end"),
    *("case when j <> 0 then i % j else -1 end", "case when i = 1 then 'one' when i > 1 then 'many' end"),
    *("cast(i as double)", "cast(i as string)", "cast(cast(i as double) as bigint)", "i + 0.5", "i < 0.5"),
    *("i * i - j * j", "i % 3 = -1", "- (- i)", "i / nullif(j, 1)", "9223372036854775807 + i"),
)
_DOUBLE_TEXTS = (
    *("x + y", "x - y", "x * y", "x / y", "- x", "abs(x)", "floor(x)", "ceil(x)"),
    *(f"x {op} y" for op in COMPARISONS),
    *("x is null", "coalesce(x, y)", "coalesce(x, 1)", "nullif(x, y)", "nullif(x, 0)", "least(x, y)"),
    *("greatest(x, y)", "greatest(x, y, 1)", "x in (0.5, y)", "x between -1 and y", "cast(x as bigint)"),
    *(
        "case when x > y then x else 0 end",
        "0.1 + x",
        "x + 1e22",
        "x * 1.5e-7",
        "- 0.0 + x",
        "x > 15",
        "x * -0.0",
    ),
)
_BOOLEAN_TEXTS = (
    *("p and q", "p or q", "not p", "not (p and q)", "p or not q", "p = q", "p <> q", "p < q", "p >= q"),
    *(
        "p is null",
        "coalesce(p, q)",
        "coalesce(p, q, true)",
        "nullif(p, q)",
        "case when p then q else not q end",
    ),
    *("case when p then 1 when q then 2 end", "case when p or q then p = q end", "cast(p as bigint)"),
    *("cast(p as string)", "p in (q, true)", "(p = q) = p", "p = (q is null)", "coalesce(p = q, false)"),
    *("cast(p and q as bigint) + 1", "cast(p = q as string)", "p and null", "p or null", "not (p and null)"),
)
_TEXT_TEXTS = (
    *("lower(s)", "upper(s)", "s || r", "lower(s || 'X')", "s is null", "coalesce(s, r, '')", "nullif(s, r)"),
    *(f"s {op} r" for op in COMPARISONS),
    *("s in ('a', 'it''s', r)", "s = 'it''s'", "s = '\\'", "s || '\\' || '\\n'", "s <> '日本'"),
    *("case when s < r then s || '|' else upper(r) end", "s between 'A' and r", "s || null"),
)
_MOMENT_TEXTS = tuple(
    f"extract({part} from t{f' at time zone {zone!r}' if zone else ''})"
    for zone in ("", *ZONES)
    for part in PARTS
)
_COMPARED_MOMENTS = (
    *(f"t {op} u" for op in COMPARISONS),
    *(
        "coalesce(t, u) = u",
        "nullif(t, u) is null",
        "t in (u)",
        "t between u and u",
        "case when t > u then t else u end = t",
    ),
)

SHEETS = (
    Sheet("integers", *_over("ij", INTEGERS), _INTEGER_TEXTS),
    Sheet("doubles", *_over("xy", DOUBLES), _DOUBLE_TEXTS),
    Sheet("doubles that are not finite", *_over("xy", (*NOT_FINITE, None, 0.0, 1.5)), _DOUBLE_TEXTS),
    Sheet("booleans", *_over("pq", BOOLEANS), _BOOLEAN_TEXTS),
    Sheet("texts", *_over("sr", TEXTS), _TEXT_TEXTS),
    Sheet("parts of moments", *_over("t", MOMENTS), _MOMENT_TEXTS),
    Sheet("moments", *_over("tu", MOMENTS[:8]), _COMPARED_MOMENTS),
)

N, F, Y = None, False, True
_SPRING, _AUTUMN = ms("2013-03-10T06:59:59"), ms("2013-11-03T05:30:00")


def _truth(text: str, *results: Value) -> tuple[Known, ...]:
    """Give the whole table of two operands: p over rows F, NULL, T, and q over columns F, NULL, T."""
    pairs = product((F, N, Y), repeat=2)
    return tuple(Known(text, {"p": p, "q": q}, r) for (p, q), r in zip(pairs, results, strict=True))


KNOWN = (
    *_truth("p and q", F, F, F, F, N, N, F, N, Y),
    *_truth("p or q", F, N, Y, N, N, Y, Y, Y, Y),
    *_truth("not p", Y, Y, Y, N, N, N, F, F, F),
    *_truth("p = q", Y, N, F, N, N, N, F, N, Y),
    *_truth("p <> q", F, N, Y, N, N, N, Y, N, F),
    *_truth("p is null", F, F, F, Y, Y, Y, F, F, F),
    *_truth("coalesce(p, q)", F, F, F, F, N, Y, Y, Y, Y),
    *_truth("nullif(p, q)", N, F, F, N, N, N, Y, Y, N),
    *_truth("case when p then 1 when q then 2 else 3 end", 3, 3, 2, 3, 3, 2, 1, 1, 1),
    *_truth("p in (q, false)", Y, Y, Y, N, N, N, F, N, Y),
    Known("i + j", {"i": MAX, "j": 1}, MIN),
    Known("i - j", {"i": MIN, "j": 1}, MAX),
    Known("i * j", {"i": MIN, "j": -1}, MIN),
    Known("i * j", {"i": MAX, "j": 2}, -2),
    Known("- i", {"i": MIN}, MIN),
    Known("abs(i)", {"i": MIN}, MIN),
    Known("i / j", {"i": 7, "j": 2}, 3.5),
    Known("i / j", {"i": 7, "j": 0}, None),
    Known("x / y", {"x": 0.0, "y": -0.0}, None),
    Known("i % j", {"i": -7, "j": 2}, -1),
    Known("i % j", {"i": 7, "j": -2}, 1),
    Known("i % j", {"i": MIN, "j": -1}, 0),
    Known("i % j", {"i": 7, "j": 0}, None),
    Known("floor(x)", {"x": -0.5}, -1.0),
    Known("floor(x)", {"x": -0.0}, -0.0),
    Known("ceil(x)", {"x": -0.5}, -0.0),
    Known("ceil(x)", {"x": 1e22}, 1e22),
    Known("ceil(i)", {"i": MAX}, MAX),
    Known("cast(x as bigint)", {"x": -7.9}, -7),
    Known("cast(x as bigint)", {"x": 2.0**63}, None),
    Known("cast(x as bigint)", {"x": -(2.0**63)}, MIN),
    Known("cast(x as bigint)", {"x": math.nan}, None),
    Known("cast(i as double)", {"i": 2**53 + 1}, 2.0**53),
    Known("cast(i as string)", {"i": MIN}, "-9223372036854775808"),
    Known("cast(p as string)", {"p": True}, "true"),
    Known("cast(p as bigint)", {"p": True}, 1),
    Known("i = 0.5", {"i": 0}, False),
    Known("i = 9007199254740992.0", {"i": 2**53 + 1}, True),  # an integer beside a double becomes one
    Known("i in (1, null)", {"i": 1}, True),
    Known("i in (1, null)", {"i": 2}, None),
    Known("i between 1 and j", {"i": 0, "j": None}, False),
    Known("i between 1 and j", {"i": 1, "j": None}, None),
    Known("least(i, j)", {"i": 1, "j": None}, None),
    Known("greatest(i, j, 3)", {"i": 1, "j": 2}, 3),
    Known("least(x, y)", {"x": 1.0, "y": math.nan}, None),
    Known("nullif(i, 0) is null", {"i": 0}, True),
    Known("coalesce(i, 0.5)", {"i": 2}, 2.0),
    Known("lower(s)", {"s": "ÄZ"}, "Äz"),  # ASCII only
    Known("upper(s)", {"s": "ßı🛬a"}, "ßı🛬A"),
    Known("s || '''|\\'", {"s": '"'}, "\"'|\\"),
    Known("s || r", {"s": "a", "r": None}, None),
    Known("s < r", {"s": "Z", "r": "a"}, True),  # by code point
    Known("s < r", {"s": "\uffff", "r": "🛬"}, True),  # also beyond the basic plane
    Known("extract(hour from t)", {"t": _SPRING}, 6),
    Known("extract(hour from t at time zone 'America/New_York')", {"t": _SPRING}, 1),
    Known("extract(hour from t at time zone 'America/New_York')", {"t": _SPRING + 1000}, 3),
    Known("extract(hour from t at time zone 'America/New_York')", {"t": _AUTUMN}, 1),
    Known("extract(hour from t at time zone 'America/New_York')", {"t": _AUTUMN + 3_600_000}, 1),
    Known("extract(minute from t at time zone 'Asia/Kathmandu')", {"t": _SPRING}, 44),
    Known("extract(dow from t)", {"t": ms("2013-01-06T12:00:00")}, 0),
    Known("extract(dow from t at time zone 'America/New_York')", {"t": ms("2013-01-06T04:00:00")}, 6),
    Known("extract(doy from t)", {"t": ms("2012-12-31T23:59:59")}, 366),
    Known("extract(day from t)", {"t": ms("2012-02-29T23:59:59")}, 29),
    Known("extract(second from t)", {"t": -1}, 59),
    Known("extract(year from t)", {"t": -1}, 1969),
    Known("extract(year from t)", {"t": None}, None),
    Known("extract(year from t)", {"t": MIN_TIME}, 1900),
    Known("extract(year from t)", {"t": MIN_TIME - 1}, None),
    Known("extract(year from t)", {"t": MAX_TIME}, 2299),
    Known("extract(year from t)", {"t": MAX_TIME + 1}, None),
    Known("extract(year from t)", {"t": 10**18}, None),
)


def python(
    columns: Mapping[str, DataType], rows: Sequence[Row], expressions: Sequence[Expression]
) -> list[list[Value]]:
    """The reference engine."""
    compiled = [evaluator(e) for e in expressions]
    return [[evaluate(row) for evaluate in compiled] for row in rows]


def exactly(value: Value) -> str:
    """Spell a value so that only the same type and the same bits are equal."""
    return repr(value)


def disagreements(engine: Engine, sheet: Sheet) -> list[str]:
    """List where an engine's values differ from the reference, as texts that can be read."""
    rows, expressions = sheet.rows, sheet.expressions
    wanted = python(sheet.columns, rows, expressions)
    got = engine(sheet.columns, rows, expressions)
    assert len(got) == len(rows)
    return [
        f"{text} for {row}: {g!r}, not {w!r}"
        for row, wants, gots in zip(rows, wanted, got, strict=True)
        for text, w, g in zip(sheet.texts, wants, gots, strict=True)
        if exactly(w) != exactly(g)
    ]


def operations_of(expression: Expression) -> Iterator[str]:
    """Name the operations that an expression uses."""
    if isinstance(expression, Call):
        yield expression.op
        for argument in expression.arguments:
            yield from operations_of(argument)
