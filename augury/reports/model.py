"""What is known of one model: its versions, its champions, how it does, what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from augury.reports.cost import processor_seconds_per_thousand
from augury.top.look import Look
from inference.registry import (
    GateResult,
    Lineage,
    ModelVersion,
    Registry,
    RegistryEvent,
    Reign,
    ServingConfig,
    UnknownModelError,
)
from warehouse.client import Client
from warehouse.reports import (
    AnswersOfDay,
    PerformanceWindow,
    TableCost,
    ToldAlert,
    answers_by_day,
    performance_windows,
    table_costs,
    told_alerts,
)


@dataclass(frozen=True)
class Version:
    """A version, the experiment that made it, its figures, and what its gates found."""

    version: ModelVersion
    lineage: Lineage
    metrics: Mapping[str, Any]
    gates: Sequence[GateResult]


@dataclass(frozen=True)
class ModelReport:
    """One model, whole: out of the registry, the warehouse, and what the services tell of themselves.

    `seen_at` is when they were asked, in ms since the epoch.
    """

    model: str
    seen_at: int
    serving: ServingConfig
    versions: Sequence[Version]
    reigns: Sequence[Reign]
    events: Sequence[RegistryEvent]
    performance: Sequence[PerformanceWindow]
    alerts: Sequence[ToldAlert]
    answers: Sequence[AnswersOfDay]
    storage: Sequence[TableCost]
    processor: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can hold; contracts are left out."""
        told = asdict(self)
        for each in told["versions"]:
            del each["version"]["signature"]
        return told


def read_model(client: Client, held: Registry, look: Look, model: str, days: int) -> ModelReport:
    """Read all of a model; windows, alerts and answers are those of the `days` up to the newest of each.

    Raises `UnknownModelError`.
    """
    versions = held.versions(model)
    if not versions:
        raise UnknownModelError(model, models=held.models())
    return ModelReport(
        model=model,
        seen_at=round(look.at * 1_000),
        serving=held.serving_config(model),
        versions=[
            Version(
                version,
                held.history.lineage(model, version.version),
                held.experiments.get(version.experiment_id).evaluation_metrics,
                held.gates.results(version.experiment_id),
            )
            for version in versions
        ],
        reigns=held.history.champions(model),
        events=held.history.events(model),
        performance=performance_windows(client, model, days),
        alerts=told_alerts(client, model, days),
        answers=answers_by_day(client, model, days),
        storage=table_costs(client),
        processor=processor_seconds_per_thousand(look.scrapes),
    )
