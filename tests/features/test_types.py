import pytest

from features import DataType, DefinitionError
from features.types import MAX_TIME, MIN_TIME, fits, from_avro, to_avro

TIME = {"type": "long", "logicalType": "timestamp-millis"}


@pytest.mark.parametrize(
    ("avro", "expected"),
    [
        ("int", DataType.INTEGER),
        ("long", DataType.INTEGER),
        ("float", DataType.DOUBLE),
        ("double", DataType.DOUBLE),
        ("boolean", DataType.BOOLEAN),
        ("string", DataType.TEXT),
        (TIME, DataType.TIMESTAMP),
        (["null", "string"], DataType.TEXT),
        (["double", "null"], DataType.DOUBLE),
        (["null", TIME], DataType.TIMESTAMP),
        ({"type": "string", "avro.java.string": "String"}, DataType.TEXT),
    ],
)
def test_a_field_becomes_a_value_type(avro: object, expected: DataType) -> None:
    assert from_avro(avro, "here") is expected


@pytest.mark.parametrize("data_type", DataType)
def test_every_value_type_has_an_avro_type(data_type: DataType) -> None:
    assert from_avro(to_avro(data_type), "here") is data_type
    assert from_avro(["null", to_avro(data_type)], "here") is data_type


@pytest.mark.parametrize(
    "avro",
    [
        *("bytes", "null", "unknown", 5, None, ["null"], ["null", "int", "string"]),
        *({"type": "long", "logicalType": "timestamp-micros"}, {"type": "int", "logicalType": "date"}),
        *({"type": "bytes", "logicalType": "decimal"}, {"type": "array", "items": "int"}, {"type": "map"}),
        {"type": "string", "logicalType": "uuid"},
    ],
)
def test_a_field_of_another_type_is_refused(avro: object) -> None:
    with pytest.raises(DefinitionError) as refused:
        from_avro(avro, "source landed, field x")
    assert "source landed, field x: a source's field is of type int, long" in str(refused.value)
    assert "the schema cannot be read as columns" in str(refused.value)


@pytest.mark.parametrize(
    ("data_type", "inside", "outside"),
    [
        (DataType.INTEGER, [0, -(2**63), 2**63 - 1], [2**63, -(2**63) - 1, 0.0, True, "0", None]),
        (DataType.DOUBLE, [0.0, -0.0, 1e308, 7, -(2**63)], [float("nan"), float("inf"), 2**63, False, "0"]),
        (DataType.BOOLEAN, [True, False], [0, 1.0, "true", None]),
        (DataType.TEXT, ["", "ü日"], [0, b"", None]),
        (DataType.TIMESTAMP, [MIN_TIME, 0, MAX_TIME], [MIN_TIME - 1, MAX_TIME + 1, 0.0, True]),
    ],
)
def test_a_value_fits_its_type_and_no_other(
    data_type: DataType, inside: list[object], outside: list[object]
) -> None:
    assert [value for value in (*inside, *outside) if fits(value, data_type)] == inside
