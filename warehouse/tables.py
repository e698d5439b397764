"""The tables of sources and of feature groups.

A source's table has its columns and where the log holds the event; a group's has the row as Avro has it.
What a replay of the log writes twice has the same key and is one row: read with FINAL.
"""

from features.inputs import SourcePlan
from features.plan import GroupPlan
from warehouse.dialect import TYPES, column

_TIME = "DateTime64(3, 'UTC')"
LOG_COLUMNS = {
    "log_time": _TIME,
    "log_topic": "LowCardinality(String)",
    "log_partition": "Int32",
    "log_offset": "Int64",
}
ROW_COLUMNS = {
    "entity": "String",
    "event_timestamp": _TIME,
    "last_event_time": _TIME,
    "seq": "Int64",
    "topic": "Nullable(String)",
    "partition": "Nullable(Int32)",
    "offset": "Nullable(Int64)",
}


def source_table(source: SourcePlan) -> str:
    """Write the DDL of a source's table of events."""
    return _table(source.name, _columns(source) | LOG_COLUMNS, "log_topic, log_partition, log_offset")


def gained_columns(source: SourcePlan) -> list[str]:
    """Write the statements that add to a source's table what its schema has gained since it was made."""
    return [
        f"ALTER TABLE {column(source.name)} ADD COLUMN IF NOT EXISTS {column(name)} {kind}"
        for name, kind in _columns(source).items()
    ]


def _columns(source: SourcePlan) -> dict[str, str]:
    return {name: f"Nullable({TYPES[t]})" for name, t in source.columns.items()}


def group_tables(group: GroupPlan) -> list[str]:
    """Write the DDL of a feature group version's two tables: the stream's rows, and the backfill's."""
    columns = ROW_COLUMNS | {f.name: f"Nullable({TYPES[f.type]})" for f in group.features}
    return [_table(name, columns, "entity, seq") for name in (group.table, group.backfill_table)]


def _table(name: str, columns: dict[str, str], identity: str) -> str:
    lines = ",\n".join(f"    {column(c)} {t}" for c, t in columns.items())
    return (
        f"CREATE TABLE IF NOT EXISTS {column(name)} (\n{lines}\n) "
        f"ENGINE = ReplacingMergeTree ORDER BY ({identity})"
    )
