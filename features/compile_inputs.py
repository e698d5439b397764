"""The compiler of what groups read: sources, several as one, and lookups."""

from collections.abc import Sequence

from features.definitions import FeatureGroup, Lookup, Source
from features.errors import DefinitionError
from features.inputs import LookupPlan, SourcePlan
from features.naming import check_name, check_source_name
from features.types import DataType
from features.windows import milliseconds


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


def compile_sources(group: FeatureGroup, place: str) -> tuple[SourcePlan, ...]:
    """Compile the sources whose events a group takes. Raises `DefinitionError`."""
    sources = tuple(compile_source(source) for source in group.sources)
    if not sources:
        raise DefinitionError(place, "a group has at least one source", "it would have no events")
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        raise DefinitionError(place, "a group names a source once", "its events would count twice", names)
    return sources


def compile_lookups(
    lookups: Sequence[Lookup], sources: Sequence[SourcePlan], shared: dict[str, DataType], place: str
) -> tuple[LookupPlan, ...]:
    """Compile a group's lookups; each may go by what those before it add. Raises `DefinitionError`."""
    known, compiled = dict(shared), []
    for lookup in lookups:
        at = f"{place}, lookup {lookup.source.name}"
        source = compile_source(lookup.source)
        if source.name in {s.name for s in sources}:
            rule = "a lookup reads another source than the group's own"
            raise DefinitionError(at, rule, "an event would be looked up in itself", source.name)
        if not lookup.on or not lookup.columns:
            rule = "a lookup says what columns are equal, and what columns an event gains"
            raise DefinitionError(at, rule, "it would find nothing")
        for column, other in lookup.on.items():
            _check_pair(column, other, known, source, at)
        for name, column in lookup.columns.items():
            check_name(name, at)
            if column not in source.columns:
                rule = f"a lookup takes columns of its source ({', '.join(source.columns)})"
                raise DefinitionError(at, rule, "there is nothing to find", column)
            if name in known:
                raise DefinitionError(at, "a name is given once", "it would be ambiguous", name)
            known[name] = source.columns[column]
        compiled.append(LookupPlan(source, tuple(lookup.on.items()), tuple(lookup.columns.items())))
    return tuple(compiled)


def _check_pair(column: str, other: str, known: dict[str, DataType], source: SourcePlan, place: str) -> None:
    if column not in known or other not in source.columns:
        rule = (
            f"`on` pairs a column of the event ({', '.join(known)}) "
            f"with one of {source.name} ({', '.join(source.columns)})"
        )
        raise DefinitionError(place, rule, "nothing would ever be found", f"{column}: {other}")
    found = known[column], source.columns[other]
    if found[0] is not found[1] or DataType.DOUBLE in found:
        rule = "columns that are to be equal are of one type, and that is not double"
        raise DefinitionError(
            place,
            rule,
            "nothing would ever be found",
            f"{column}: {found[0].value}, {other}: {found[1].value}",
        )
