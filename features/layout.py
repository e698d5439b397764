"""The fixed layout of a feature row in the online store, and its keys.

Little endian: layout id (u64), `event_timestamp` (i64, ms), `seq` (i64), null bitmap (u64 words, bit i set
where feature i is NULL), eight bytes a feature (i64, f64, boolean as i64, text as u32 offset and u32 length
into the tail), and the tail of UTF-8 text. All rows of a group share the length before the tail, so that many
rows are read by one NumPy view.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import fastavro.schema
import numpy as np
from numpy.typing import NDArray

from features.plan import Feature
from features.types import DataType, Value, to_avro

_CLOCK = struct.Struct("<q")
_CODES = {DataType.DOUBLE: "d", DataType.TEXT: "Q"}  # all others are i64
_HEAD_WORDS = 3


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
    """Packs and unpacks the rows of one feature group version, which carry `schema_id` as layout id."""

    def __init__(self, schema_id: int, features: Sequence[Feature]) -> None:
        self.schema_id = schema_id
        self.features = tuple(features)
        self._bitmap_words = -(-len(self.features) // 64)
        self._values_at = _HEAD_WORDS + self._bitmap_words
        codes = "".join(_CODES.get(f.type, "q") for f in self.features)
        self._fixed = struct.Struct(f"<Qqq{8 * self._bitmap_words}s{codes}")
        self._words = self._fixed.size // 8
        every = (1 << len(self.features)) - 1
        self._missing = self._join(0, 0, every, [0] * len(self.features))
        self._reading = lru_cache(maxsize=64)(self._plan_reading)

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
        bitmap = nulls.to_bytes(8 * self._bitmap_words, "little")
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
        self._check(schema_id)
        return tuple(words)

    def _value(self, feature: Feature, value: int | float, row: bytes) -> Value:
        if feature.type is DataType.TEXT:
            start = self._fixed.size + (int(value) & 0xFFFFFFFF)
            return row[start : start + (int(value) >> 32)].decode()
        return bool(value) if feature.type is DataType.BOOLEAN else value

    def numbers(self, rows: Sequence[bytes | None], columns: Sequence[int]) -> NDArray[np.float64]:
        """Read the features at positions `columns` of n rows: an array (n, k), NaN where NULL or row None.

        Integers beyond 2**53 are rounded, booleans are 0 and 1. Raises `LayoutMismatchError` for a row of
        another layout, `ValueError` for a text feature.
        """
        at, integers, null_word, null_bit = self._reading(tuple(columns))
        table = self._table(rows)
        raw = table.take(at, axis=1)
        numbers = raw.view(np.float64)
        if integers.size:
            numbers[:, integers] = raw.view(np.int64)[:, integers]
        numbers[(table.take(null_word, axis=1) >> null_bit & np.uint64(1)).astype(bool)] = np.nan
        return numbers

    def heads(self, rows: Sequence[bytes | None]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Read `event_timestamp` (ms) and `seq` of n rows; both are 0 where the row is None.

        Raises `LayoutMismatchError` for a row of another layout.
        """
        table = self._table(rows).view(np.int64)
        return table[:, 1], table[:, 2]

    def _table(self, rows: Sequence[bytes | None]) -> NDArray[np.uint64]:
        size = self._fixed.size
        joined = b"".join([self._missing if row is None else row[:size] for row in rows])
        if len(joined) != size * len(rows):
            short = min(len(row) for row in rows if row is not None)
            raise LayoutMismatchError(
                f"a row of this layout has at least {size} bytes, and one has {short}: it cannot be read"
            )
        table = np.frombuffer(joined, np.uint64).reshape(len(rows), self._words)
        others = table[:, 0] != self.schema_id
        if others.any():
            self._check(int(table[others][0, 0]))
        return table

    def _check(self, schema_id: int) -> None:
        if schema_id != self.schema_id:
            raise LayoutMismatchError(
                f"a row carries its layout's id, {self.schema_id:#x}, and this one {schema_id:#x}: "
                "its values cannot be told apart"
            )

    def _plan_reading(
        self, columns: tuple[int, ...]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.uint64]]:
        """Give, for `columns`: their words, which of them hold integers, their bitmap words and bits."""
        types = [self.features[column].type for column in columns]
        if DataType.TEXT in types:
            name = self.features[columns[types.index(DataType.TEXT)]].name
            raise ValueError(f"a vector holds numbers, and {name} is text: it cannot be read as one")
        positions = np.array(columns, np.intp)
        integers = np.array([i for i, t in enumerate(types) if t is not DataType.DOUBLE], np.intp)
        bits = (positions % 64).astype(np.uint64)
        return positions + self._values_at, integers, positions // 64 + _HEAD_WORDS, bits
