"""Experiments as they were recorded, and the trials of the studies among them."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import func, select

from inference.registry import tables
from inference.registry.database import Database
from inference.registry.records import Experiment, ExperimentKind, Trial, TrialState

_FIELDS = tuple(name for name in Experiment.__dataclass_fields__ if name != "kind")


class Experiments:
    """What was run, for ever; `clock` gives ms since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    def record(
        self,
        *,
        model_type: str,
        hyperparameters: Mapping[str, Any],
        training_dataset_version: str,
        feature_group_versions: Mapping[str, int],
        evaluation_metrics: Mapping[str, float | None],
        artifact_path: str,
        code_version: str,
        environment: Mapping[str, Any],
        seed: int,
        model_name: str | None = None,
        recipe: Mapping[str, Any] | None = None,
        training_dataset_hash: str | None = None,
        parent_experiment_id: str | None = None,
        experiment_id: str | None = None,
        kind: ExperimentKind = ExperimentKind.TRAINING,
    ) -> str:
        """Record a run for ever and give its id; `recipe` is what it takes to run it again.

        With an `experiment_id` of the caller's, a run that is already recorded under it stays as it is,
        so that a flow which is run again records once.
        """
        identity = experiment_id or uuid.uuid4().hex
        with self._database.writing("experiments") as session:
            if session.get(tables.Experiment, identity) is None:
                session.add(
                    tables.Experiment(
                        experiment_id=identity,
                        parent_experiment_id=parent_experiment_id,
                        model_name=model_name,
                        model_type=model_type,
                        hyperparameters=dict(hyperparameters),
                        recipe=dict(recipe or {}),
                        training_dataset_version=training_dataset_version,
                        training_dataset_hash=training_dataset_hash,
                        feature_group_versions=dict(feature_group_versions),
                        evaluation_metrics=dict(evaluation_metrics),
                        artifact_path=artifact_path,
                        code_version=code_version,
                        environment=dict(environment),
                        seed=seed,
                        trained_at=self._clock(),
                        kind=kind.value,
                    )
                )
        return identity

    def get(self, experiment_id: str) -> Experiment:
        """Give an experiment; raises `LookupError` for an unknown one."""
        found = self.find(experiment_id)
        if found is None:
            raise LookupError(f"an experiment is known by its id, and nothing is known of {experiment_id!r}")
        return found

    def find(self, experiment_id: str) -> Experiment | None:
        """Give an experiment, or None where it was never recorded."""
        with self._database.reading() as session:
            row = session.get(tables.Experiment, experiment_id)
            return None if row is None else _experiment(row)

    def all(
        self,
        *,
        model_name: str | None = None,
        kind: ExperimentKind | None = None,
        parent: str | None = None,
    ) -> list[Experiment]:
        """Give the experiments of a model, of a kind, of a parent, or all of them; oldest first."""
        stated = {"model_name": model_name, "kind": kind, "parent_experiment_id": parent}
        rows = select(tables.Experiment).filter_by(**{k: v for k, v in stated.items() if v is not None})
        with self._database.reading() as session:
            ordered = rows.order_by(tables.Experiment.trained_at, tables.Experiment.experiment_id)
            return [_experiment(row) for row in session.scalars(ordered)]

    def record_trial(self, experiment_id: str, trial: Trial, most: int) -> int | None:
        """Keep a trial that has ended, for ever, and give its number; it is durable when this returns.

        A study that has `most` trials already takes no other: then None. So the count is right however
        many processes work on a study.
        """
        with self._database.writing(f"trials of {experiment_id}") as session:
            mine = select(func.count()).select_from(tables.ExperimentTrial)
            number = session.scalar(mine.filter_by(experiment_id=experiment_id)) or 0
            if number >= most:
                return None
            session.add(
                tables.ExperimentTrial(
                    experiment_id=experiment_id,
                    trial=number,
                    hyperparameters=trial.hyperparameters,
                    value=trial.value,
                    losses=list(trial.losses),
                    state=trial.state.value,
                    reason=trial.reason,
                    ended_at=self._clock(),
                    seconds=trial.seconds,
                )
            )
            return number

    def trials(self, experiment_id: str) -> list[Trial]:
        """Give the trials of a study by number, which is the order in which they ended."""
        rows = select(tables.ExperimentTrial).filter_by(experiment_id=experiment_id)
        with self._database.reading() as session:
            return [
                Trial(
                    row.hyperparameters,
                    TrialState(row.state),
                    tuple(row.losses),
                    row.value,
                    row.reason,
                    row.seconds,
                )
                for row in session.scalars(rows.order_by(tables.ExperimentTrial.trial))
            ]


def _experiment(row: tables.Experiment) -> Experiment:
    return Experiment(**{name: getattr(row, name) for name in _FIELDS}, kind=ExperimentKind(row.kind))
