"""Tuning's steps: a study is begun, its trials run, and the best is what the next training starts from."""

from functools import partial
from importlib.metadata import version as installed

from prefect import task
from prefect.artifacts import create_table_artifact

from flows.context import Context, current
from flows.contracts import Dataset
from flows.experiments import TRAINER, environment, next_recipe
from flows.folds import Folds
from flows.rows import read_rows
from flows.search import Budget, search
from flows.steps import RETRIED, artifact_key, show_drawn, show_progress, stop_if_cancelled
from flows.study import Study, TuningError, best
from inference.registry import Experiment, ExperimentKind, Trial

UNTIL = "until"
"""The key of a training config's provenance that says up to which moment (ms) the log was searched with."""


def due(context: Context, model_name: str, at: int) -> bool:
    """Tell whether a retraining at a moment (ms, the log's clock) searches first.

    It does where the model's `Search` says how old what was found may become, and nothing younger was found
    for its trainer.
    """
    definition = context.model(model_name)
    if definition.search is None or definition.search.every_ms is None:
        return False
    tuned = context.registry.training_config(model_name)
    if tuned is None or tuned.provenance.get(TRAINER) != definition.trainer:
        return True
    return at - int(tuned.provenance.get(UNTIL, 0)) >= definition.search.every_ms


def defined_study(context: Context, model_name: str, until: int) -> Study:
    """Give the study that a model's definition states; raises `TuningError` where it states none."""
    definition = context.model(model_name)
    if definition.search is None:
        raise TuningError(
            f"a model is tuned where its definition states a search; {model_name} has none, so there is "
            "nothing to try"
        )
    present = next_recipe(context, model_name)
    return Study(
        recipe=present.with_parameters(definition.parameters),
        space=definition.search.space,
        folds=definition.search.folds,
        until=until,
        present=present.parameters,
    )


def tune_on(
    model_name: str,
    study_id: str,
    dataset: Dataset,
    at: int,
    *,
    trials: int | None = None,
    minutes: float | None = None,
    workers: int = 1,
) -> int:
    """Search on a training set and give the number of the best trial; a study that has begun goes on.

    The budget is that of the definition where none is stated. Raises `TuningError`.
    """
    study = begin_study(model_name, study_id, dataset, at)
    stated = current().model(model_name).search
    assert stated is not None  # a study has begun
    budget = Budget(trials or stated.trials, stated.minutes if minutes is None else minutes, workers)
    run_trials(model_name, study_id, study, dataset, budget)
    return keep_best(model_name, study_id, study)


@task(**RETRIED)
def begin_study(model_name: str, study_id: str, dataset: Dataset, at: int) -> Study:
    """Record a study, or give the one that is recorded under the id.

    Raises `TuningError` where that has another search or training set than now.
    """
    context = current()
    study = defined_study(context, model_name, at)
    held = context.registry.experiments.find(study_id)
    if held is not None:
        return _same(held, study, dataset)
    plan = context.project.model_plans[model_name]
    context.registry.experiments.record(
        experiment_id=study_id,
        kind=ExperimentKind.TUNING,
        model_name=model_name,
        model_type=study.recipe.trainer,
        hyperparameters=study.present,
        recipe=study.to_dict(),
        training_dataset_version=f"{dataset.name}@{dataset.version}",
        training_dataset_hash=dataset.content_hash,
        feature_group_versions={g.group: g.version for g in plan.groups},
        evaluation_metrics={},
        artifact_path="",
        code_version=context.code_version,
        environment=environment(study.recipe) | {"optuna": installed("optuna")},
        seed=study.recipe.seed,
    )
    return study


@task(**RETRIED)
def run_trials(model_name: str, study_id: str, study: Study, dataset: Dataset, budget: Budget) -> None:
    """Run trials up to the budget, or until the flow run is cancelled, and show how many have ended."""
    context = current()
    kept = context.registry.experiments
    move = show_progress(
        f"search-{model_name}", f"trials of {study_id}", len(kept.trials(study_id)), budget.trials
    )

    def told(trial: Trial) -> None:
        move(len(kept.trials(study_id)))
        context.on_trial(trial)
        stop_if_cancelled()

    folds = Folds(study, read_rows(dataset.read(), study.recipe.features))
    search(study_id, study, folds, context.registry, budget, told)


@task(**RETRIED)
def keep_best(model_name: str, study_id: str, study: Study) -> int:
    """Keep the parameters of the best trial for the next training, and show all trials.

    Raises `TuningError` where no trial has a value.
    """
    context = current()
    context.keep_experiment(study_id)
    registry = context.registry
    trials, held = registry.experiments.trials(study_id), registry.experiments.get(study_id)
    create_table_artifact(
        key=artifact_key(f"trials-{model_name}"),
        table=[
            {
                "trial": number,
                "state": trial.state.value,
                study.metric: trial.value,
                "folds": [round(loss, 6) for loss in trial.losses],
                **trial.hyperparameters,
                "why": trial.reason,
            }
            for number, trial in enumerate(trials)
        ],
        description=f"Trials of {study_id}",
    )
    draw = partial(context.pictures.search, study_id)
    show_drawn(f"search-picture-{model_name}", f"Trials of {study_id}", draw)
    found = best(trials)
    if found is None:
        why = trials[-1].reason if trials else "none has ended"
        raise TuningError(
            f"what a study found is the trial with the smallest {study.metric}; none of the {len(trials)} "
            f"trials of {study_id} has one, so the parameters stay as they were ({why})"
        )
    number, trial = found
    registry.set_training_config(
        model_name,
        study.parameters(trial.hyperparameters),
        {
            TRAINER: study.recipe.trainer,
            UNTIL: study.until,
            "study": study_id,
            "trial": number,
            "trials": len(trials),
            "metric": study.metric,
            "value": trial.value,
            "folds": list(trial.losses),
            "training_dataset_version": held.training_dataset_version,
            "training_dataset_hash": held.training_dataset_hash,
        },
    )
    return number


def _same(held: Experiment, study: Study, dataset: Dataset) -> Study:
    if held.kind is not ExperimentKind.TUNING:
        raise TuningError(
            f"a study has an id of its own; {held.experiment_id} is a {held.kind}, so it cannot go on"
        )
    begun = Study.from_dict(held.recipe)
    if not begun.searches_as(study):
        raise TuningError(
            f"a study goes on as it began; the definition of {held.model_name} has changed since "
            f"{held.experiment_id} did (now {study.to_dict()}, then {begun.to_dict()}), so its trials would "
            "not compare: begin another"
        )
    if held.training_dataset_hash != dataset.content_hash:
        raise TuningError(
            f"a study goes on with the rows that it began with; {held.training_dataset_version} had hash "
            f"{held.training_dataset_hash} and has {dataset.content_hash}, so its trials would not compare"
        )
    return begun
