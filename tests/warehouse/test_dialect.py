import math
from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.expressions import Call, Expression, Literal
from features.expressions.operations import CANONICAL
from features.types import DataType, Row, Value
from tests.expressions_table import SHEETS, Engine, Sheet, disagreements
from tests.warehouse.engine import Query, in_process
from warehouse.dialect import CLICKHOUSE, TYPES, text, typed


def literal(value: Value) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case float():
            return "nan" if math.isnan(value) else f"toFloat64('{value!r}')"
        case str():
            return text(value)
        case _:
            return f"toInt64('{value}')"


@pytest.fixture(scope="module")
def query() -> Iterator[Query]:
    with in_process() as running:
        yield running


@pytest.fixture(scope="module")
def clickhouse(query: Query) -> Engine:
    """Evaluates over a real table, so that nothing is folded as a constant."""

    def evaluate(
        columns: Mapping[str, DataType], rows: Sequence[Row], expressions: Sequence[Expression]
    ) -> list[list[Value]]:
        query("DROP TABLE IF EXISTS sheet")
        defined = ", ".join(f"`{n}` Nullable({TYPES[t]})" for n, t in columns.items())
        query(f"CREATE TABLE sheet (_row Int64, {defined}) ENGINE MergeTree ORDER BY _row")
        values = ", ".join(
            f"({i}, {', '.join(_cell(row[n], t) for n, t in columns.items())})" for i, row in enumerate(rows)
        )
        query(f"INSERT INTO sheet VALUES {values}")
        selected = ", ".join(
            f"{typed(CLICKHOUSE.render(e), e.type)} AS _{i}" for i, e in enumerate(expressions)
        )
        return [list(row.values()) for row in query(f"SELECT {selected} FROM sheet ORDER BY _row")]

    return evaluate


def _cell(value: Value, data_type: DataType) -> str:
    if data_type is DataType.TIMESTAMP and value is not None:
        return f"fromUnixTimestamp64Milli(toInt64({value}), 'UTC')"
    return literal(value)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda s: s.name)
def test_clickhouse_agrees_with_the_reference(clickhouse: Engine, sheet: Sheet) -> None:
    assert disagreements(clickhouse, sheet) == []


def test_every_operation_is_spelled() -> None:
    assert CLICKHOUSE.operations.keys() == CANONICAL.operations.keys()


def test_an_operation_that_is_not_listed_is_refused() -> None:
    with pytest.raises(KeyError, match="soundex"):
        CLICKHOUSE.render(Call("soundex", (Literal("a", DataType.TEXT),), DataType.TEXT))


@settings(deadline=None, max_examples=50)
@given(value=st.text())
def test_a_text_comes_back_as_it_was(query: Query, value: str) -> None:
    assert query(f"SELECT {text(value)} AS v") == [{"v": value}]
