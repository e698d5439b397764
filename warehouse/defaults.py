"""Defaults in ClickHouse SQL, wherever a stored feature is read as a vector has it."""

from features.expressions.tree import Call, Literal
from features.types import DataType, Value
from features.vector import VectorGroup
from warehouse.dialect import CLICKHOUSE, typed


def filled(group: VectorGroup, position: int, value: str, absent: str) -> str:
    """Write a feature's `value`, and where the condition `absent` holds, its default or NULL."""
    return f"if({absent}, {default(group, position)}, {value})" if group.defaults else value


def default(group: VectorGroup, position: int) -> str:
    """Write a feature's default, or NULL where none is stated."""
    data_type = group.features[position].type
    return typed(CLICKHOUSE.render(_constant(group.default(position), data_type)), data_type)


def _constant(value: Value, data_type: DataType) -> Literal | Call:
    """Give a constant of the type; a timestamp is written as its ms."""
    if data_type is DataType.TIMESTAMP:
        return Call("cast", (Literal(value, DataType.INTEGER),), data_type)
    return Literal(value, data_type)
