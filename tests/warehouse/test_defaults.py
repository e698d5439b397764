"""Defaults in ClickHouse SQL, of every type, beside a value and beside NULL."""

from dataclasses import replace

import pytest

from features.compile import compile_group
from features.types import MAX_TIME, MIN_TIME, DataType, Value
from features.vector import VectorGroup
from tests.definitions import whole
from warehouse.client import Client
from warehouse.defaults import filled
from warehouse.dialect import typed

PLAN = compile_group(replace(whole, derived={"moment": "cast(count_1h as timestamp)", **whole.derived}))
NAMES = {
    DataType.INTEGER: "seats_min",
    DataType.DOUBLE: "pace",
    DataType.BOOLEAN: "busy",
    DataType.TEXT: "carrier_last",
    DataType.TIMESTAMP: "moment",
}
SHOWN = {DataType.TIMESTAMP: "toUnixTimestamp64Milli({})"}


def group(defaults: dict[str, Value]) -> VectorGroup:
    return VectorGroup("whole", 2, "stand", PLAN.features, (), 1, "serve", tuple(defaults.items()))


def held(client: Client, data_type: DataType, defaults: dict[str, Value], value: str, absent: str) -> Value:
    at = [f.name for f in PLAN.features].index(NAMES[data_type])
    stored = typed(value, data_type)
    shown = SHOWN.get(data_type, "{}").format(filled(group(defaults), at, stored, absent))
    ((found,),) = client.query(f"SELECT {shown}").result_rows
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("data_type", "default"),
    [
        (DataType.INTEGER, -(2**63)),
        (DataType.INTEGER, 2**63 - 1),
        (DataType.DOUBLE, -0.1),
        (DataType.DOUBLE, 5e-324),
        (DataType.DOUBLE, 1.7976931348623157e308),
        (DataType.BOOLEAN, True),
        (DataType.BOOLEAN, False),
        (DataType.TEXT, ""),
        (DataType.TEXT, "it's \\n ü日"),
        (DataType.TIMESTAMP, MIN_TIME),
        (DataType.TIMESTAMP, MAX_TIME),
    ],
)
def test_a_default_is_itself_where_the_row_is_absent(
    database: Client, data_type: DataType, default: Value
) -> None:
    defaults = {NAMES[data_type]: default}
    for value in ("NULL", "'1'"):
        found = held(database, data_type, defaults, value, "1")
        assert (found, type(found)) == (default, type(default))
        assert held(database, data_type, defaults, "NULL", "0") is None


@pytest.mark.parametrize("data_type", DataType)
def test_what_has_no_default_is_null_in_a_group_that_has_some_and_as_it_is_in_another(
    database: Client, data_type: DataType
) -> None:
    other = {next(name for t, name in NAMES.items() if t is not data_type): 0}
    assert held(database, data_type, other, "'1'", "1") is None
    assert held(database, data_type, other, "'1'", "0") is not None
    assert held(database, data_type, {}, "'1'", "1") is not None
