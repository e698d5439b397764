"""Names that fit Kafka topics, Avro fields, SQL columns and Redis keys alike."""

import re

from features.errors import DefinitionError

RESERVED = frozenset(
    {"entity", "event_timestamp", "last_event_time", "seq", "topic", "partition", "offset"}
    | {"ts", "t", "log_time", "log_topic", "log_partition", "log_offset"}
)

# Where Augury keeps its own: the record topics and tables, and the views of a Flink job.
_SOURCES_TAKEN = frozenset(
    {"alert_states", "alerts", "alerts_open", "alerts_with_state", "answers_daily", "answers_with_champion"}
    | {"champions", "datasets", "dead_letters", "drift_features", "drift_reference", "drift_windows"}
    | {"experiment_gates", "experiment_trials", "experiments", "feature_drift_report", "feature_group_config"}
    | {
        "feature_group_handover",
        "freshness_hourly",
        "frozen_features",
        "ground_truth",
        "ground_truth_reports",
    }
    | {"group_clocks", "group_freshness", "holdout_calibration", "holdout_predictions", "log_clock"}
    | {"model_performance_monitor", "model_prediction_log", "model_registry_events", "model_serving"}
    | {"model_versions", "performance_windows", "policies", "prediction_cost", "schema_migrations"}
    | {"served_vector_audit", "shadow_predictions", "training_sets", "trials"}
    | {"taken", "windowed", "refused", "clocks"}
)
_VIEWS = ("clocked_", "looked_up_")
_MADE = re.compile(r"(features|backfill|dataset)_\w+_v\d+")  # tables of groups and of training sets
_COLUMNS_TAKEN = frozenset({"request_id", "prediction_time", "label_time", "label"})


def check_name(name: str, place: str) -> None:
    """Refuse a name that one of the engines could not spell. Raises `DefinitionError`."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise DefinitionError(
            place,
            "a name is lower-case letters, digits and _, at most 63",
            "an engine could not spell it",
            name,
        )
    if name in RESERVED:
        raise DefinitionError(
            place, f"{', '.join(sorted(RESERVED))} are columns of every row", "it would hide one", name
        )


def check_source_name(name: str, place: str) -> None:
    """Refuse the name of a source that no topic or table of its own could have. Raises `DefinitionError`."""
    check_name(name, place)
    if name in _SOURCES_TAKEN or name.startswith(_VIEWS) or _MADE.fullmatch(name):
        rule = "a source is named like none of the topics, tables and views that are Augury's own"
        raise DefinitionError(place, rule, "its records would mix with theirs", name)


def check_column_name(name: str, place: str) -> None:
    """Refuse the name of an input or on-demand feature that a training set has. Raises `DefinitionError`."""
    check_name(name, place)
    if name in _COLUMNS_TAKEN:
        rule = f"{', '.join(sorted(_COLUMNS_TAKEN))} are columns of every training set"
        raise DefinitionError(place, rule, "it would hide one", name)


def key_text(values: list[str]) -> str:
    r"""Write an entity's key: the values joined by `|`, with `\` and `|` escaped by `\`."""
    return "|".join(v.replace("\\", "\\\\").replace("|", "\\|") for v in values)


def rows_table(group: str, version: int) -> str:
    """Name the ClickHouse table of the rows that a group version's stream emitted."""
    return f"features_{group}_v{version}"
