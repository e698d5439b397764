"""The compiler of feature groups: from what a user wrote to the plan that engines read."""

from collections.abc import Mapping
from dataclasses import replace

from features.aggregates import OPERATIONS, Aggregate, Part
from features.compile_inputs import compile_lookups, compile_sources
from features.defaults import compile_defaults
from features.definitions import FeatureGroup, Freshness
from features.errors import DefinitionError
from features.expressions import Call, Column, Expression, Literal, parse
from features.expressions.tree import substitute
from features.inputs import event_columns, shared_columns
from features.naming import check_name
from features.plan import CUBED_BOUND, Argument, Feature, GroupPlan, NamedExpression, PlannedAggregate
from features.ranges import compile_ranges
from features.types import DataType
from features.windows import Window, milliseconds


def compile_group(group: FeatureGroup) -> GroupPlan:
    """Type, check and lay out a feature group. Raises `DefinitionError` with the rule that is broken."""
    place = f"group {group.name} v{group.version}"
    check_name(group.name, place)
    if group.version < 1:
        raise DefinitionError(place, "a version is 1 or more", "it cannot be ordered", group.version)
    sources = compile_sources(group, place)
    shared = shared_columns(sources)
    lookups = compile_lookups(group.lookups, sources, shared, place)
    given = event_columns(shared, lookups)
    for key in group.entity.keys:
        if key not in given:
            rule = (
                f"entity {group.entity.name} is keyed by columns of {' and '.join(s.name for s in sources)} "
                f"({', '.join(given)})"
            )
            raise DefinitionError(place, rule, "events could not be told apart by entity", key)
        if given[key] is DataType.DOUBLE:
            rule = "an entity is keyed by text, integers, booleans or timestamps"
            raise DefinitionError(place, rule, "engines write doubles in different ways", key)
    columns = _expressions(group.columns, dict(given), f"{place}, columns")
    readable = given | {name: e.type for name, e in columns.items()}
    where = None if group.where is None else _condition(group.where, readable, columns, f"{place}, where")
    arguments, windows, aggregates = _aggregates(group, readable, columns, place)
    derived = _expressions(
        group.derived, {a.name: a.type for a in aggregates}, f"{place}, derived", inexact=True
    )
    _check_features([*(a.name for a in aggregates), *derived], place)
    features = [Feature(a.name, a.type) for a in aggregates]
    features += [Feature(name, expression.type) for name, expression in derived.items()]
    defaults = compile_defaults(group.defaults, features, place)
    lag, alert, on_stale, quiet_after = _freshness(group.freshness, place)
    if on_stale == "default" and not defaults:
        rule = "on_stale is default only where a feature has a default"
        raise DefinitionError(f"{place}, freshness", rule, "a stale vector would be empty", on_stale)
    return GroupPlan(
        name=group.name,
        version=group.version,
        entity=group.entity.name,
        keys=group.entity.keys,
        sources=sources,
        lookups=lookups,
        where=where,
        arguments=arguments,
        windows=windows,
        aggregates=aggregates,
        derived=tuple(NamedExpression(name, expression) for name, expression in derived.items()),
        defaults=defaults,
        ranges=compile_ranges(group.ranges, features, defaults, place),
        expected_max_lag_ms=lag,
        alert_threshold_ms=alert,
        on_stale=on_stale,
        quiet_after_ms=quiet_after,
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
) -> tuple[tuple[Argument, ...], tuple[Window, ...], tuple[PlannedAggregate, ...]]:
    if not group.aggregates:
        raise DefinitionError(place, "a group has at least one aggregate", "its rows would be empty")
    windows = sorted({a.window for a in group.aggregates if a.window is not None})
    arguments: dict[Expression, Argument] = {}
    planned = []
    for aggregate in group.aggregates:
        value, result = _value(aggregate, readable, columns, f"{place}, aggregate {aggregate.name}")
        if value is not None:
            cubed = Part.CUBES in aggregate.operation.parts
            known = arguments.get(value) or Argument(_argument_name(aggregate, arguments), value)
            arguments[value] = replace(known, bound=CUBED_BOUND) if cubed else known
        planned.append(
            PlannedAggregate(
                name=aggregate.name,
                op=aggregate.op,
                argument=None if value is None else list(arguments).index(value),
                window=None if aggregate.window is None else windows.index(aggregate.window),
                type=result,
                options=aggregate.options,
            )
        )
    return tuple(arguments.values()), tuple(windows), tuple(planned)


def _argument_name(aggregate: Aggregate, arguments: Mapping[Expression, Argument]) -> str:
    """Call an argument as its column; one under a condition as its aggregate, told from any column."""
    if aggregate.where is None:
        assert aggregate.argument is not None
        return aggregate.argument
    return f"{aggregate.name}_where_{len(arguments)}"


def _value(
    aggregate: Aggregate, readable: Mapping[str, DataType], columns: Mapping[str, Expression], place: str
) -> tuple[Expression | None, DataType]:
    """Give what the aggregate is computed from (None: from the events as such), and its feature's type."""
    operation = OPERATIONS[aggregate.op]
    result = operation.result
    value: Expression | None = None
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
        value = columns.get(aggregate.argument, Column(aggregate.argument, found))
    assert result is not None
    if aggregate.where is not None:
        keep = _condition(aggregate.where, readable, columns, f"{place}, where")
        kept = Literal(True, DataType.BOOLEAN) if value is None else value
        value = Call("case", (keep, kept, Literal(None, kept.type)), kept.type)
    return value, result


def _condition(
    text: str, readable: Mapping[str, DataType], columns: Mapping[str, Expression], place: str
) -> Expression:
    """Parse a condition on an event; raises `DefinitionError` where it is not boolean."""
    condition = substitute(parse(text, readable, place), columns)
    if condition.type is not DataType.BOOLEAN:
        raise DefinitionError(place, "a condition is boolean", "no event could be kept", text)
    return condition


def _check_features(names: list[str], place: str) -> None:
    for name in names:
        check_name(name, place)
        if names.count(name) > 1:
            raise DefinitionError(
                place, "each feature of a group has a name of its own", "one would hide the other", name
            )


def _freshness(freshness: Freshness, place: str) -> tuple[int, int, str, int | None]:
    if freshness.on_stale not in ("serve", "default", "refuse"):
        raise DefinitionError(
            f"{place}, freshness",
            "on_stale is serve, default or refuse",
            "a reader would not know what it gets",
            freshness.on_stale,
        )
    lag = milliseconds(freshness.expected_max_lag, f"{place}, expected_max_lag")
    alert, quiet_after = freshness.alert_threshold_minutes * 60_000, None
    if freshness.quiet_after is not None:
        quiet_after = milliseconds(freshness.quiet_after, f"{place}, quiet_after")
        if quiet_after < alert:
            raise DefinitionError(
                f"{place}, freshness",
                "quiet_after is no less than alert_threshold_minutes",
                "a quiet source would be told of before a pipeline that stands still",
                freshness.quiet_after,
            )
    return lag, alert, freshness.on_stale, quiet_after
