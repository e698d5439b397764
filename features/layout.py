"""The fixed layout of a feature row in the online store, and its keys.

Little endian: layout id (u64), `event_timestamp` (i64, ms), `seq` (i64), null bitmap (u64 words, bit i set
where feature i is NULL), eight bytes a feature (i64, f64, boolean as i64, text as u32 offset and u32 length
into the tail), and the tail of UTF-8 text. All rows of a group share the length before the tail, so that many
rows are read by one NumPy view (`features.table`).
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import fastavro.schema

from features.plan import Feature
from features.types import DataType, Value, to_avro

_CLOCK = struct.Struct("<q")
_CODES = {DataType.DOUBLE: "d", DataType.TEXT: "Q"}  # all others are i64
HEAD_WORDS = 3
MISSING_SEQ = -1
"""The `seq` of a row that is not there."""


class LayoutMismatchError(ValueError):
    """Bytes that are not a row of this layout."""


class Grouped(Protocol):
    """What has a layout: a version of a feature group, as a group's plan or a vector's."""

    @property
    def label(self) -> str:
        """`<name>.v<version>`."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features in row order."""


def row_key(group: str, version: int, entity: str) -> str:
    """Give the key of an entity's row; `entity` is its key text."""
    return f"augury:{group}:v{version}:{entity}"


def clock_key(group: str, version: int) -> str:
    """Give the key of how far, in ms of the log's clock, the group's stream has come."""
    return f"augury:{group}:v{version}@clock"


def epoch_key(group: str, version: int) -> str:
    """Give the key of the group's epoch: how often its rows were put back to a former time."""
    return f"augury:{group}:v{version}@epoch"


def floors_key(group: str, version: int) -> str:
    """Give the key of the hash, by row key, of the `seq` up to which rows belong to a former epoch."""
    return f"augury:{group}:v{version}@floors"


def pack_clock(clock: int) -> bytes:
    """Write a clock, in ms."""
    return _CLOCK.pack(clock)


def unpack_clock(value: bytes) -> int:
    """Read what `pack_clock` wrote."""
    return int(_CLOCK.unpack(value)[0])


class Layout:
    """Packs and unpacks the rows of one feature group version, which carry `schema_id` as layout id.

    `size` is a row's bytes before its tail, `bitmap_words` the words of its null bitmap; `missing` stands for
    a row that is not there.
    """

    def __init__(self, schema_id: int, features: Sequence[Feature]) -> None:
        self.schema_id = schema_id
        self.features = tuple(features)
        self.bitmap_words = -(-len(self.features) // 64)
        codes = "".join(_CODES.get(f.type, "q") for f in self.features)
        self._fixed = struct.Struct(f"<Qqq{8 * self.bitmap_words}s{codes}")
        self.size = self._fixed.size
        every = (1 << len(self.features)) - 1
        self.missing = self._join(0, MISSING_SEQ, every, [0] * len(self.features))

    @staticmethod
    def of(group: Grouped) -> "Layout":
        """Give the layout of a group version; its id is the CRC-64-AVRO of the features' Avro schema."""
        schema = {
            "type": "record",
            "name": f"augury.features.{group.label.replace('.', '_')}",
            "fields": [{"name": f.name, "type": ["null", to_avro(f.type)]} for f in group.features],
        }
        form = fastavro.schema.to_parsing_canonical_form(schema)
        return Layout(int(fastavro.schema.fingerprint(form, "CRC-64-AVRO"), 16), group.features)

    def pack(self, record: Mapping[str, Any]) -> bytes:
        """Write a row: `event_timestamp` in ms, `seq`, and each feature or None, by name.

        Raises `KeyError` for a feature that `record` lacks, `struct.error` for a value of another type.
        """
        nulls = 0
        values: list[int | float] = []
        tail = b""
        for position, feature in enumerate(self.features):
            value = record[feature.name]
            if value is None:
                nulls |= 1 << position
                value = 0
            elif feature.type is DataType.TEXT:
                text = str(value).encode()
                value = len(text) << 32 | len(tail)
                tail += text
            values.append(value)
        return self._join(record["event_timestamp"], record["seq"], nulls, values) + tail

    def _join(self, event_timestamp: int, seq: int, nulls: int, values: Iterable[int | float]) -> bytes:
        bitmap = nulls.to_bytes(8 * self.bitmap_words, "little")
        return self._fixed.pack(self.schema_id, event_timestamp, seq, bitmap, *values)

    def unpack(self, row: bytes) -> dict[str, Value]:
        """Read a row as `event_timestamp`, `seq` and each feature. Raises `LayoutMismatchError`."""
        event_timestamp, seq, *_ = self._words_of(row)
        values = self.values(row, range(len(self.features)))
        named = zip((f.name for f in self.features), values, strict=True)
        return {"event_timestamp": event_timestamp, "seq": seq, **dict(named)}

    def values(self, row: bytes, columns: Sequence[int]) -> list[Value]:
        """Read the features at positions `columns` of one row, exactly. Raises `LayoutMismatchError`."""
        _, _, bitmap, *words = self._words_of(row)
        nulls = int.from_bytes(bitmap, "little")
        return [None if nulls >> at & 1 else self._value(self.features[at], words[at], row) for at in columns]

    def _words_of(self, row: bytes) -> tuple[Any, ...]:
        """Give `event_timestamp`, `seq`, the bitmap and a word for each feature."""
        if len(row) < self._fixed.size:
            raise LayoutMismatchError(
                f"a row of this layout has at least {self._fixed.size} bytes, and this one {len(row)}: "
                "it cannot be read"
            )
        schema_id, *words = self._fixed.unpack_from(row)
        self.check(schema_id)
        return tuple(words)

    def _value(self, feature: Feature, value: int | float, row: bytes) -> Value:
        if feature.type is DataType.TEXT:
            start = self._fixed.size + (int(value) & 0xFFFFFFFF)
            return row[start : start + (int(value) >> 32)].decode()
        return bool(value) if feature.type is DataType.BOOLEAN else value

    def check(self, schema_id: int) -> None:
        """Raise `LayoutMismatchError` for the layout id of a row that another schema wrote."""
        if schema_id != self.schema_id:
            raise LayoutMismatchError(
                f"a row carries its layout's id, {self.schema_id:#x}, and this one {schema_id:#x}: "
                "its values cannot be told apart"
            )
