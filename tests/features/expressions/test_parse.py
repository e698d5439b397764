import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import DefinitionError
from features.expressions import Column, parse
from features.expressions.operations import canonical
from features.expressions.tree import columns_of, substitute
from features.types import DataType
from tests.expressions_table import COLUMNS, SHEETS, Sheet

PLACE = "group g v1, where"


@pytest.mark.parametrize(
    ("text", "rule", "at"),
    [
        ("soundex(s)", "soundex is not among the functions that an expression may use", "SOUNDEX(s)"),
        ("i + count(*)", "count is not among the functions", "COUNT(*)"),
        ("s like 'a%'", "like is not among the functions", "s LIKE 'a%'"),
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
        ("cast(x as decimal(3, 1))", "a cast goes to bigint, double, boolean or string", "DECIMAL"),
        ("cast(i as varchar(3))", "a cast goes to bigint, double, boolean or string", "VARCHAR(3)"),
        ("cast(x as bigint format 'a')", "a cast goes to bigint, double, boolean or string", "FORMAT"),
        ("cast(x as string)", "no cast from double to string is the same everywhere", "CAST(x AS TEXT)"),
        ("cast(s as bigint)", "no cast from string to bigint is the same everywhere", "CAST(s AS BIGINT)"),
        ("extract(week from t)", "a date part is one of year, month, day, dow, doy, hour, minute", "WEEK"),
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
        assert parse(canonical(expression), COLUMNS, PLACE) == expression


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
        ("extract(hour from t)", "EXTRACT(HOUR FROM t AT TIME ZONE 'UTC')"),
    ],
)
def test_two_spellings_of_one_meaning_are_one_tree(text: str, same: str) -> None:
    assert parse(text, COLUMNS, PLACE) == parse(same, COLUMNS, PLACE)


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
