"""The compiled plan of a feature group: typed, canonical, and all that an engine needs to know.

Two groups are the same contract exactly if their canonical JSON is equal; its SHA-256 is the hash that is
stored, and that the same version must keep.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from features.aggregates import OPERATIONS, Aggregate
from features.definitions import FeatureGroup, Freshness, Source
from features.errors import DefinitionError
from features.expressions import Column, Expression, parse
from features.expressions.operations import canonical
from features.expressions.tree import columns_of, substitute
from features.naming import check_name
from features.types import DataType, to_avro
from features.windows import Window, milliseconds

SCALE = 6  # decimal places that a double keeps in an exact sum
BOUND = 10**12  # a number beyond it is refused, so that no 128-bit sum can overflow


@dataclass(frozen=True)
class Feature:
    """A feature's name and type."""

    name: str
    type: DataType


@dataclass(frozen=True)
class NamedExpression:
    """A column that an expression gives."""

    name: str
    expression: Expression

    @property
    def type(self) -> DataType:
        """The type of the expression."""
        return self.expression.type


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


@dataclass(frozen=True)
class PlannedAggregate:
    """An aggregate by positions: `argument` into the plan's arguments, `window` into its windows.

    `argument` None counts events; `window` None is the entity's lifetime.
    """

    name: str
    op: str
    argument: int | None
    window: int | None
    type: DataType


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
    source: SourcePlan
    where: Expression | None
    arguments: tuple[NamedExpression, ...]
    windows: tuple[Window, ...]
    aggregates: tuple[PlannedAggregate, ...]
    derived: tuple[NamedExpression, ...]
    expected_max_lag_ms: int
    alert_threshold_ms: int
    on_stale: str
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
        return f"features_{self.name}_v{self.version}"

    @property
    def backfill_table(self) -> str:
        """The ClickHouse table of the rows that the backfill computed."""
        return f"backfill_{self.name}_v{self.version}"

    @property
    def order(self) -> str:
        """How events are applied: `arrival` where one partition holds all of an entity, else `log`.

        In `log` order an event waits until the clock of every partition has passed it, then goes by
        (T, topic, partition, offset).
        """
        aligned = self.source.partitions == 1 or self.keys == (self.source.partition_key,)
        return "arrival" if aligned and self.dedup in ("none", "partition") else "log"

    @property
    def dedup(self) -> str:
        """Where duplicates meet: `partition` where an event id keeps to one, else `keyed` by the id."""
        if self.source.dedup_ms == 0:
            return "none"
        aligned = self.source.partitions == 1 or self.source.event_id == self.source.partition_key
        return "partition" if aligned else "keyed"

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
        """Give the contract as plain data."""
        return {
            "group": self.name,
            "version": self.version,
            "meaning": self.meaning,
            "owner": self.owner,
            "entity": {"name": self.entity, "keys": list(self.keys)},
            "source": {
                "name": self.source.name,
                "columns": {name: t.value for name, t in self.source.columns.items()},
                "event_time": self.source.event_time,
                "event_id": self.source.event_id,
                "partition_key": self.source.partition_key,
                "partitions": self.source.partitions,
                "dedup_ms": self.source.dedup_ms,
                "max_clock_skew_ms": self.source.max_clock_skew_ms,
            },
            "order": self.order,
            "dedup": self.dedup,
            "where": None if self.where is None else canonical(self.where),
            "scale": SCALE,
            "bound": BOUND,
            "arguments": [_named(a) for a in self.arguments],
            "windows": [{"size": w.size, "hop": w.hop} for w in self.windows],
            "aggregates": [
                {"name": a.name, "op": a.op, "argument": a.argument, "window": a.window, "type": a.type.value}
                for a in self.aggregates
            ],
            "derived": [_named(d) for d in self.derived],
            "freshness": {
                "expected_max_lag_ms": self.expected_max_lag_ms,
                "alert_threshold_ms": self.alert_threshold_ms,
                "on_stale": self.on_stale,
            },
        }

    def to_json(self) -> str:
        """Write the canonical JSON: sorted keys, two spaces, one newline at the end."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @cached_property
    def contract_hash(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _named(named: NamedExpression) -> dict[str, str]:
    return {"name": named.name, "expression": canonical(named.expression), "type": named.type.value}


def compile_source(source: Source) -> SourcePlan:
    """Check a source and read its durations. Raises `DefinitionError`."""
    place = f"source {source.name}"
    check_name(source.name, place)
    for name in source.columns:
        check_name(name, f"{place}, field {name}")
    for role, name in (
        ("event_time", source.event_time),
        ("event_id", source.event_id),
        ("partition_key", source.partition_key),
    ):
        if name not in source.columns:
            rule = f"{role} names a column of the schema ({', '.join(source.columns)})"
            raise DefinitionError(place, rule, "the source cannot be read", name)
    if source.columns[source.event_time] is not DataType.TIMESTAMP:
        raise DefinitionError(
            place,
            "event_time is a timestamp-millis column",
            "no window could be told",
            f"{source.event_time}: {source.columns[source.event_time].value}",
        )
    if source.partitions < 1:
        raise DefinitionError(
            place, "a topic has at least one partition", "it cannot be made", source.partitions
        )
    return SourcePlan(
        name=source.name,
        topic=source.name,
        columns=source.columns,
        event_time=source.event_time,
        event_id=source.event_id,
        partition_key=source.partition_key,
        dedup_ms=0 if source.dedup is None else milliseconds(source.dedup, f"{place}, dedup"),
        max_clock_skew_ms=milliseconds(source.max_clock_skew, f"{place}, max_clock_skew"),
        partitions=source.partitions,
        avro=source.avro,
    )


def compile_group(group: FeatureGroup) -> GroupPlan:
    """Type, check and lay out a feature group. Raises `DefinitionError` with the rule that is broken."""
    place = f"group {group.name} v{group.version}"
    check_name(group.name, place)
    if group.version < 1:
        raise DefinitionError(place, "a version is 1 or more", "it cannot be ordered", group.version)
    source = compile_source(group.source)
    for key in group.entity.keys:
        if key not in source.columns:
            rule = f"entity {group.entity.name} is keyed by columns of source {source.name}"
            raise DefinitionError(place, rule, "events could not be told apart by entity", key)
        if source.columns[key] is DataType.DOUBLE:
            rule = "an entity is keyed by text, integers, booleans or timestamps"
            raise DefinitionError(place, rule, "engines write doubles in different ways", key)
    columns = _expressions(group.columns, dict(source.columns), f"{place}, columns")
    readable = source.columns | {name: e.type for name, e in columns.items()}
    where = None
    if group.where is not None:
        where = substitute(parse(group.where, readable, f"{place}, where"), columns)
        if where.type is not DataType.BOOLEAN:
            raise DefinitionError(
                f"{place}, where", "a condition is boolean", "no event could be kept", group.where
            )
    arguments, windows, aggregates = _aggregates(group, readable, columns, place)
    derived = _expressions(group.derived, {a.name: a.type for a in aggregates}, f"{place}, derived")
    _check_features([*(a.name for a in aggregates), *derived], place)
    lag, alert, on_stale = _freshness(group.freshness, place)
    return GroupPlan(
        name=group.name,
        version=group.version,
        entity=group.entity.name,
        keys=group.entity.keys,
        source=source,
        where=where,
        arguments=arguments,
        windows=windows,
        aggregates=aggregates,
        derived=tuple(NamedExpression(name, expression) for name, expression in derived.items()),
        expected_max_lag_ms=lag,
        alert_threshold_ms=alert,
        on_stale=on_stale,
        owner=group.owner,
        meaning=group.meaning,
    )


def _expressions(
    texts: Mapping[str, str], readable: dict[str, DataType], place: str
) -> dict[str, Expression]:
    """Parse in order; each may name those before it, which are put in its place."""
    known = dict(readable)
    parsed: dict[str, Expression] = {}
    for name, text in texts.items():
        check_name(name, place)
        if name in known:
            raise DefinitionError(f"{place}, {name}", "a name is given once", "it would be ambiguous", name)
        parsed[name] = substitute(parse(text, known, f"{place}, {name}"), parsed)
        known[name] = parsed[name].type
    return parsed


def _aggregates(
    group: FeatureGroup, readable: Mapping[str, DataType], columns: Mapping[str, Expression], place: str
) -> tuple[tuple[NamedExpression, ...], tuple[Window, ...], tuple[PlannedAggregate, ...]]:
    if not group.aggregates:
        raise DefinitionError(place, "a group has at least one aggregate", "its rows would be empty")
    names = list(dict.fromkeys(a.argument for a in group.aggregates if a.argument is not None))
    windows = sorted({a.window for a in group.aggregates if a.window is not None})
    planned = [_aggregate(a, readable, names, windows, place) for a in group.aggregates]
    arguments = tuple(NamedExpression(n, columns.get(n, Column(n, readable[n]))) for n in names)
    return arguments, tuple(windows), tuple(planned)


def _aggregate(
    aggregate: Aggregate,
    readable: Mapping[str, DataType],
    names: list[str],
    windows: list[Window],
    place: str,
) -> PlannedAggregate:
    place = f"{place}, aggregate {aggregate.name}"
    operation = OPERATIONS[aggregate.op]
    result = operation.result
    if aggregate.argument is None:
        if operation.needs_argument:
            raise DefinitionError(place, f"{aggregate.op} takes a column", "there is nothing to aggregate")
    elif aggregate.argument not in readable:
        rule = f"an aggregate names a column of the source or of the group ({', '.join(readable)})"
        raise DefinitionError(place, rule, "there is nothing to aggregate", aggregate.argument)
    else:
        found = readable[aggregate.argument]
        if found not in operation.takes:
            wanted = " or ".join(sorted(t.value for t in operation.takes))
            rule = f"{aggregate.op} takes a {wanted} column"
            raise DefinitionError(
                place, rule, "it cannot be computed", f"{aggregate.argument}: {found.value}"
            )
        result = result or found
    assert result is not None
    return PlannedAggregate(
        name=aggregate.name,
        op=aggregate.op,
        argument=None if aggregate.argument is None else names.index(aggregate.argument),
        window=None if aggregate.window is None else windows.index(aggregate.window),
        type=result,
    )


def _check_features(names: list[str], place: str) -> None:
    for name in names:
        check_name(name, place)
        if names.count(name) > 1:
            raise DefinitionError(
                place, "each feature of a group has a name of its own", "one would hide the other", name
            )


def _freshness(freshness: Freshness, place: str) -> tuple[int, int, str]:
    if freshness.on_stale not in ("serve", "refuse"):
        raise DefinitionError(
            f"{place}, freshness",
            "on_stale is serve or refuse",
            "a reader would not know what it gets",
            freshness.on_stale,
        )
    lag = milliseconds(freshness.expected_max_lag, f"{place}, expected_max_lag")
    return lag, freshness.alert_threshold_minutes * 60_000, freshness.on_stale


def arguments_read(plan: GroupPlan) -> list[str]:
    """Name the source columns that the group reads, each once, in the schema's order."""
    read = {plan.source.event_time, plan.source.event_id, *plan.keys}
    for expression in (plan.where, *(a.expression for a in plan.arguments)):
        read.update(() if expression is None else columns_of(expression))
    return [name for name in plan.source.columns if name in read]
