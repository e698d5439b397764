"""A small project and the flows' collaborators around it: real registry, artifacts and training data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from features import (
    DataType,
    DriftPolicy,
    Entity,
    EvaluationPolicy,
    FeatureGroup,
    GatePolicy,
    Label,
    Model,
    MonitoringPolicy,
    Source,
    count,
)
from features.project import Project, collect
from flows.check import NoReferenceError, Report
from flows.context import Context
from flows.performance import Performance
from inference.artifacts import ArtifactStore
from inference.registry import ModelVersion, Registry
from tests.flows.tables import FEATURES, SMALL, table
from tests.registered import register
from warehouse.audit import Audit

HOUR, DAY = 3_600_000, 86_400_000
ASSIGNMENTS = pa.schema(
    {
        "request_id": pa.string(),
        "unit": pa.string(),
        "requested": pa.int64(),
        "champion": pa.float64(),
        "challenger": pa.float64(),
        "assigned": pa.bool_(),
        "segments": pa.list_(pa.string()),
        "arrived": pa.list_(pa.int64()),
        "happened": pa.list_(pa.int64()),
        "labels": pa.list_(pa.float64()),
    }
)
"""What `read_assignments` selects."""
NOW = 1_700_000_000_000


def project(folder: Path, model_name: str = "punctual", **policy: Any) -> Project:
    """Make the project; `policy` is what its evaluation policy states beside the usual."""
    double = ["null", "double"]
    millis = {"type": "long", "logicalType": "timestamp-millis"}
    names = {"trip": "string", "line": "string", "due": millis, "done": millis, "late": "boolean"}
    fields = [{"name": n, "type": t} for n, t in {**names, "a": double, "b": double, "c": double}.items()]
    schema = folder / "trip.avsc"
    schema.write_text(json.dumps({"type": "record", "name": "trip", "fields": fields}), encoding="utf-8")
    source = Source("trips", schema, event_time="done", event_id="trip", partition_key="line")
    line = Entity("line")
    group = FeatureGroup("line_trips", 1, line, source, [count(over="1h")])
    model = Model(
        model_name,
        [line],
        [],
        Label(source, "trip", "late", due="due", lead="2h", horizon="1d"),
        inputs=dict.fromkeys("abc", DataType.DOUBLE),
        on_demand=dict(zip(FEATURES, ("a + 0.0", "b + 0.0", "c + 0.0"), strict=True)),
        parameters=SMALL,
    )
    module = ModuleType("trips")
    policies = {
        "judge": EvaluationPolicy(model, min_units=20, max_units=500, look_every="1d", **policy),
        "drift": DriftPolicy(group, model, retrain=True),
        "quality": MonitoringPolicy(model, segments=("line",)),
        "gates": GatePolicy(model, max_latency_ms=60_000.0),  # whatever else the machine does
    }
    vars(module).update(group=group, model=model, **policies)
    return collect(module)


@dataclass(frozen=True)
class TableDataset:
    name: str
    rows: int
    table: str = "a_table"
    version: int = 1
    content_hash: str = "0"

    def read(self) -> pa.Table:
        return table(self.rows)


class World:
    """One test's collaborators.

    `units` is what the warehouse would answer, `found` what an audit would find, `asked` the datasets built,
    `audited` the audits made, `alerts` what was sent, `frozen` the references asked for. `reports` are what
    drift checks would find, by policy, `performances` those of performance, and `checked` those made.
    `resolved` are the incidents that were.
    """

    def __init__(self, folder: Path, model_name: str = "punctual", **policy: Any) -> None:
        self.project = project(folder, model_name, **policy)
        self.registry = Registry(f"sqlite:///{folder}/registry.sqlite", lambda: NOW)
        self.registry.migrate()
        self.asked: list[tuple[str, str, int]] = []
        self.units: list[tuple[str, float | None, float | None, float | None]] = []
        self.published: list[str] = []
        self.found = Audit(3, 0, (), 0)
        self.audited: list[tuple[str, str, int, int, int | None]] = []
        self.alerts: list[Mapping[str, Any]] = []
        self.frozen: list[tuple[Any, ...]] = []
        self.reports: dict[str, Report] = {}
        self.checked: list[tuple[str, int, int]] = []
        self.performances: dict[str, Performance] = {}
        self.resolved: list[tuple[str, str, int]] = []
        self.context = Context(
            project=self.project,
            registry=self.registry,
            artifacts=ArtifactStore(f"file://{folder}/artifacts"),
            dataset=self._dataset,
            query=self._query,
            audit=self._audit,
            freeze=lambda *frozen: self.frozen.append(frozen),
            check_drift=self._check_drift,
            check_performance=self._check_performance,
            look_at_canary=lambda *_: None,
            clock=lambda: NOW,
            alert=self.alerts.append,
            resolve=lambda *resolved: self.resolved.append(resolved),
            publish=self._publish,
            code_version="test",
        )

    def _dataset(self, model_name: str, name: str, end: int) -> TableDataset:
        self.asked.append((model_name, name, end))
        return TableDataset(name, 2_000)

    def _query(self, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        """Answer with `units`, whose windows closed long before; in split traffic one answer is theirs."""
        asked = parameters["until"] - 10 * DAY
        split = "'challenger'" in sql
        rows = [
            {
                "request_id": request,
                "unit": request,
                "requested": asked,
                "champion": champion,
                "challenger": challenger,
                "assigned": champion is None if split else None,
                "segments": [],
                "arrived": [] if label is None else [asked],
                "happened": [] if label is None else [asked],
                "labels": [] if label is None else [label],
            }
            for request, champion, challenger, label in self.units
        ]
        return pa.Table.from_pylist(rows, ASSIGNMENTS)

    def _audit(self, audit_id: str, model_name: str, since: int, until: int, sample: int | None) -> Audit:
        self.audited.append((audit_id, model_name, since, until, sample))
        return self.found

    def _check_drift(self, policy: DriftPolicy, version: ModelVersion, end: int) -> Report:
        self.checked.append((policy.name, version.version, end))
        if policy.name not in self.reports:
            raise NoReferenceError(f"{policy.name} has no reference")
        return self.reports[policy.name]

    def _check_performance(self, policy: MonitoringPolicy, version: ModelVersion, end: int) -> Performance:
        self.checked.append((policy.name, version.version, end))
        if policy.name not in self.performances:
            raise NoReferenceError(f"{policy.name} has no holdout")
        return self.performances[policy.name]

    def _publish(self) -> int:
        events = self.registry.unpublished_events()
        self.registry.mark_published([e.event_id for e in events])
        self.published += [f"{e.kind} {e.version}" for e in events]
        return len(events)

    def register(self, experiment: str) -> int:
        """Register a version by hand, with an experiment of its own."""
        model = self.project.models[0].name
        signature = self.project.model_plans[model].to_dict()
        return register(self.registry, model, signature, why="by hand", experiment=experiment)

    def crown(self, experiment: str = "first") -> int:
        """Register and promote a first champion."""
        version = self.register(experiment)
        self.registry.promote(self.project.models[0].name, version, by="ann", why="the first")
        return version
