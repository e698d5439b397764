"""Experiments: the recipe of a model's next training, and the record of one that was trained."""

import platform
from importlib.metadata import version as installed

from flows.context import Context
from flows.contracts import Dataset
from flows.recipe import Recipe
from flows.trainers import trainer
from flows.training import Trained

_LIBRARIES = ("numpy", "onnxruntime")
TRAINER = "trainer"
"""The key of a training config's provenance that says whose hyperparameters they are."""


def next_recipe(context: Context, model_name: str) -> Recipe:
    """Give the recipe of a model's next training: with what tuning found, or the definition's parameters.

    What tuning found for another trainer is left alone: it would mean something else, or nothing.
    """
    definition = context.model(model_name)
    tuned = context.registry.training_config(model_name)
    fits = tuned is not None and tuned.provenance.get(TRAINER, definition.trainer) == definition.trainer
    return Recipe(
        features=context.project.model_plans[model_name].names,
        trainer=definition.trainer,
        task=definition.task,
        parameters=dict(tuned.hyperparameters if tuned is not None and fits else definition.parameters),
        calibrate=definition.calibrate,
        threshold=definition.threshold,
        seed=context.seed,
        threads=context.threads,
    )


def record(
    context: Context,
    model_name: str,
    experiment_id: str,
    dataset: Dataset,
    trained: Trained,
    payload: bytes,
    *,
    parent: str | None = None,
) -> tuple[str, str]:
    """Store the artifact and record the experiment, once for its id; give the artifact's URI and SHA-256."""
    recipe = trained.recipe
    uri, sha256 = context.artifacts.put(model_name, payload)
    context.registry.experiments.record(
        experiment_id=experiment_id,
        parent_experiment_id=parent,
        model_name=model_name,
        model_type=recipe.trainer,
        hyperparameters=recipe.parameters,
        recipe=recipe.to_dict(),
        training_dataset_version=f"{dataset.name}@{dataset.version}",
        training_dataset_hash=dataset.content_hash,
        feature_group_versions={g.group: g.version for g in context.project.model_plans[model_name].groups},
        evaluation_metrics=trained.metrics,
        artifact_path=uri,
        code_version=context.code_version,
        environment=environment(recipe),
        seed=recipe.seed,
    )
    context.keep_experiment(experiment_id)
    return uri, sha256


def environment(recipe: Recipe) -> dict[str, str]:
    """Give the versions of Python and of the libraries that a training's result depends on."""
    libraries = (*trainer(recipe.trainer).libraries, *_LIBRARIES)
    return {"python": platform.python_version(), **{name: installed(name) for name in libraries}}
