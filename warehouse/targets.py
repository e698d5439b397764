"""Where the records of each topic go: a table, its columns, and the row that a record becomes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from features.inputs import SourcePlan
from features.plan import GroupPlan
from features.types import MAX_TIME, MIN_TIME, to_avro
from schemas import records
from warehouse.tables import LOG_COLUMNS, ROW_COLUMNS

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """The table of a topic's records.

    `columns` end with the first `log_columns` of log_time, log_topic, log_partition and log_offset; `row`
    gives the values of those before. `schema` is how records are read. `refusal` gives why a record breaks
    a rule, or None. `keeps_log` is for a source: its rows are in the table in log order, so that a restart
    can leave out those which are there, and its clock is published.
    """

    table: str
    columns: tuple[str, ...]
    schema: Mapping[str, Any]
    row: Callable[[Record], tuple[Any, ...]]
    log_columns: int = 1
    refusal: Callable[[Record], str | None] = lambda _: None
    keeps_log: bool = False


def source_target(source: SourcePlan) -> Target:
    """Give the target of a source's events."""
    names = tuple(source.columns)

    def refusal(event: Record) -> str | None:
        if event[source.event_id] is None:
            return f"an event has an event id, and {source.event_id} is null: duplicates could not be told"
        ts = event[source.event_time]
        if ts is None:
            return f"an event has an event time, and {source.event_time} is null: no window could hold it"
        if not MIN_TIME <= ts <= MAX_TIME:
            return (
                f"an event time lies in the years 1900 to 2299, and {source.event_time} is {ts} ms: "
                "no engine could hold it"
            )
        return None

    # As the streaming job reads it: what the writer's schema lacks is NULL.
    fields = [{"name": n, "type": ["null", to_avro(t)], "default": None} for n, t in source.columns.items()]
    return Target(
        table=source.name,
        columns=(*names, *LOG_COLUMNS),
        schema={"type": "record", "name": source.name, "fields": fields},
        row=lambda event: tuple(event[name] for name in names),
        log_columns=len(LOG_COLUMNS),
        refusal=refusal,
        keeps_log=True,
    )


def group_target(group: GroupPlan) -> Target:
    """Give the target of a feature group's rows."""
    names = (*ROW_COLUMNS, *(f.name for f in group.features))
    return Target(
        table=group.table,
        columns=names,
        schema=group.avro_schema(),
        row=lambda record: tuple(record[name] for name in names),
        log_columns=0,
    )


def targets(sources: Iterable[SourcePlan], groups: Iterable[GroupPlan]) -> dict[str, Target]:
    """Give the target of every topic that the sink reads: the sources, the groups, and the record topics."""
    return (
        {source.topic: source_target(source) for source in sources}
        | {group.topic: group_target(group) for group in groups}
        | RECORDS
    )


def _record_target(table: str, name: str, **renamed: str) -> Target:
    """Give the target of a record's fields; `renamed` gives the columns that are not called as theirs."""
    schema = records.load(name)
    names = tuple(field["name"] for field in schema["fields"])
    return Target(
        table=table,
        columns=(*(renamed.get(n, n) for n in names), "log_time"),
        schema=schema,
        row=lambda record: tuple(record[n] for n in names),
    )


def _prediction_target(table: str) -> Target:
    schema = records.load("prediction_result")
    plain = tuple(f["name"] for f in schema["fields"] if f["name"] not in ("inputs", "rows"))
    rows = ("group", "version", "entity", "event_timestamp", "seq", "state", "age_ms", "defaulted")

    def row(record: Record) -> tuple[Any, ...]:
        used = record["rows"]
        return (
            *(record[name] for name in plain),
            orjson.dumps(record["inputs"]).decode(),
            *([one[name] for one in used] for name in rows),
        )

    return Target(
        table=table,
        columns=(*plain, "inputs", *(f"rows.{name}" for name in rows), "log_time"),
        schema=schema,
        row=row,
    )


RECORDS: dict[str, Target] = {
    "prediction.results": _prediction_target("model_prediction_log"),
    "prediction.shadow": _prediction_target("shadow_predictions"),
    "ground_truth": _record_target("ground_truth", "ground_truth"),
    "registry.events": _record_target("model_registry_events", "registry_event"),
    "experiments": _record_target("experiments", "experiment"),
    "experiments.gates": _record_target("experiment_gates", "experiment_gate"),
    "experiments.trials": _record_target("experiment_trials", "experiment_trial"),
    "alerts": _record_target("alerts", "alert"),
    "alerts.states": _record_target("alert_states", "alert_state"),
    "dead_letters": _record_target("dead_letters", "dead_letter"),
    # What the record calls the log's time is not when the record itself was in the log.
    "features.freshness": _record_target("group_freshness", "feature_freshness", log_time="newest"),
}
"""The targets of the record topics that land in a table."""
