"""The value types that a column, an expression or a feature can have."""

from enum import StrEnum
from math import isfinite

from features.errors import DefinitionError

Value = int | float | bool | str | None
Row = dict[str, Value]
MIN_TIME, MAX_TIME = -2_208_988_800_000, 10_413_791_999_999  # ms: 1900 to 2299, what DateTime64(3) holds


class DataType(StrEnum):
    """A value type. Every value can also be NULL."""

    INTEGER = "bigint"  # 64-bit, two's complement
    DOUBLE = "double"  # IEEE 754 binary64, finite
    BOOLEAN = "boolean"
    TEXT = "string"  # Unicode
    TIMESTAMP = "timestamp"  # milliseconds since 1970-01-01T00:00:00Z

    @property
    def numeric(self) -> bool:
        """Whether arithmetic applies."""
        return self in (DataType.INTEGER, DataType.DOUBLE)


def fits(value: object, data_type: DataType) -> bool:
    """Tell whether a value that is not NULL is of the type; a double may be given as an integer."""
    integer = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    match data_type:
        case DataType.INTEGER:
            return integer
        case DataType.DOUBLE:
            return integer or (isinstance(value, float) and isfinite(value))
        case DataType.BOOLEAN:
            return isinstance(value, bool)
        case DataType.TEXT:
            return isinstance(value, str)
        case DataType.TIMESTAMP:
            return integer and MIN_TIME <= value <= MAX_TIME  # type: ignore[operator]


_AVRO = {
    "int": DataType.INTEGER,
    "long": DataType.INTEGER,
    "float": DataType.DOUBLE,
    "double": DataType.DOUBLE,
    "boolean": DataType.BOOLEAN,
    "string": DataType.TEXT,
}


def from_avro(avro: object, place: str) -> DataType:
    """Give the value type of an Avro field's type; a union must be of null and one other.

    Raises `DefinitionError` for a type that no expression can use.
    """
    if isinstance(avro, list):
        rest = [branch for branch in avro if branch != "null"]
        if len(rest) == 1:
            return from_avro(rest[0], place)
    elif isinstance(avro, dict):
        if avro.get("logicalType") == "timestamp-millis" and avro.get("type") == "long":
            return DataType.TIMESTAMP
        if "logicalType" not in avro and isinstance(avro.get("type"), str):
            return from_avro(avro["type"], place)
    elif isinstance(avro, str) and avro in _AVRO:
        return _AVRO[avro]
    raise DefinitionError(
        place,
        "a source's field is of type int, long, float, double, boolean, string or timestamp-millis, or null",
        "the schema cannot be read as columns",
        avro,
    )


def to_avro(data_type: DataType) -> object:
    """Give the Avro type that carries `data_type`."""
    match data_type:
        case DataType.INTEGER:
            return "long"
        case DataType.DOUBLE:
            return "double"
        case DataType.BOOLEAN:
            return "boolean"
        case DataType.TEXT:
            return "string"
        case DataType.TIMESTAMP:
            return {"type": "long", "logicalType": "timestamp-millis"}
