"""An experiment run again from its row, and whether it ends as it did."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flows.contracts import Artifacts, Dataset
from flows.experiments import environment
from flows.export import export
from flows.folds import Folds
from flows.recipe import Recipe
from flows.rows import read_rows
from flows.study import Study
from flows.training import train
from inference.artifacts import named_sha256
from inference.registry import Experiment, ExperimentKind, Registry, Trial


class RerunError(RuntimeError):
    """An experiment cannot be run again."""


@dataclass(frozen=True)
class Difference:
    """What an experiment had, and what its rerun has."""

    name: str
    before: object
    after: object


@dataclass(frozen=True)
class Rerun:
    """The row of a rerun, and where it differs from its parent: in results, and in what they depend on."""

    experiment_id: str
    metrics: tuple[Difference, ...]
    sha256: Difference
    environment: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """Whether all metrics and the artifact are equal to the bit."""
        return not self.metrics and self.sha256.before == self.sha256.after


def require_recipe(experiment: Experiment) -> None:
    """Raise `RerunError` for what has no recipe."""
    if not experiment.recipe:
        raise RerunError(
            f"an experiment is run again by its recipe; {experiment.experiment_id} was recorded before "
            "recipes were kept, so what it depended on is not known"
        )


def _require_its_rows(experiment: Experiment, dataset: Dataset) -> None:
    require_recipe(experiment)
    if dataset.content_hash != experiment.training_dataset_hash:
        raise RerunError(
            f"an experiment is run again on what it learned from; {experiment.training_dataset_version} had "
            f"hash {experiment.training_dataset_hash} and has {dataset.content_hash}, so nothing was trained"
        )


def rerun(
    experiment: Experiment,
    dataset: Dataset,
    registry: Registry,
    artifacts: Artifacts,
    *,
    experiment_id: str,
    code_version: str,
) -> Rerun:
    """Train again by an experiment's recipe on its training set, and record that as a child of it.

    The result says nothing of whoever serves: it is registered nowhere. Raises `RerunError` where the
    experiment has no recipe, or the training set is not the one that it learned from.
    """
    _require_its_rows(experiment, dataset)
    trained = train(dataset.read(), Recipe.from_dict(experiment.recipe))
    payload = export(trained)
    uri, sha256 = artifacts.put(experiment.model_name or experiment.model_type, payload)
    libraries = environment(trained.recipe)
    registry.experiments.record(
        experiment_id=experiment_id,
        kind=ExperimentKind.RERUN,
        parent_experiment_id=experiment.experiment_id,
        model_name=experiment.model_name,
        model_type=experiment.model_type,
        hyperparameters=trained.recipe.parameters,
        recipe=trained.recipe.to_dict(),
        training_dataset_version=experiment.training_dataset_version,
        training_dataset_hash=dataset.content_hash,
        feature_group_versions=experiment.feature_group_versions,
        evaluation_metrics=trained.metrics,
        artifact_path=uri,
        code_version=code_version,
        environment=libraries,
        seed=trained.recipe.seed,
    )
    before = {**experiment.environment, "code": experiment.code_version}
    return Rerun(
        experiment_id,
        differences(experiment.evaluation_metrics, trained.metrics),
        Difference("SHA-256", named_sha256(experiment.artifact_path), sha256),
        differences(before, {**libraries, "code": code_version}),
    )


def rerun_trials(
    study: Experiment, trials: Sequence[Trial], dataset: Dataset, told: Callable[[], None] = lambda: None
) -> tuple[Difference, ...]:
    """Compute the losses of a study's trials again, fold by fold, and give those that differ.

    Which trials there were depends on which ended first, where several workers searched; what each of them
    gave does not. `told` is called after each. Raises `RerunError` as `rerun` does.
    """
    _require_its_rows(study, dataset)
    stated = Study.from_dict(study.recipe)
    folds = Folds(stated, read_rows(dataset.read(), stated.recipe.features))
    found = []
    for number, trial in enumerate(trials):
        losses = tuple(folds.loss(trial.hyperparameters, fold) for fold in range(len(trial.losses)))
        if losses != tuple(trial.losses):
            found.append(Difference(f"trial {number}", trial.losses, losses))
        told()
    return tuple(found)


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Difference, ...]:
    """Give what differs, by name; what one side lacks is None there."""
    return tuple(
        Difference(name, before.get(name), after.get(name))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    )
