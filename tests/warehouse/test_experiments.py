"""Experiments as the warehouse shows them, by the records that a registry's become."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from augury.experiments import records
from inference.registry import ExperimentKind, GateResult, Registry, Trial, TrialState
from schemas.codec import Codec
from schemas.records import TOPICS, load
from tests.inference.world import LocalSchemas
from warehouse.client import Client
from warehouse.targets import RECORDS

pytestmark = pytest.mark.stack
NOW = 1_700_000_000_123


@pytest.fixture
def registry() -> Registry:
    held = Registry("sqlite://", lambda: NOW)
    held.migrate()
    return held


def record(held: Registry, name: str, **change: Any) -> None:
    stated: dict[str, Any] = {
        "model_name": "late",
        "model_type": "lightgbm",
        "hyperparameters": {"num_leaves": 7},
        "training_dataset_version": f"{name}@1",
        "recipe": {"seed": 3},
        "training_dataset_hash": "0a",
        "feature_group_versions": {"trips": 2},
        "evaluation_metrics": {"auc": 0.75, "rmse": None},
        "artifact_path": "file:///a",
        "code_version": "abc",
        "environment": {"numpy": "2.0"},
        "seed": 3,
    }
    held.experiments.record(experiment_id=name, **(stated | change))


def keep(client: Client, held: Registry, experiment_id: str) -> None:
    """Write an experiment's records as the sink does, once they have been through the log."""
    sink(client, records(held, experiment_id))


def sink(client: Client, sent_to: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Write records of topics as the sink does, once they have been through the log."""
    codec = Codec(LocalSchemas())
    for topic, sent in sent_to.items():
        encode, decode = codec.encoder(topic, load(TOPICS[topic])), codec.decoder(load(TOPICS[topic]))
        target = RECORDS[topic]
        lines = [[*target.row(decode(encode(record))), NOW] for record in sent]
        if lines:
            client.insert(target.table, lines, column_names=target.columns)


def rows(client: Client, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(sql).result_rows]


def test_a_training_is_there_once_with_its_gates_as_they_hold(database: Client, registry: Registry) -> None:
    fine = GateResult("rows", True, "at least 5", "7", "chance")
    registry.gates.record("late", "first", [fine, GateResult("size", False, "1 MB", "2 MB", "slow")])
    keep(database, registry, "first")  # a gate has ended it: there is no experiment
    assert rows(database, "SELECT count() FROM experiments WHERE experiment_id = 'first'") == [(0,)]
    record(registry, "first")
    registry.gates.record("late", "first", [GateResult("size", True, "1 MB", "0.5 MB", "slow")])
    keep(database, registry, "first")
    keep(database, registry, "first")
    assert rows(
        database,
        "SELECT kind, model_name, model_type, hyperparameters, training_dataset_version, "
        "evaluation_metrics['auc'], isNull(evaluation_metrics['rmse']), seed, "
        "toUnixTimestamp64Milli(trained_at), parent_experiment_id FROM experiments FINAL",
    ) == [("training", "late", "lightgbm", '{"num_leaves": 7}', "first@1", 0.75, True, 3, NOW, None)]
    assert rows(
        database,
        "SELECT recipe, training_dataset_hash, feature_group_versions['trips'], environment['numpy'] "
        "FROM experiments FINAL",
    ) == [('{"seed": 3}', "0a", 2, "2.0")]
    assert rows(
        database,
        "SELECT gate, passed, rule, value, consequence FROM experiment_gates FINAL ORDER BY position",
    ) == [("rows", True, "at least 5", "7", "chance"), ("size", True, "1 MB", "0.5 MB", "slow")]


def test_a_study_has_its_trials(database: Client, registry: Registry) -> None:
    record(registry, "study", kind=ExperimentKind.TUNING, evaluation_metrics={}, parent_experiment_id=None)
    for trial in (
        Trial({"num_leaves": 7}, TrialState.COMPLETE, (0.5, 0.25), 0.375, seconds=2.5),
        Trial({"num_leaves": 9}, TrialState.FAILED, reason="out of memory"),
    ):
        registry.experiments.record_trial("study", trial, 2)
        keep(database, registry, "study")
    assert rows(
        database,
        "SELECT trial, state, value, losses, hyperparameters, reason FROM experiment_trials FINAL "
        "ORDER BY trial",
    ) == [
        (0, "complete", 0.375, [0.5, 0.25], '{"num_leaves": 7}', ""),
        (1, "failed", None, [], '{"num_leaves": 9}', "out of memory"),
    ]
    assert rows(database, "SELECT kind FROM experiments FINAL") == [("tuning",)]
