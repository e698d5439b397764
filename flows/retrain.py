"""The flow that answers drift: a new training set, a new model, registered in `staging`."""

from typing import Any, NamedTuple

from prefect import flow, task

from features.policies import DriftPolicy, MonitoringPolicy
from flows.context import current
from flows.contracts import Dataset
from flows.experiments import next_recipe, record
from flows.export import export
from flows.parameters import ModelName, Moment
from flows.recipe import Recipe
from flows.steps import RETRIED, once, show, show_link
from flows.trainers import trainer, trees_of
from flows.training import Trained, train
from flows.triggers import RETRAIN, RETRAINING
from flows.tuning import due, tune_on
from flows.validate import check_data, check_model
from inference.explainer import explainer_entry
from inference.registry import ModelVersion


class Stored(NamedTuple):
    """A model in the artifact store, and what its registered signature says."""

    uri: str
    sha256: str
    framework: str
    signature: dict[str, Any]


class Leave(NamedTuple):
    """Whether a policy may retrain, and by which rule it may not."""

    given: bool
    rule: str = ""


@task(**RETRIED)
def await_warehouse(until: int) -> None:
    """Wait until the warehouse holds what the log held at `until` (ms); a lag is retried as an outage is."""
    current().wait_for_warehouse(until)


@task(**RETRIED)
def find_registered(model_name: str, experiment_id: str) -> int | None:
    """Give the version that an experiment has already become, if it has."""
    versions = current().registry.versions(model_name)
    return next((v.version for v in versions if v.experiment_id == experiment_id), None)


@task(**RETRIED)
def may_retrain(model_name: str, alert_id: str, policy: str, at: int) -> Leave:
    """Tell whether the day of `at` (ms) has a retraining left for an alert of a policy, and take it.

    What no policy of the project asks for has no bound: somebody has asked by hand. While a challenger is
    judged there is none; but what an alert has taken it has, though a trial has begun since.
    """
    context = current()
    asking = (p for p in context.project.policies if isinstance(p, DriftPolicy | MonitoringPolicy))
    per_day = next((p.actions_per_day for p in asking if p.name == policy), None)
    registry = context.registry
    if per_day is None or registry.actions.taken(model_name, RETRAIN, alert_id):
        return Leave(given=True)
    routed = registry.serving_config(model_name)
    version = routed.on_trial or routed.challenger_version
    if version is not None:
        rule = "while a challenger is judged no other is trained, and a later alert asks again"
        return Leave(given=False, rule=f"{rule}: version {version} is on trial or has a share")
    take = registry.actions.take
    return Leave(
        given=take(model_name, RETRAIN, alert_id=alert_id, policy=policy, at=at, per_day=per_day),
        rule="the alert's day has no retraining left: actions_per_day of the policy that asks are taken by "
        "others, whom the registry's table actions names",
    )


@task(**RETRIED)
def tuning_is_due(model_name: str, at: int) -> bool:
    """Tell whether better parameters are to be searched first."""
    return due(current(), model_name, at)


@task(**RETRIED)
def choose_recipe(model_name: str) -> Recipe:
    """Give what the training goes by: the model's definition, and what tuning has found."""
    return next_recipe(current(), model_name)


@task(**RETRIED)
def build_dataset(model_name: str, name: str, end: int) -> Dataset:
    """Build the as-of training set from all that the log held at `end` (ms)."""
    return current().dataset(model_name, name, end)


@task(**once("experiment_id", "recipe", "content_hash"))
def fit(experiment_id: str, content_hash: str, recipe: Recipe, dataset: Dataset) -> Trained:  # noqa: ARG001
    """Train by a recipe: once for an experiment id, whose training set has this hash."""
    return train(dataset.read(), recipe)


@task(**RETRIED)
def export_model(trained: Trained) -> bytes:
    """Export to ONNX and compare with the trainer."""
    return export(trained)


@task(**RETRIED)
def freeze_references(model_name: str, experiment_id: str, dataset: Dataset, trained: Trained) -> None:
    """Freeze what later windows are compared with; before the version is known, so that none is without."""
    held = trained.holdout
    current().freeze(model_name, experiment_id, dataset.table, held.predictions, held.labels)


@task(**RETRIED)
def record_run(
    model_name: str, experiment_id: str, dataset: Dataset, trained: Trained, payload: bytes
) -> Stored:
    """Store the model and the trees that explain it, and record the experiment; once for its id."""
    context = current()
    plan = context.project.model_plans[model_name]
    uri, sha256 = record(context, model_name, experiment_id, dataset, trained, payload)
    signature = plan.to_dict()
    trees = trees_of(trained.fitted)
    if trees is not None:
        signature |= explainer_entry(*context.artifacts.put(model_name, trees.encode()))
    return Stored(uri, sha256, trainer(trained.recipe.trainer).framework, signature)


@task(**RETRIED)
def register_model(model_name: str, experiment_id: str, why: str, stored: Stored) -> ModelVersion:
    """Register the model of an experiment; once for an experiment id."""
    return current().registry.register(
        model_name,
        artifact_uri=stored.uri,
        sha256=stored.sha256,
        framework=stored.framework,
        serving_flavour="onnx",
        signature=stored.signature,
        experiment_id=experiment_id,
        by=RETRAINING,
        why=why,
    )


@task(**RETRIED)
def publish_changes() -> int:
    """Send the registry's outbox to the log."""
    return current().publish()


@flow(name=RETRAIN)
def retrain(model_name: ModelName, alert_id: str, policy: str, at: Moment) -> int | None:
    """Retrain `model_name` on what the log held at `at` (ms) and give the version registered.

    None where the policy that asks allows no more retrainings of the model that day, or a challenger is
    judged already: its alert has told.

    The alert is the identity: a second run for it, after a crash too, ends with the same version. Where a
    gate fails the run does too, with `GateError`, and nothing is registered; the training set, the experiment
    and its artifact stay.
    """
    name, asker = f"{model_name}-{alert_id}", f"{policy} (alert {alert_id})"
    known = find_registered(model_name, name)
    if known is not None:
        publish_changes()  # the run that registered it may have died before
        show(
            f"registered-{model_name}",
            f"{model_name} was retrained before",
            {"asked for by": asker, "version": known, "rule": "one alert registers one version"},
        )
        return known
    leave = may_retrain(model_name, alert_id, policy, at)
    if not leave.given:
        told = {"asked for by": asker, "rule": leave.rule}
        show(f"not-retrained-{model_name}", f"{model_name} was not retrained", told)
        return None
    await_warehouse(at)
    dataset = build_dataset(model_name, name, at)
    check_data(model_name, name, dataset, at)
    if tuning_is_due(model_name, at):
        tune_on(model_name, f"{name}-tuning", dataset, at)
    trained = fit(name, dataset.content_hash, choose_recipe(model_name), dataset)
    payload = export_model(trained)
    freeze_references(model_name, name, dataset, trained)
    stored = record_run(model_name, name, dataset, trained, payload)
    check_model(model_name, name, trained, payload, at)
    registered = register_model(model_name, name, f"asked for by {asker}", stored)
    publish_changes()
    facts = {
        "model": f"{model_name} version {registered.version}",
        "asked for by": asker,
        "training set": f"{dataset.name}@{dataset.version}, {dataset.rows} rows, {dataset.content_hash}",
        "artifact": f"{registered.artifact_uri} ({registered.sha256})",
        **trained.metrics,
    }
    show(f"retrain-{model_name}", f"{model_name} retrained", facts)
    title = f"The file of {model_name} version {registered.version}"
    show_link(f"model-{model_name}", title, registered.artifact_uri)
    return registered.version
