"""Experiments in the warehouse: what the registry has of them, for SQL."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from warehouse.client import Client

_EXPERIMENT = (
    *(
        "experiment_id",
        "parent_experiment_id",
        "kind",
        "model_name",
        "model_type",
        "hyperparameters",
        "recipe",
    ),
    *("training_dataset_version", "training_dataset_hash", "feature_group_versions", "evaluation_metrics"),
    *("artifact_path", "code_version", "environment", "seed", "trained_at"),
)
_GATE = ("gate", "passed", "rule", "value", "consequence")
_TRIAL = ("state", "value", "losses", "hyperparameters", "reason", "seconds")


def keep(
    client: Client,
    experiment_id: str,
    experiment: Mapping[str, Any] | None,
    gates: Iterable[Mapping[str, Any]],
    trials: Iterable[Mapping[str, Any]],
) -> None:
    """Write an experiment, what gates found of it, and the trials of a study, in place of what stood.

    `experiment` is None where gates have ended it before its training. Keys are the columns of the tables
    `experiments`, `experiment_gates` and `experiment_trials`; `trained_at` is in ms since the epoch.
    """
    if experiment is not None:
        row = [_column(name, experiment[name]) for name in _EXPERIMENT]
        client.insert("experiments", [row], column_names=_EXPERIMENT)
    _insert(client, "experiment_gates", experiment_id, "position", _GATE, gates)
    _insert(client, "experiment_trials", experiment_id, "trial", _TRIAL, trials)


def _insert(
    client: Client,
    table: str,
    experiment_id: str,
    number: str,
    names: tuple[str, ...],
    found: Iterable[Mapping[str, Any]],
) -> None:
    rows = [
        [experiment_id, n, *(_column(name, each[name]) for name in names)] for n, each in enumerate(found)
    ]
    if rows:
        client.insert(table, rows, column_names=("experiment_id", number, *names))


def _column(name: str, value: Any) -> Any:  # noqa: ANN401 (a column's own type)
    match name:
        case "hyperparameters" | "recipe":
            return json.dumps(value)
        case "trained_at":
            return datetime.fromtimestamp(value / 1000, UTC)
        case "model_name":
            return value or ""
        case _:
            return value
