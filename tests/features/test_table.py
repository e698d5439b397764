import math
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.layout import Layout, LayoutMismatchError
from features.table import RowTable
from features.types import DataType, Value

from .test_layout import features, tables

Tables = list[tuple[Layout, list[dict[str, Value]]]]


def numeric(layout: Layout) -> list[int]:
    return [i for i, f in enumerate(layout.features) if f.type is not DataType.TEXT][::-1]


@given(st.lists(tables(), min_size=1, max_size=4), st.data())
def test_a_vector_is_what_its_groups_rows_hold(groups: Tables, data: st.DataObject) -> None:
    n = min(len(rows) for _, rows in groups)
    there = [[data.draw(st.booleans()) for _ in groups] for _ in range(n)]
    packed = [
        [layout.pack(rows[i]) if there[i][g] else None for g, (layout, rows) in enumerate(groups)]
        for i in range(n)
    ]
    numbers, heads = RowTable([(layout, numeric(layout)) for layout, _ in groups]).read(
        list(chain.from_iterable(packed))
    )
    for i in range(n):
        expected: list[Value] = []
        stamps: list[Value] = []
        for g, (layout, rows) in enumerate(groups):
            row = rows[i] if there[i][g] else {"event_timestamp": 0, "seq": -1}
            expected += [row.get(layout.features[position].name) for position in numeric(layout)]
            stamps += [row["event_timestamp"], row["seq"]]
        assert heads[i].tolist() == stamps
        for number, value in zip(numbers[i], expected, strict=True):
            assert math.isnan(number) if value is None else number == float(value)


def test_a_row_of_another_layout_is_refused() -> None:
    mine, other = Layout(1, features(DataType.DOUBLE)), Layout(2, features(DataType.DOUBLE))
    longer = Layout(2, features(DataType.DOUBLE, DataType.DOUBLE))
    table = RowTable([(mine, [0]), (mine, [0])])
    row = {"event_timestamp": 1, "seq": 1, "f0": 1.0, "f1": 2.0}
    for wrong in (other.pack(row), longer.pack(row)):
        with pytest.raises(LayoutMismatchError, match="0x1, and this one 0x2"):
            table.read([mine.pack(row), None, None, wrong])
    with pytest.raises(LayoutMismatchError, match="at least 40 bytes, and one has 39"):
        table.read([mine.pack(row)[:39], None])


def test_text_is_not_a_number() -> None:
    with pytest.raises(ValueError, match="f0 is text"):
        RowTable([(Layout(1, features(DataType.TEXT)), [0])])


def test_no_rows() -> None:
    numbers, heads = RowTable([(Layout(1, features(DataType.DOUBLE)), [0])]).read([])
    assert (numbers.shape, heads.shape) == ((0, 1), (0, 2))
