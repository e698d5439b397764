"""What a compiled group reads: its sources, and the sources that it looks values up in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from features.types import DataType


@dataclass(frozen=True)
class SourcePlan:
    """A source with its durations in milliseconds."""

    name: str
    topic: str
    columns: dict[str, DataType]
    event_time: str
    event_id: str
    partition_key: str
    dedup_ms: int
    max_clock_skew_ms: int
    partitions: int
    avro: dict[str, Any]

    @property
    def dedup(self) -> str:
        """Where duplicates meet: `partition` where an event id keeps to one, else `keyed` by the id."""
        if self.dedup_ms == 0:
            return "none"
        aligned = self.partitions == 1 or self.event_id == self.partition_key
        return "partition" if aligned else "keyed"

    def read(self, names: Iterable[str]) -> dict[str, DataType]:
        """Give those of its columns that are named or have a role, in the order of their names."""
        read = {*names, self.event_time, self.event_id, self.partition_key}
        return {name: self.columns[name] for name in sorted(read & self.columns.keys())}

    def to_dict(self, read: Iterable[str]) -> dict[str, Any]:
        """Give it as plain data, with those of its columns that are read or have a role."""
        return {
            "name": self.name,
            "columns": {name: t.value for name, t in self.read(read).items()},
            "event_time": self.event_time,
            "event_id": self.event_id,
            "partition_key": self.partition_key,
            "partitions": self.partitions,
            "dedup_ms": self.dedup_ms,
            "dedup": self.dedup,
            "max_clock_skew_ms": self.max_clock_skew_ms,
        }


@dataclass(frozen=True)
class LookupPlan:
    """A lookup: pairs of equal columns (event's, source's), and what an event gains (name, column)."""

    source: SourcePlan
    on: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]

    @property
    def types(self) -> dict[str, DataType]:
        """The columns that an event gains, by name."""
        return {name: self.source.columns[column] for name, column in self.columns}

    @property
    def columns_read(self) -> set[str]:
        """The columns of its source that it reads."""
        return {column for _, column in (*self.on, *self.columns)}

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        pairs = {"on": dict(self.on), "columns": dict(self.columns)}
        return {"source": self.source.to_dict(self.columns_read), **pairs}


def shared_columns(sources: Sequence[SourcePlan]) -> dict[str, DataType]:
    """Give the columns that all sources have, of one type, in the order of the first."""
    first, *others = sources
    return {n: t for n, t in first.columns.items() if all(o.columns.get(n) is t for o in others)}


def event_columns(shared: dict[str, DataType], lookups: Sequence[LookupPlan]) -> dict[str, DataType]:
    """Give the columns of an event: those that its sources share, then what lookups add."""
    found = dict(shared)
    for lookup in lookups:
        found |= lookup.types
    return found
