"""One experiment: what it was trained with and on, what it came to, and what became of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from augury.page import Markup, element, figure, page, table
from augury.reports.calibration import calibration
from augury.reports.lineage import lineage
from augury.reports.nothing import NothingToShowError
from augury.reports.scales import minute, short
from augury.reports.search import Search, read_search, search_parts
from augury.spelling import spelled
from inference.registry import Experiment, ExperimentKind, GateResult, ModelVersion, Registry
from warehouse.client import Client
from warehouse.reports import HoldoutTenth, TrainingSet, holdout_tenths, training_set

_NOT_KEPT = "None is kept."


@dataclass(frozen=True)
class ExperimentReport:
    """An experiment, the version that it made, its gates, its training set, its holdout and its search.

    `version` is None where a gate stopped it, `training` where the warehouse has no such training set, and
    `search` where none chose the hyperparameters.
    """

    experiment: Experiment
    version: ModelVersion | None
    gates: Sequence[GateResult]
    training: TrainingSet | None
    holdout: Sequence[HoldoutTenth]
    search: Search | None

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can hold; the contract is left out."""
        told = asdict(self)
        if told["version"] is not None:
            del told["version"]["signature"]
        return told


def read_experiment(client: Client, held: Registry, experiment_id: str) -> ExperimentReport:
    """Read all that is kept of an experiment. Raises `NothingToShowError`."""
    try:
        experiment = held.experiments.get(experiment_id)
    except LookupError as error:
        of = f"the id {experiment_id!r}"
        raise NothingToShowError("experiments", of, "`augury experiment list` names them") from error
    versions = [v for v in held.versions(experiment.model_name or "") if v.experiment_id == experiment_id]
    return ExperimentReport(
        experiment,
        versions[0] if versions else None,
        held.gates.results(experiment_id),
        training_set(client, experiment.training_dataset_version),
        holdout_tenths(client, experiment_id),
        read_search(held, experiment),
    )


def experiment_page(report: ExperimentReport) -> str:
    """Draw the page."""
    experiment = report.experiment
    parts = [
        _became(report),
        *_lineage(report),
        element("h2", "Figures of the holdout"),
        _pairs(experiment.evaluation_metrics, "figure"),
        *_holdout(report.holdout),
        *_gates(report.gates),
        element("h2", "Hyperparameters"),
        _pairs(experiment.hyperparameters, "hyperparameter"),
        *search_parts(report.search),
        element("h2", "Training set"),
        _training(report.training),
        element("h2", "What it can be repeated with"),
        _pairs(
            {"code": experiment.code_version, "seed": f"{experiment.seed}", **experiment.environment}, "what"
        ),
        element("h3", "Recipe"),
        element("pre", json.dumps(experiment.recipe, indent=1, ensure_ascii=False)),
    ]
    return page(f"Experiment {experiment.experiment_id}", parts)


def _became(report: ExperimentReport) -> Markup:
    experiment, version = report.experiment, report.version
    of, at = experiment.model_name or "a model", f"{minute(experiment.trained_at)} UTC"
    if experiment.kind is ExperimentKind.TUNING:
        trials = f"trials of {experiment.model_type} for {of}, begun at {at}"
        return element("p", f"This is a search: {trials}. It makes no version itself.")
    said = [f"{experiment.model_type} was trained for {of} at {at}."]
    if experiment.parent_experiment_id is not None:
        again = "runs again" if experiment.kind is ExperimentKind.RERUN else "corrects"
        said.append(f"It {again} {experiment.parent_experiment_id}.")
    failed = [gate.gate for gate in report.gates if not gate.passed]
    if version is not None:
        said.append(f"It made version {version.version}, which is {version.status.value}.")
    elif failed:
        said.append(f"It made no version, for it failed: {', '.join(failed)}.")
    else:
        said.append("It made no version.")
    return element("p", " ".join(said))


def _lineage(report: ExperimentReport) -> list[Markup]:
    experiment, version = report.experiment, report.version
    groups = [("group", f"{name}.v{number}") for name, number in experiment.feature_group_versions.items()]
    steps = [
        [*groups, ("code", experiment.code_version[:12])],
        [("training set", experiment.training_dataset_version)],
        [("experiment", experiment.experiment_id)],
    ]
    if version is not None:
        steps.append([(f"{experiment.model_name}, {version.status.value}", f"version {version.version}")])
    return [
        element("h2", "Where it comes from"),
        figure(lineage(steps, "lineage of the experiment"), "From definitions and code to the version."),
    ]


def _holdout(tenths: Sequence[HoldoutTenth]) -> list[Markup]:
    if not tenths:
        return [element("p", "Its predictions of the holdout are not kept.", class_="quiet")]
    drawn = calibration(
        [t.predicted for t in tenths],
        [t.observed for t in tenths],
        "mean predictions and labels of the holdout",
    )
    caption = "The holdout by tenths of its predictions: each dot is as high as what came true."
    rows = [[f"{t.tenth + 1}", f"{t.rows:,}", short(t.predicted), short(t.observed)] for t in tenths]
    return [figure(drawn, caption), table(["tenth", "rows", "mean prediction", "mean label"], rows)]


def _gates(gates: Sequence[GateResult]) -> list[Markup]:
    parts = [element("h2", "Gates")]
    if not gates:
        return [*parts, element("p", _NOT_KEPT)]
    rows = [
        [g.gate, "yes" if g.passed else element("span", "no", class_="bad"), g.rule, g.value, g.consequence]
        for g in gates
    ]
    return [*parts, table(["gate", "passed", "rule", "value", "where it fails"], rows)]


def _training(training: TrainingSet | None) -> Markup:
    if training is None:
        return element("p", "The warehouse does not hold it.")
    facts = {"table": training.table_name, "rows": training.rows, "content": training.content_hash}
    facts |= {"origin": training.origin, "serving delay, ms": training.serving_delay_ms}
    return _pairs({**facts, "built": f"{minute(training.created_at)}"}, "what")


def _pairs(facts: Mapping[str, Any], heading: str) -> Markup:
    if not facts:
        return element("p", _NOT_KEPT)
    return table([heading, "value"], [[name, spelled(name, value)] for name, value in facts.items()])
