"""The compiler of sources and feature groups: from what a user wrote to the plan that engines read."""

from collections.abc import Mapping

from features.aggregates import OPERATIONS, Aggregate
from features.definitions import FeatureGroup, Freshness, Source
from features.errors import DefinitionError
from features.expressions import Column, Expression, parse
from features.expressions.tree import substitute
from features.naming import check_name, check_source_name
from features.plan import GroupPlan, NamedExpression, PlannedAggregate, SourcePlan
from features.types import DataType
from features.windows import Window, milliseconds


def compile_source(source: Source) -> SourcePlan:
    """Check a source and read its durations. Raises `DefinitionError`."""
    place = f"source {source.name}"
    check_source_name(source.name, place)
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
    derived = _expressions(
        group.derived, {a.name: a.type for a in aggregates}, f"{place}, derived", inexact=True
    )
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
    texts: Mapping[str, str], readable: dict[str, DataType], place: str, *, inexact: bool = False
) -> dict[str, Expression]:
    """Parse in order; each may name those before it, which are put in its place."""
    known = dict(readable)
    parsed: dict[str, Expression] = {}
    for name, text in texts.items():
        check_name(name, place)
        if name in known:
            raise DefinitionError(f"{place}, {name}", "a name is given once", "it would be ambiguous", name)
        parsed[name] = substitute(parse(text, known, f"{place}, {name}", inexact=inexact), parsed)
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
