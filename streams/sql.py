"""A plan as Flink SQL: the tables that a job reads and writes, and the queries between its Java steps.

The job is: source -> clock (Java) -> `events` (SQL) -> windows (Java) -> `rows` (SQL) -> sink. Times are
BIGINT of milliseconds up to the sink, whose format wants timestamps; the session's time zone is UTC.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from features.expressions.tree import quote
from features.plan import GroupPlan
from features.types import MAX_TIME, MIN_TIME, DataType
from schemas.records import load
from streams.dialect import FLINK, TYPES, column

CLOCKED, WINDOWED, REFUSED, CLOCKS = "clocked", "windowed", "refused", "clocks"


@dataclass(frozen=True)
class Addresses:
    """Where a job finds the log and the registry; `kafka` holds what else its clients are given."""

    bootstrap: str
    registry: str
    kafka: Mapping[str, str]


def source_table(plan: GroupPlan, at: Addresses) -> str:
    """Write the table of the source's topic: its columns, then the record's place and Kafka time."""
    columns = [f"{column(name)} {TYPES[data_type]}" for name, data_type in plan.source.columns.items()]
    columns += [
        "`_topic` STRING METADATA FROM 'topic' VIRTUAL",
        "`_partition` INT METADATA FROM 'partition' VIRTUAL",
        "`_offset` BIGINT METADATA FROM 'offset' VIRTUAL",
        "`_kafka_time` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL",
        "WATERMARK FOR `_kafka_time` AS `_kafka_time` - INTERVAL '0.001' SECOND",
    ]
    return _table(
        plan.source.name,
        columns,
        {
            "connector": "kafka",
            "topic": plan.source.topic,
            "properties.bootstrap.servers": at.bootstrap,
            "properties.group.id": f"augury.{plan.label}",
            "properties.isolation.level": "read_committed",
            "scan.startup.mode": "earliest-offset",
            "value.format": "augury-avro",
            "value.augury-avro.url": at.registry,
        }
        | _more(at),
    )


def events(plan: GroupPlan) -> str:
    """Select what the windows take: entity, ts, T, the place in the log, and the arguments."""
    source = plan.source
    arguments = [f"{FLINK.render(a.expression)} AS {column(a.name)}" for a in plan.arguments]
    selected = [
        f"{entity_text([(k, source.columns[k]) for k in plan.keys])} AS `entity`",
        f"{column(source.event_time)} AS `ts`",
        "`t`, `_topic` AS `topic`, `_partition` AS `partition`, `_offset` AS `offset`",
        *arguments,
    ]
    keep = "" if plan.where is None else f"\nWHERE {FLINK.render(plan.where)}"
    return f"SELECT {_lines(selected)}\nFROM {CLOCKED}{keep}"


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
    return _sink(plan.topic, plan.avro_schema(), at, key="entity")


def refused_table(at: Addresses) -> str:
    """Write the table of dead letters."""
    return _sink("dead_letters", load("dead_letter"), at)


def clocks_table(at: Addresses) -> str:
    """Write the table of the control topic that tells how far each group's stream has come."""
    return _sink("features.clocks", load("feature_clock"), at)


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
    parts = [source_table(plan, at), rows_table(plan, at), refused_table(at), clocks_table(at)]
    steps = [f"-- {CLOCKED}: the source's rows with T, without refused ones and duplicates\n{events(plan)}"]
    return ";\n\n".join([*parts, *steps, *inserts(plan)]) + ";\n"


def clock_plan(plan: GroupPlan) -> str:
    """Write the JSON that the clock step is driven by."""
    names = list(plan.source.columns)
    return json.dumps(
        {
            "name": plan.label,
            "partitions": plan.source.partitions,
            "event_id": names.index(plan.source.event_id),
            "event_time": names.index(plan.source.event_time),
            "dedup": plan.dedup,
            "dedup_ms": plan.source.dedup_ms,
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


def _sink(topic: str, schema: Mapping[str, Any], at: Addresses, key: str | None = None) -> str:
    columns = [f"{column(f['name'])} {_avro_type(f['type'])}" for f in schema["fields"]]
    options = {
        "connector": "kafka",
        "topic": topic,
        "properties.bootstrap.servers": at.bootstrap,
        "properties.compression.type": "lz4",
        "properties.linger.ms": "5",
        "sink.delivery-guarantee": "at-least-once",
        "value.format": "avro-confluent",
        "value.avro-confluent.url": at.registry,
        "value.avro-confluent.subject": f"{topic}-value",
        "value.avro-confluent.schema": json.dumps(schema),
    }
    if key is not None:
        options |= {"key.format": "raw", "key.fields": key}
    return _table(topic, columns, options | _more(at))


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


def _lines(parts: list[str]) -> str:
    return "\n  " + ",\n  ".join(parts)
