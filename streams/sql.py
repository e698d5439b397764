"""A plan as Flink SQL: the tables that a job reads and writes, and the queries between its Java steps.

The job is: sources -> clock (Java, one for each) -> `taken` (SQL) -> lookups (SQL and Java, where there are
any) -> `events` (SQL) -> windows (Java) -> `rows` (SQL) -> sink. Times are BIGINT of milliseconds up to the
sink, whose format wants timestamps; the session's time zone is UTC.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from features.expressions.tree import quote
from features.handover import Handover
from features.inputs import SourcePlan
from features.plan import GroupPlan
from features.types import MAX_TIME, MIN_TIME, DataType
from schemas.records import load
from streams.dialect import FLINK, TYPES, column

TAKEN, WINDOWED, REFUSED, CLOCKS = "taken", "windowed", "refused", "clocks"
_PLACE = "`t`, `_topic`, `_partition`, `_offset`"


@dataclass(frozen=True)
class Addresses:
    """Where a job finds the log and the registry; `kafka` holds what else its clients are given."""

    bootstrap: str
    registry: str
    kafka: Mapping[str, str]


def source_table(plan: GroupPlan, source: SourcePlan, at: Addresses, handover: Handover | None = None) -> str:
    """Write the table of a source's topic: the columns that are read, then the record's place and Kafka time.

    What rows hold is what the job's state holds: a column that the contract does not name is in neither.
    After a hand-over it begins as long before the cut as duplicates are told. The first record of a partition
    that is that young moves the partition's clock, so that the clock needs nothing from before.
    """
    startup = {"scan.startup.mode": "earliest-offset"}
    if handover is not None:
        since = max(0, handover.cut - source.dedup_ms)
        startup = {"scan.startup.mode": "timestamp", "scan.startup.timestamp-millis": str(since)}
    columns = [f"{column(name)} {TYPES[data_type]}" for name, data_type in plan.read(source).items()]
    columns += [
        "`_topic` STRING METADATA FROM 'topic' VIRTUAL",
        "`_partition` INT METADATA FROM 'partition' VIRTUAL",
        "`_offset` BIGINT METADATA FROM 'offset' VIRTUAL",
        "`_kafka_time` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL",
        "WATERMARK FOR `_kafka_time` AS `_kafka_time` - INTERVAL '0.001' SECOND",
    ]
    return _table(
        source.name,
        columns,
        {
            "connector": "kafka",
            "topic": source.topic,
            "properties.bootstrap.servers": at.bootstrap,
            "properties.group.id": f"augury.{plan.label}",
            "properties.isolation.level": "read_committed",
            **startup,
            "value.format": "augury-avro",
            "value.augury-avro.url": at.registry,
        }
        | _more(at),
    )


def clocked(source: SourcePlan) -> str:
    """Name the view of a source's rows with T, without refused ones and duplicates."""
    return f"clocked_{source.name}"


def taken(plan: GroupPlan, handover: Handover | None = None) -> str:
    """Select the events of all sources of the group: `ts`, place in the log, the columns that are read.

    After a hand-over those before the cut are left to the seed.
    """
    live = "" if handover is None else f"\nWHERE `t` >= {handover.cut}"
    columns = _given(taken_columns(plan))
    return "\nUNION ALL ".join(
        f"SELECT {column(source.event_time)} AS `_ts`, {_PLACE}{columns}\n"
        f"FROM {column(clocked(source))}{live}"
        for source in plan.sources
    )


def taken_columns(plan: GroupPlan) -> list[str]:
    """Name the columns of its sources that the group reads, in order."""
    return sorted(plan.columns_read & plan.shared.keys())


def looked_up(number: int) -> str:
    """Name the view of the events with what the first lookups have found, `number` of them."""
    return TAKEN if number == 0 else f"looked_up_{number}"


def lookup_name(plan: GroupPlan, number: int) -> str:
    """Name the step of lookup `number`: a source may be looked up in twice."""
    return f"{plan.label} {plan.lookups[number].source.name} {number}"


def lookup(plan: GroupPlan, number: int) -> str:
    """Select what lookup `number` takes: the events, and the records of its source, under their keys.

    Gives `_key`, `_event`, `_ts`, the place in the log, the looked up columns (NULL in events), and the
    columns of the event (NULL in records). A key without a value is that of no record.
    """
    asked = plan.lookups[number]
    before = [*taken_columns(plan), *(n for earlier in plan.lookups[:number] for n, _ in earlier.columns)]
    key = entity_text([(name, plan.columns[name]) for name, _ in asked.on])
    nothing = [f"CAST(NULL AS {TYPES[t]}) AS {column(name)}" for name, t in asked.types.items()]
    events = [
        f"COALESCE('k' || {key}, 'n') AS `_key`, TRUE AS `_event`, `_ts`, {_PLACE}",
        *nothing,
        *(column(name) for name in before),
    ]
    their_key = entity_text([(name, asked.source.columns[name]) for _, name in asked.on])
    records = [
        f"'k' || {their_key}, FALSE, {column(asked.source.event_time)}, {_PLACE}",
        *(column(name) for _, name in asked.columns),
        *(f"CAST(NULL AS {TYPES[plan.columns[name]]})" for name in before),
    ]
    there = " AND ".join(f"{column(name)} IS NOT NULL" for _, name in asked.on)
    return (
        f"SELECT {_lines(events)}\nFROM {looked_up(number)}\n"
        f"UNION ALL SELECT {_lines(records)}\nFROM {column(clocked(asked.source))}\nWHERE {there}"
    )


def events(plan: GroupPlan) -> str:
    """Select what the windows take: entity, ts, T, the place in the log, and the arguments."""
    arguments = [f"{FLINK.render(a.expression)} AS {column(a.name)}" for a in plan.arguments]
    selected = [
        f"{entity_text([(k, plan.columns[k]) for k in plan.keys])} AS `entity`",
        "`_ts` AS `ts`",
        "`t`, `_topic` AS `topic`, `_partition` AS `partition`, `_offset` AS `offset`",
        *arguments,
    ]
    keep = "" if plan.where is None else f"\nWHERE {FLINK.render(plan.where)}"
    return f"SELECT {_lines(selected)}\nFROM {looked_up(len(plan.lookups))}{keep}"


def rows(plan: GroupPlan) -> str:
    """Select what is published: the windows' rows with the derived features."""
    place = ["seq", "topic", "partition", "offset"]
    derived = [
        f"CAST({FLINK.render(d.expression)} AS {TYPES[d.type]}) AS {column(d.name)}" for d in plan.derived
    ]
    selected = [
        "`entity`",
        f"{_timestamp('event_timestamp')} AS `event_timestamp`",
        f"{_timestamp('last_event_time')} AS `last_event_time`",
        *(column(name) for name in (*place, *(a.name for a in plan.aggregates))),
        *derived,
    ]
    return f"SELECT {_lines(selected)}\nFROM {WINDOWED}"


def rows_table(plan: GroupPlan, at: Addresses) -> str:
    """Write the table of the group's feature topic, keyed by entity."""
    return sink_table(plan.topic, plan.avro_schema(), at, key="entity")


def refused_table(at: Addresses) -> str:
    """Write the table of dead letters."""
    return sink_table("dead_letters", load("dead_letter"), at)


def clocks_table(at: Addresses) -> str:
    """Write the table of the control topic that tells how far each group's stream has come."""
    return sink_table("features.clocks", load("feature_clock"), at)


def sink_table(topic: str, schema: Mapping[str, Any], at: Addresses, key: str | None = None) -> str:
    """Write the table of a topic that a job writes, its values of an Avro schema, keyed by one column."""
    columns = [f"{column(f['name'])} {_avro_type(f['type'])}" for f in schema["fields"]]
    options = {
        "connector": "kafka",
        "topic": topic,
        "properties.bootstrap.servers": at.bootstrap,
        "properties.compression.type": "lz4",
        "properties.linger.ms": "5",
        "properties.batch.size": "131072",  # of 16 KiB by default, which fill much sooner than in 5 ms
        "sink.delivery-guarantee": "at-least-once",
        "value.format": "augury-avro",
        "value.augury-avro.url": at.registry,
        "value.augury-avro.subject": f"{topic}-value",
        "value.augury-avro.schema": json.dumps(schema),
    }
    if key is not None:
        options |= {"key.format": "raw", "key.fields": key}
    return _table(topic, columns, options | _more(at))


def outputs(plan: GroupPlan) -> list[str]:
    """Name the topics that the job writes."""
    return [plan.topic, "dead_letters", "features.clocks"]


def inserts(plan: GroupPlan) -> list[str]:
    """Write the job's statements."""
    return [
        f"INSERT INTO {column(plan.topic)}\n{rows(plan)}",
        "INSERT INTO `dead_letters`\nSELECT `origin`, `topic`, `partition`, `offset`, `reason`, "
        f"CAST(NULL AS BYTES), {_timestamp('at')}\nFROM {REFUSED}",
        f"INSERT INTO `features.clocks`\nSELECT `group`, `version`, {_timestamp('clock')}\nFROM {CLOCKS}",
    ]


def script(plan: GroupPlan, at: Addresses) -> str:
    """Write the whole job as one text, for golden files and for readers."""
    tables = [*(source_table(plan, source, at) for source in plan.inputs), rows_table(plan, at)]
    tables += [refused_table(at), clocks_table(at)]
    steps = [f"-- {TAKEN}\n{taken(plan)}"]
    steps += [f"-- {looked_up(n + 1)}\n{lookup(plan, n)}" for n in range(len(plan.lookups))]
    return ";\n\n".join([*tables, *steps, f"-- events\n{events(plan)}", *inserts(plan)]) + ";\n"


def clock_plan(plan: GroupPlan, source: SourcePlan) -> str:
    """Write the JSON that the clock step of a source is driven by."""
    names = list(plan.read(source))
    return json.dumps(
        {
            "name": f"{plan.label} {source.name}",
            "partitions": source.partitions,
            "event_id": names.index(source.event_id),
            "event_time": names.index(source.event_time),
            "dedup": source.dedup,
            "dedup_ms": source.dedup_ms,
            "min_time": MIN_TIME,
            "max_time": MAX_TIME,
        }
    )


def entity_text(keys: list[tuple[str, DataType]]) -> str:
    r"""Give the SQL of an entity's key text: values joined by `|`, with `\` and `|` escaped."""
    parts = []
    for name, data_type in keys:
        value = column(name)
        if data_type is DataType.BOOLEAN:
            value = f"CASE WHEN {value} THEN 'true' WHEN NOT {value} THEN 'false' END"
        elif data_type is not DataType.TEXT:
            value = f"CAST({value} AS STRING)"
        parts.append(rf"REPLACE(REPLACE({value}, '\', '\\'), '|', '\|')")
    return " || '|' || ".join(parts)


_AVRO_TYPES = {
    "string": "STRING",
    "long": "BIGINT",
    "int": "INT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "bytes": "BYTES",
}


def _avro_type(avro: object) -> str:
    if isinstance(avro, list):
        return _AVRO_TYPES[str(next(branch for branch in avro if branch != "null"))]
    if isinstance(avro, dict):
        return "TIMESTAMP(3) NOT NULL"
    return f"{_AVRO_TYPES[str(avro)]} NOT NULL"


def _timestamp(name: str) -> str:
    return f"CAST(TO_TIMESTAMP_LTZ({column(name)}, 3) AS TIMESTAMP(3))"


def _more(at: Addresses) -> dict[str, str]:
    return {f"properties.{name}": value for name, value in at.kafka.items()}


def _table(name: str, columns: list[str], options: Mapping[str, str]) -> str:
    settings = ",\n".join(f"  {quote(k)} = {quote(v)}" for k, v in options.items())
    return f"CREATE TEMPORARY TABLE {column(name)} ({_lines(columns)}\n) WITH (\n{settings}\n)"


def _given(names: list[str]) -> str:
    return "".join(f", {column(name)}" for name in names)


def _lines(parts: list[str]) -> str:
    return "\n  " + ",\n  ".join(parts)
