import struct
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.layout import (
    Layout,
    LayoutMismatchError,
    clock_key,
    pack_clock,
    row_key,
    unpack_clock,
)
from features.plan import Feature
from features.types import DataType, Value

I64 = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    DataType.INTEGER: I64,
    DataType.DOUBLE: st.floats(allow_nan=False),
    DataType.BOOLEAN: st.booleans(),
    DataType.TEXT: st.text(max_size=12),
    DataType.TIMESTAMP: I64,
}


@dataclass
class Group:
    label: str
    features: tuple[Feature, ...]


def features(*types: DataType) -> tuple[Feature, ...]:
    return tuple(Feature(f"f{i}", t) for i, t in enumerate(types))


@st.composite
def tables(draw: st.DrawFn) -> tuple[Layout, list[dict[str, Value]]]:
    fs = features(*draw(st.lists(st.sampled_from(list(DataType)), min_size=1, max_size=70)))
    row = st.fixed_dictionaries(
        {"event_timestamp": I64, "seq": I64} | {f.name: st.none() | VALUES[f.type] for f in fs}
    )
    return Layout.of(Group("g.v1", fs)), draw(st.lists(row, max_size=4))


@given(tables())
def test_round_trip(table: tuple[Layout, list[dict[str, Value]]]) -> None:
    layout, rows = table
    for row in rows:
        assert layout.unpack(layout.pack(row)) == row


@given(tables())
def test_values_are_those_at_the_positions_in_their_order(
    table: tuple[Layout, list[dict[str, Value]]],
) -> None:
    layout, rows = table
    positions = range(len(layout.features) - 1, -1, -2)
    for row in rows:
        found = layout.values(layout.pack(row), positions)
        assert found == [row[layout.features[position].name] for position in positions]


def test_bytes_are_as_documented() -> None:
    layout = Layout(
        7, features(DataType.INTEGER, DataType.TEXT, DataType.DOUBLE, DataType.TEXT, DataType.BOOLEAN)
    )
    row = {"event_timestamp": 5, "seq": 9, "f0": None, "f1": "é", "f2": -0.5, "f3": "xyz", "f4": True}
    assert (
        layout.pack(row)
        == struct.pack("<QqqQqIIdIIq", 7, 5, 9, 0b00001, 0, 0, 2, -0.5, 2, 3, 1) + "éxyz".encode()
    )


def test_layout_id_follows_group_version_names_and_types() -> None:
    base = Layout.of(Group("g.v1", features(DataType.DOUBLE)))
    others = [
        Group("g.v2", features(DataType.DOUBLE)),
        Group("h.v1", features(DataType.DOUBLE)),
        Group("g.v1", features(DataType.INTEGER)),
        Group("g.v1", features(DataType.DOUBLE, DataType.DOUBLE)),
        Group("g.v1", (Feature("other", DataType.DOUBLE),)),
    ]
    assert Layout.of(Group("g.v1", features(DataType.DOUBLE))).schema_id == base.schema_id
    assert all(Layout.of(group).schema_id != base.schema_id for group in others)
    # Rows outlive the process that wrote them, so an id must never change.
    assert base.schema_id == 0x2B6B8EA1956EF746


def test_another_layout_is_refused() -> None:
    mine, other = Layout(1, features(DataType.DOUBLE)), Layout(2, features(DataType.DOUBLE))
    row = other.pack({"event_timestamp": 1, "seq": 1, "f0": 1.0})
    for read in (mine.unpack, lambda r: mine.values(r, [0])):
        with pytest.raises(LayoutMismatchError, match="0x1, and this one 0x2"):
            read(row)
        with pytest.raises(LayoutMismatchError, match="at least 40 bytes, and this one 39"):
            read(row[:39])


def test_keys_and_clock() -> None:
    assert row_key("carrier_delay", 1, "AA|JFK") == "augury:carrier_delay:v1:AA|JFK"
    assert clock_key("carrier_delay", 1) == "augury:carrier_delay:v1@clock"
    assert pack_clock(1) == b"\1\0\0\0\0\0\0\0"
    assert unpack_clock(pack_clock(1_357_000_000_000)) == 1_357_000_000_000
