"""The compiled plan of a feature group: typed, canonical, and all that an engine needs to know.

Two groups are the same contract exactly if their canonical JSON is equal; its SHA-256 is the hash that is
stored, and that the same version must keep.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from features.aggregates import Option
from features.expressions import Expression
from features.expressions.functions import INEXACT
from features.expressions.operations import canonical
from features.expressions.tree import columns_of, operations_of
from features.inputs import LookupPlan, SourcePlan, event_columns, shared_columns
from features.naming import rows_table
from features.types import DataType, Value, to_avro
from features.windows import Window

T = TypeVar("T")
SCALE = 6  # decimal places that a double keeps in an exact sum
BOUND = 10**12  # a number beyond it is refused, so that no 128-bit sum can overflow
CUBED_BOUND = 10**9  # the same where cubes are summed and the moments multiplied, in 256 bits


@dataclass(frozen=True)
class Feature:
    """A feature's name and type."""

    name: str
    type: DataType


Defaults = tuple[tuple[str, Value], ...]
"""Features' defaults by name, in the order of the row."""
Ranges = tuple[tuple[str, tuple[float, float]], ...]
"""Which values of features are possible, by name: the least and the greatest, in the order of the row."""


def in_row_order(stated: Mapping[str, T], features: Iterable[Feature]) -> tuple[tuple[str, T], ...]:
    """Give what is stated of some features, by name."""
    return tuple((f.name, stated[f.name]) for f in features if f.name in stated)


@dataclass(frozen=True)
class NamedExpression:
    """A column that an expression gives."""

    name: str
    expression: Expression

    @property
    def type(self) -> DataType:
        """The type of the expression."""
        return self.expression.type

    @property
    def inexact(self) -> bool:
        """Whether engines may compute it some units in the last place apart."""
        return self.type is DataType.DOUBLE and not INEXACT.isdisjoint(operations_of(self.expression))


@dataclass(frozen=True)
class Argument(NamedExpression):
    """What aggregates are computed from: a number whose absolute value exceeds `bound` is refused."""

    bound: int = BOUND


@dataclass(frozen=True)
class PlannedAggregate:
    """An aggregate by positions: `argument` into the plan's arguments, `window` into its windows.

    `argument` None counts events; `window` None is the entity's lifetime; `options` are the operation's.
    """

    name: str
    op: str
    argument: int | None
    window: int | None
    type: DataType
    options: tuple[tuple[str, Option], ...] = ()

    def option(self, name: str, default: Option) -> Option:
        """Give an option's value."""
        return dict(self.options).get(name, default)

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        stated: dict[str, Any] = {"options": dict(self.options)} if self.options else {}
        place = {"argument": self.argument, "window": self.window}
        return {"name": self.name, "op": self.op, **place, "type": self.type.value, **stated}


@dataclass(frozen=True)
class GroupPlan:
    """A feature group, compiled.

    Row columns are expressions over source columns alone, derived features over aggregates alone: what
    they refer to is put in their place.
    """

    name: str
    version: int
    entity: str
    keys: tuple[str, ...]
    sources: tuple[SourcePlan, ...]
    lookups: tuple[LookupPlan, ...]
    where: Expression | None
    arguments: tuple[Argument, ...]
    windows: tuple[Window, ...]
    aggregates: tuple[PlannedAggregate, ...]
    derived: tuple[NamedExpression, ...]
    defaults: Defaults
    ranges: Ranges
    expected_max_lag_ms: int
    alert_threshold_ms: int
    on_stale: str
    quiet_after_ms: int | None
    owner: str
    meaning: str

    @property
    def label(self) -> str:
        """`<name>.v<version>`."""
        return f"{self.name}.v{self.version}"

    @property
    def topic(self) -> str:
        """The Kafka topic of the group's rows."""
        return f"features.{self.label}"

    @property
    def table(self) -> str:
        """The ClickHouse table of the rows that the stream emitted."""
        return rows_table(self.name, self.version)

    @property
    def backfill_table(self) -> str:
        """The ClickHouse table of the rows that the backfill computed."""
        return f"backfill_{self.name}_v{self.version}"

    @property
    def source(self) -> SourcePlan:
        """The first of the sources; the only one of most groups."""
        return self.sources[0]

    @cached_property
    def inputs(self) -> tuple[SourcePlan, ...]:
        """All sources that the group reads, each once: its clock is the least of theirs."""
        read = {s.name: s for s in (*self.sources, *(lookup.source for lookup in self.lookups))}
        return tuple(read.values())

    @cached_property
    def shared(self) -> dict[str, DataType]:
        """The columns that all sources of the group have, of one type."""
        return shared_columns(self.sources)

    @cached_property
    def columns(self) -> dict[str, DataType]:
        """The columns of an event: those that its sources share, then what lookups add."""
        return event_columns(self.shared, self.lookups)

    @cached_property
    def columns_read(self) -> frozenset[str]:
        """The columns of an event that the group reads: another one may come or go without a new contract."""
        read = {*self.keys, *(column for lookup in self.lookups for column, _ in lookup.on)}
        for expression in (self.where, *(a.expression for a in self.arguments)):
            read.update(() if expression is None else columns_of(expression))
        return frozenset(read)

    def read(self, source: SourcePlan) -> dict[str, DataType]:
        """Give the columns of one of the inputs that are read or have a role, in the order of their names."""
        names = set(self.columns_read) if source.name in {s.name for s in self.sources} else set()
        for lookup in self.lookups:
            if lookup.source.name == source.name:
                names |= lookup.columns_read
        return source.read(names)

    @property
    def order(self) -> str:
        """How events are applied: `arrival` where one partition holds all of an entity, else `log`.

        In `log` order an event waits until the clock of every partition has passed it, then goes by
        (T, topic, partition, offset).
        """
        if len(self.inputs) > 1:
            return "log"
        aligned = self.source.partitions == 1 or self.keys == (self.source.partition_key,)
        return "arrival" if aligned and self.source.dedup in ("none", "partition") else "log"

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The features in the order of every row: aggregates, then derived."""
        aggregates = [Feature(a.name, a.type) for a in self.aggregates]
        return (*aggregates, *(Feature(d.name, d.type) for d in self.derived))

    def avro_schema(self) -> dict[str, Any]:
        """Generate the Avro schema of the group's rows."""
        time = {"type": "long", "logicalType": "timestamp-millis"}
        fixed: list[tuple[str, object]] = [
            ("entity", "string"),
            ("event_timestamp", time),
            ("last_event_time", time),
            ("seq", "long"),
            ("topic", ["null", "string"]),
            ("partition", ["null", "int"]),
            ("offset", ["null", "long"]),
        ]
        fields = [*fixed, *((f.name, ["null", to_avro(f.type)]) for f in self.features)]
        return {
            "type": "record",
            "name": f"{self.name}_v{self.version}",
            "namespace": "augury.features",
            "fields": [
                {"name": n, "type": t, "default": None} if isinstance(t, list) else {"name": n, "type": t}
                for n, t in fields
            ],
        }

    def to_dict(self) -> dict[str, Any]:
        """Give the contract as plain data; of defaults, ranges and quiet sources it says what is stated."""
        defaults = {"defaults": dict(self.defaults)} if self.defaults else {}
        ranges = {"ranges": {name: list(ends) for name, ends in self.ranges}} if self.ranges else {}
        quiet = {} if self.quiet_after_ms is None else {"quiet_after_ms": self.quiet_after_ms}
        return {
            "group": self.name,
            "version": self.version,
            "meaning": self.meaning,
            "owner": self.owner,
            "entity": {"name": self.entity, "keys": list(self.keys)},
            "sources": [source.to_dict(self.columns_read) for source in self.sources],
            "lookups": [lookup.to_dict() for lookup in self.lookups],
            "order": self.order,
            "where": None if self.where is None else canonical(self.where),
            "scale": SCALE,
            "bound": BOUND,
            "arguments": [
                _named(a) | ({} if a.bound == BOUND else {"bound": a.bound}) for a in self.arguments
            ],
            "windows": [{"size": w.size, "hop": w.hop} for w in self.windows],
            "aggregates": [a.to_dict() for a in self.aggregates],
            "derived": [_named(d) for d in self.derived],
            **defaults,
            **ranges,
            "freshness": {
                "expected_max_lag_ms": self.expected_max_lag_ms,
                "alert_threshold_ms": self.alert_threshold_ms,
                "on_stale": self.on_stale,
                **quiet,
            },
        }

    def to_json(self) -> str:
        """Write the canonical JSON: sorted keys, two spaces, one newline at the end."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @cached_property
    def contract_hash(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _named(named: NamedExpression) -> dict[str, Any]:
    return {"name": named.name, "expression": canonical(named.expression), "type": named.type.value}
