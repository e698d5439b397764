"""The gates as steps of a flow: what they find is kept, shown and sent; a failed one ends the run."""

import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from prefect import task

from features.alerts import Alert, Playbook
from features.vector import ModelPlan
from flows import gates
from flows.alerting import tell
from flows.context import Context, current
from flows.contracts import Dataset
from flows.gates import Comparison, GateError
from flows.metrics import concordance, metric
from flows.rows import LABEL, numbers
from flows.steps import RETRIED, show
from flows.training import Trained
from inference.artifacts import ArtifactMismatchError
from inference.registry import GateResult
from inference.runtime import OnnxModel, UnfitModelError

GATE = "gate"
"""The kind of alerts of failed gates."""
DATA, MODEL = "data", "model"
_ROUNDS, _RUNS = 5, 1_000
_TOP = 0.1


@task(**RETRIED)
def check_data(model_name: str, experiment_id: str, dataset: Dataset, at: int) -> None:
    """Judge a training set before anything is learned from it; raises `GateError`.

    `at` (ms) is the time of the alert that a failure sends.
    """
    context = current()
    policy, plan = context.gate_policy(model_name), context.project.model_plans[model_name]
    table = dataset.read()
    results = [gates.schema(table, plan), gates.rows(table, policy)]
    if all(r.passed for r in results):  # else there is nothing to look into
        columns = gates.vectors(table, plan.names)
        labels = numbers(table, LABEL)
        reference = _reference(context, model_name, plan)
        results += [
            gates.missing(columns, reference, policy),
            gates.anomalies(columns, reference, context.project.ranges(plan), policy),
            gates.single_features(columns, labels, policy),
            gates.changed_values(context.changed_values(model_name, dataset.table), policy),
            gates.known_labels(table, policy),
        ]
    _conclude(context, model_name, experiment_id, DATA, results, at)


@task(**RETRIED)
def check_model(model_name: str, experiment_id: str, trained: Trained, payload: bytes, at: int) -> None:
    """Judge a model that was exported before it is registered; raises `GateError`.

    `at` (ms) is the time of the alert that a failure sends.
    """
    context = current()
    policy = context.gate_policy(model_name)
    results = [
        gates.improvement(beside_champion(context, model_name, trained, policy.metric), policy),
        gates.latency(measured_latency(payload, trained.holdout.vectors), policy),
        gates.size(len(payload), policy),
    ]
    _conclude(context, model_name, experiment_id, MODEL, results, at)


def measured_latency(payload: bytes, vectors: NDArray[np.float32]) -> float:
    """Give the 99th percentile (ms) of runs of one vector of (n, k) each, on one thread as in serving.

    It is the lowest of some rounds: what else the machine does can only add.
    """
    model = OnnxModel(payload)
    rows = [vectors[i % len(vectors)][None].astype(np.float64) for i in range(_RUNS)]
    return min(float(np.percentile([_timed(model, row) for row in rows], 99)) for _ in range(_ROUNDS))


def _timed(model: OnnxModel, row: NDArray[np.float64]) -> float:
    started = time.perf_counter()
    model.predict(row)
    return (time.perf_counter() - started) * 1000


def beside_champion(context: Context, model_name: str, trained: Trained, name: str) -> Comparison | str:
    """Compute a metric of both on the holdout of a new model, or say why it cannot be.

    The champion must have learned nothing of it: its own holdout began no later.
    """
    champion = context.registry.champion(model_name)
    if champion is None:
        return "there is no champion"
    known = context.registry.experiments.find(champion.experiment_id)
    began = None if known is None else known.evaluation_metrics.get("holdout_start")
    if began is not None and began > trained.holdout.start:
        return (
            f"version {champion.version} has learned from rows of this holdout, which begins at "
            f"{trained.holdout.start} ms and its own at {began:.0f} ms"
        )
    names = ModelPlan.from_dict(champion.signature).names
    places = {name: place for place, name in enumerate(trained.recipe.features)}
    lacking = [name for name in names if name not in places]
    if lacking:
        return f"version {champion.version} reads {', '.join(lacking)}, which the new vector has not"
    try:
        model = OnnxModel(context.artifacts.get(champion.artifact_uri, champion.sha256))
    except (FileNotFoundError, ArtifactMismatchError, UnfitModelError) as error:
        return f"version {champion.version} cannot be loaded: {error}"
    holdout = trained.holdout
    scores = model.predict(holdout.vectors[:, [places[name] for name in names]].astype(np.float64)).scores
    of = concordance if name == "auc" else metric(name, _TOP)
    new, held = (of(holdout.labels, values) for values in (holdout.predictions, scores))
    return Comparison(new, held, champion.version, len(holdout.labels))


def _reference(context: Context, model_name: str, plan: ModelPlan) -> dict[str, gates.Column]:
    champion = context.registry.champion(model_name)
    if champion is None:
        return {}
    lineage = context.registry.history.lineage(model_name, champion.version)
    table: pa.Table | None = context.training_set(lineage.training_dataset_version)
    return {} if table is None else gates.vectors(table, plan.names)


def _conclude(
    context: Context,
    model_name: str,
    experiment_id: str,
    stage: str,
    results: Sequence[GateResult],
    at: int,
) -> None:
    """Keep and show what was found; where a gate has failed, send an alert and raise `GateError`."""
    context.registry.gates.record(model_name, experiment_id, results)
    context.keep_experiment(experiment_id)
    facts = {r.gate: f"{'passed' if r.passed else '**failed**'}: {r.value} ({r.rule})" for r in results}
    show(f"gates-{stage}-{model_name}", f"Gates of the {stage} of {model_name}", facts)
    failed = [r for r in results if not r.passed]
    if not failed:
        return
    evidence = [
        {"gate": r.gate, "rule": r.rule, "value": r.value, "consequence": r.consequence} for r in failed
    ]
    alert = Alert(
        alert_id=f"{GATE}/{experiment_id}/{stage}",
        policy=f"gates/{model_name}",
        kind=GATE,
        subject=experiment_id,
        severity="critical",
        evidence={"stage": stage, "failed": evidence},
        at=at,
        playbook=Playbook.FAILED_GATE,
        owner=context.model(model_name).owner,
        model_name=model_name,
    )
    tell(alert.record)
    raise GateError(model_name, failed)
