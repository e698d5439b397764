import re

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from features import DefinitionError
from features.expressions import Column, parse
from features.expressions.operations import canonical
from features.expressions.tree import columns_of, substitute
from features.types import DataType
from tests.expressions_table import COLUMNS, SHEETS, Sheet

PLACE = "group g v1, where"
_TARGETS = "a cast goes to bigint, double, boolean, string or timestamp"


@pytest.mark.parametrize(
    ("text", "rule", "at"),
    [
        ("soundex(s)", "soundex is not among the functions that an expression may use", "SOUNDEX(s)"),
        ("i + count(*)", "count is not among the functions", "COUNT(*)"),
        ("s ilike 'a%'", "ilike is not among the functions", "s ILIKE 'a%'"),
        ("s like any ('a', 'b')", "like is not among the functions", "LIKE ANY"),
        ("s like 'a!%' escape '!'", "escape is not among the functions", "ESCAPE '!'"),
        ("s like r", "a pattern is a constant text", "s LIKE r"),
        ("s like null", "a pattern is a constant text", "s LIKE NULL"),
        ("s like 'a\\b'", "in a pattern \\ stands before %, _ or \\", "s LIKE 'a"),
        ("s like 'a\\'", "in a pattern \\ stands before %, _ or \\", "s LIKE 'a"),
        ("i like '1'", "a string belongs here, not a bigint", "at 'i'"),
        ("trim('x' from s)", "trim is not among the functions", "TRIM"),
        ("strpos(s, 'a', 2)", "strposition is not among the functions", "'a'"),
        ("length(s, 'utf8')", "length is not among the functions", "LENGTH"),
        ("substring(s, 0.5)", "a bigint belongs here, not a double", "at '0.5'"),
        ("round(x, 2, 1)", "round is not among the functions", "ROUND(x, 2, 1)"),
        ("round(x, i)", "i must be a constant from 0 to 15", "ROUND(x, i)"),
        ("round(x, -1)", "-1 must be a constant from 0 to 15", "ROUND(x, -1)"),
        ("hash_bucket(s)", "hash_bucket takes a value and the number of buckets", "HASH_BUCKET(s)"),
        ("hash_bucket(s, 0)", "0 must be a constant from 1 to 2147483647", "HASH_BUCKET(s, 0)"),
        ("hash_bucket(x, 2)", "a bigint or string belongs here, not a double", "at 'x'"),
        ("log(x)", "log alone means either of two functions: say ln or log10", "LOG(x)"),
        ("log(2, x)", "log alone means either of two functions: say ln or log10", "LOG(2, x)"),
        ("haversine(x, y)", "haversine takes lat1, lon1, lat2, lon2, in degrees", "HAVERSINE(x, y)"),
        ("date_trunc('quarter', t)", "date_trunc goes to one of second, minute, hour, day", "DATE_TRUNC"),
        ("date_trunc('day', t at time zone 'UTC')", "date_trunc goes by UTC", "DATE_TRUNC"),
        ("date_trunc('day', t, 'UTC')", "date_trunc goes by UTC", "DATE_TRUNC"),
        ("date_trunc('day', i)", "a timestamp belongs here, not a bigint", "at 'i'"),
        (
            "cast(t as timestamp(3))",
            _TARGETS,
            "TIMESTAMP",
        ),
        ("case i when 1 then 2 end", "case is not among the functions", "CASE i WHEN 1 THEN 2 END"),
        ("i in (select 1)", "in is not among the functions", "i IN (SELECT 1)"),
        ("i is true", "is is not among the functions", "i IS TRUE"),
        ("floor(x, 2)", "floor is not among the functions", "FLOOR(x, 2)"),
        ("ceil(x to hour)", "ceil is not among the functions", "CEIL(x TO hour)"),
        ("i between symmetric 2 and 1", "between is not among the functions", "BETWEEN"),
        ("i > 1; p", "block is not among the functions", "i > 1; p"),
        ("delay > 1", "an expression names known columns (i, j, x, y, p, q, s, r, t, u)", "'delay'"),
        ("I > 1", "an expression names known columns", "'I'"),
        ("g.i > 1", "an expression names known columns", "'g.i'"),
        ("s + 1", "a bigint or double belongs here, not a string", "at 's'"),
        ("i % x", "a bigint belongs here, not a double", "at 'x'"),
        ("i and p", "a boolean belongs here, not a bigint", "at 'i'"),
        ("not i", "a boolean belongs here, not a bigint", "at 'i'"),
        ("lower(i)", "a string belongs here, not a bigint", "at 'i'"),
        ("i || s", "a string belongs here, not a bigint", "at 'i'"),
        ("extract(hour from i)", "a timestamp belongs here, not a bigint", "at 'i'"),
        ("s = 1", "types must agree, not bigint and string", "s = 1"),
        ("p = 1", "types must agree, not bigint and boolean", "p = 1"),
        ("t > 5", "types must agree, not bigint and timestamp", "t > 5"),
        ("coalesce(i, s)", "types must agree, not bigint and string", "COALESCE(i, s)"),
        ("case when p then 1 else 'a' end", "types must agree, not bigint and string", "CASE"),
        (
            "cast(x as decimal(3, 1))",
            _TARGETS,
            "DECIMAL",
        ),
        (
            "cast(i as varchar(3))",
            _TARGETS,
            "VARCHAR(3)",
        ),
        (
            "cast(x as bigint format 'a')",
            _TARGETS,
            "FORMAT",
        ),
        ("cast(x as string)", "no cast from double to string is the same everywhere", "CAST(x AS TEXT)"),
        ("cast(s as boolean)", "no cast from string to boolean is the same everywhere", "CAST(s AS BOOLEAN)"),
        ("timestamp '2013-01-01'", "no cast from string to timestamp is the same everywhere", "CAST("),
        ("extract(week from t)", "a date part is one of year, quarter, month, day, dow", "WEEK"),
        ("extract(hour from t at time zone 'Mars')", "a time zone is an IANA name", "'Mars'"),
        ("extract(hour from t at time zone 'America')", "a time zone is an IANA name", "'America'"),
        ("extract(hour from t at time zone '../UTC')", "a time zone is an IANA name", "'../UTC'"),
        ("9223372036854775808", "an integer has 64 bits", "9223372036854775808"),
        ("x < 1e999", "a double is finite", "1e999"),
    ],
)
def test_what_is_not_on_the_list_is_refused(text: str, rule: str, at: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        parse(text, COLUMNS, PLACE)
    message = str(refused.value)
    assert message.startswith(f"{PLACE}: expression {text!r}, at ")
    assert rule in message
    assert at in message[len(f"{PLACE}: expression {text!r}") :]
    assert "the three engines would not agree on it, so it is refused" in message


@pytest.mark.parametrize("text", ["", "i >", "(i", "'a", "i i i", "select 1 from", "coalesce()", "i ** 2"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        parse(text, COLUMNS, PLACE)
    rule = "an expression is one SQL expression"
    assert str(refused.value) == f"{PLACE}: {rule} (found {text!r}); it cannot be compiled"


_WORDS = """
    i j x y p q s r t u ( ( ) ) , + - * / % = <> < <= > >= || . ; : :: [ ] { } ? @ ~ & | ' "
    and or not is null in between case when then else end cast as bigint double string extract hour
    from at time zone 'UTC' coalesce nullif least greatest lower abs floor 1 0.5 1e5 1e999 'a' true
    like % not like 'a%' substring ( s , 2 ) position haversine hash_bucket round sqrt ln log trim date_trunc
    select distinct over interval array struct exists all any lambda
"""


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_WORDS.split()), max_size=10).map(" ".join) | st.text(max_size=20))
def test_a_text_is_compiled_or_refused_and_nothing_else(text: str) -> None:
    try:
        expression = parse(text, COLUMNS, PLACE)
    except DefinitionError:
        return
    assert expression.type in DataType


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda s: s.name)
def test_the_canonical_text_reads_back_as_the_same_tree(sheet: Sheet) -> None:
    for expression in sheet.expressions:
        assert parse(canonical(expression), COLUMNS, PLACE, inexact=True) == expression


_LEAVES = {
    DataType.INTEGER: ("i", "j", "0", "7", "-7", "9223372036854775807", "cast(null as bigint)"),
    DataType.DOUBLE: ("x", "y", "0.0", "-0.0", "1e22", "-2.5", "cast(null as double)"),
    DataType.BOOLEAN: ("p", "q", "true", "false", "null"),
    DataType.TEXT: ("s", "r", "''", "'it''s'", "'\\'", "'🛬'", "cast(null as string)"),
    DataType.TIMESTAMP: ("t", "u", "cast(null as timestamp)"),
}
_FORMS = {
    DataType.INTEGER: (
        *("{i} + {i}", "{i} - {i}", "- {i}", "- (- {i})", "{i} % {i}", "abs({i})", "sign({x})", "sign({i})"),
        *("cast({x} as bigint)", "cast({s} as bigint)", "cast({t} as bigint)", "cast({p} as bigint)"),
        *("length({s})", "strpos({s}, {s})", "hash_bucket({s}, 9)", "hash_bucket({i}, 9)", "least({i}, {i})"),
        *("extract(quarter from {t} at time zone 'Asia/Kathmandu')", "case when {p} then {i} end"),
    ),
    DataType.DOUBLE: (
        *(
            "{x} * {i}",
            "{i} / {x}",
            "- {x}",
            "round({x})",
            "round({x}, 3)",
            "sqrt({i})",
            "ln({x})",
            "log10({x})",
        ),
        *(
            "exp({x})",
            "power({x}, {i})",
            "sin({x})",
            "cos({x})",
            "atan2({x}, {i})",
            "haversine({x}, 0, 1, {i})",
        ),
        *(
            "cast({s} as double)",
            "cast({i} as double)",
            "coalesce({x}, {i})",
            "nullif({x}, {i})",
            "floor({x})",
        ),
    ),
    DataType.BOOLEAN: (
        *(
            "{i} = {i}",
            "{s} <> {s}",
            "{t} <= {t}",
            "{p} and {p}",
            "not {p}",
            "{x} is null",
            "{x} in ({i}, null)",
        ),
        *("{s} like 'a\\%_%'", "{s} not like '%'", "starts_with({s}, {s})", "ends_with({s}, {s})"),
        *("{x} in ({i}, null)", "{x} between {i} and {x}", "{i} not in ({i}, {i})"),
    ),
    DataType.TEXT: (
        *("{s} || {s}", "upper({s})", "trim({s})", "ltrim({s})", "rtrim({s})", "substring({s}, {i})"),
        *("substring({s}, {i}, {i})", "replace({s}, {s}, {s})", "cast({i} as string)", "cast({p} as string)"),
    ),
    DataType.TIMESTAMP: (
        *("cast({i} as timestamp)", "date_trunc('week', {t})", "coalesce({t}, {t})", "nullif({t}, {t})"),
    ),
}
_NAMES = dict(zip("ixpst", DataType, strict=True))


def _texts(data_type: DataType, depth: int) -> st.SearchStrategy[str]:
    leaves = st.sampled_from(_LEAVES[data_type])
    if depth == 0:
        return leaves

    def filled(form: str) -> st.SearchStrategy[str]:
        parts = [_NAMES[name] for name in re.findall(r"{(\w)}", form)]
        pieces = re.split(r"{\w}", form)
        return st.tuples(*(_texts(part, depth - 1) for part in parts)).map(
            lambda found: pieces[0] + "".join(f"({a}){b}" for a, b in zip(found, pieces[1:], strict=True))
        )

    return leaves | st.sampled_from(_FORMS[data_type]).flatmap(filled)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(DataType).flatmap(lambda data_type: _texts(data_type, 3)), st.booleans())
def test_canonical_is_undone_by_parse(text: str, substituted: bool) -> None:
    expression = parse(text, COLUMNS, PLACE, inexact=True)
    if substituted:
        constants = {"i": "5", "j": "-5", "x": "-0.0", "s": "'a'", "p": "null", "t": "cast(1 as timestamp)"}
        columns = {name: parse(constant, COLUMNS, PLACE) for name, constant in constants.items()}
        expression = substitute(expression, columns)
    assert parse(canonical(expression), COLUMNS, PLACE, inexact=True) == expression


_INEXACT = (
    *("ln(x)", "log10(i)", "exp(x)", "power(x, 2)", "pow(x, y)", "sin(x)", "cos(x)", "atan2(x, y)"),
    "haversine(x, y, 0, 0)",
)


@pytest.mark.parametrize("text", _INEXACT)
def test_what_is_inexact_is_refused_where_engines_must_agree(text: str) -> None:
    assert parse(text, COLUMNS, PLACE, inexact=True).type is DataType.DOUBLE
    with pytest.raises(DefinitionError) as refused:
        parse(f"coalesce({text}, 0.0) > 1", COLUMNS, PLACE)
    message = str(refused.value)
    assert message.startswith(f"{PLACE}: expression 'coalesce({text}, 0.0) > 1', at ")
    assert f", at {sqlglot.parse_one(text).sql()!r}: only derived and on_demand may use it" in message


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("i<>j", "not (i = j)"),
        ("i between 1 and 2", "i >= 1 and i <= 2"),
        ("i in (1, 2)", "i = 1 or i = 2"),
        ("nullif(i, 0)", "case when i = 0 then null else i end"),
        ("mod(i, 2)", "i % 2"),
        ("i :: double", "cast(i as double)"),
        ("x = 1", "x = 1.0"),
        ("IfNull(i, 1) -- why", "coalesce(i, 1)"),
        ("char_length(s)", "length(s)"),
        ("substr(s, 2)", "substring(s from 2)"),
        ("position('a' in s)", "strpos(s, 'a')"),
        ("pow(x, i)", "power(x, cast(i as double))"),
        ("s not like 'a%'", "not s like 'a%'"),
        ("hash_bucket(i, 3)", "Hash_Bucket(cast(i as string), 3)"),
        ("round(i, 3)", "i"),
        ("sign(i)", "case when i > 0 then 1 when i < 0 then -1 when i = 0 then 0 end"),
        ("extract(hour from t)", "EXTRACT(HOUR FROM t AT TIME ZONE 'UTC')"),
    ],
)
def test_two_spellings_of_one_meaning_are_one_tree(text: str, same: str) -> None:
    assert parse(text, COLUMNS, PLACE, inexact=True) == parse(same, COLUMNS, PLACE, inexact=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i + j", DataType.INTEGER),
        ("i + x", DataType.DOUBLE),
        ("i / j", DataType.DOUBLE),
        ("abs(x)", DataType.DOUBLE),
        ("floor(i)", DataType.INTEGER),
        ("coalesce(null, i)", DataType.INTEGER),
        ("coalesce(i, 0.5)", DataType.DOUBLE),
        ("case when p then null else s end", DataType.TEXT),
        ("nullif(t, u)", DataType.TIMESTAMP),
        ("i in (1, null)", DataType.BOOLEAN),
        ("x is null", DataType.BOOLEAN),
        ("extract(dow from t)", DataType.INTEGER),
    ],
)
def test_types(text: str, expected: DataType) -> None:
    assert parse(text, COLUMNS, PLACE).type is expected


def test_columns_are_named_and_substituted() -> None:
    expression = parse("i + j > i", COLUMNS, PLACE)
    assert list(columns_of(expression)) == ["i", "j", "i"]
    replaced = substitute(expression, {"i": parse("j * 2", COLUMNS, PLACE), "s": Column("r", DataType.TEXT)})
    assert replaced == parse("j * 2 + j > j * 2", COLUMNS, PLACE)
