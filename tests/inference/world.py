"""A small world: two groups, a model, a registry and an online store with rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightgbm
from redis import Redis

from features.aggregates import count, last, mean
from features.compile import compile_group
from features.compile_model import compile_model
from features.contracts import AppliedContract
from features.cutover import target_of
from features.definitions import Entity, FeatureGroup, Freshness, Label, Model, Source
from features.layout import Layout, clock_key, pack_clock, row_key
from features.types import DataType
from features.vector import ModelPlan, VectorGroup
from inference.artifacts import ArtifactStore
from inference.explainer import explainer_entry
from inference.models import Models
from inference.predictor import Predictor
from inference.registry import ModelVersion, Registry
from schemas.registry import SchemaRegistry, UnknownSchemaError

from .onnx_models import classifier

NOW = 1_700_000_000_000
TIME = {"type": "long", "logicalType": "timestamp-millis"}
FIELDS = {
    "flight_id": "string",
    "carrier": "string",
    "origin": "string",
    "dest": "string",
    "arr_delay": ["null", "double"],
    "diverted": ["null", "boolean"],
    "scheduled_at": TIME,
    "distance": "double",
    "landed_at": TIME,
}


@dataclass
class World:
    folder: Path
    redis: Redis
    plan: ModelPlan
    groups: dict[str, FeatureGroup]
    registry: Registry
    artifacts: ArtifactStore
    models: Models
    now: int = NOW

    def clock(self) -> int:
        return self.now

    @property
    def predictor(self) -> Predictor:
        return Predictor(self.models, self.redis, self.clock)

    def plan_filled(self, on_stale: str, on_demand: dict[str, str]) -> ModelPlan:
        """The plan with defaults of all features of carriers but `count_1d`, and other on-demand features."""
        model = make_model(self.folder)
        filled = replace(
            self.groups["carrier_delay"],
            defaults={"arr_delay_mean_1h": -0.5, "diverted_last": True, "dest_last": "é"},
            freshness=Freshness("1m", on_stale=on_stale),
        )
        features = [filled[r.feature] if r.group.name == filled.name else r for r in model.features]
        return compile_model(replace(model, features=features, on_demand=on_demand))

    def plan_on_demand(self, on_demand: dict[str, str]) -> ModelPlan:
        """The plan with other on-demand features."""
        return compile_model(replace(make_model(self.folder), on_demand=on_demand))

    def put(self, group: str, entity: str, seq: int = 1, at: int = NOW - 5_000, **values: Any) -> None:
        plan = compile_group(self.groups[group])
        row = {f.name: values.get(f.name) for f in plan.features} | {"event_timestamp": at, "seq": seq}
        self.redis.set(row_key(plan.name, plan.version, entity), Layout.of(plan).pack(row))

    def tick(self, group: str, at: int = NOW - 1_000) -> None:
        self.redis.set(clock_key(group, self.groups[group].version), pack_clock(at))

    def register(
        self, payload: bytes | None = None, plan: ModelPlan | None = None, **change: Any
    ) -> ModelVersion:
        plan = plan or self.plan
        uri, sha256 = self.artifacts.put(plan.name, payload or classifier(len(plan.names), 0.01))
        experiment = self.registry.experiments.record(
            model_type="logistic",
            hyperparameters={},
            training_dataset_version="d1",
            feature_group_versions={},
            evaluation_metrics={},
            artifact_path=uri,
            code_version="1",
            environment={},
            seed=1,
        )
        stated: dict[str, Any] = {
            "artifact_uri": uri,
            "sha256": sha256,
            "framework": "sklearn",
            "serving_flavour": "onnx",
            "signature": plan.to_dict(),
        }
        return self.registry.register(
            plan.name, **(stated | change), experiment_id=experiment, by="test", why="test"
        )

    def register_trees(
        self, payload: bytes, booster: lightgbm.Booster, plan: ModelPlan | None = None
    ) -> ModelVersion:
        """Register a model with the trees that explain it."""
        plan = plan or self.plan
        trees = self.artifacts.put(plan.name, booster.model_to_string().encode())
        return self.register(payload, plan, signature=plan.to_dict() | explainer_entry(*trees))

    def promote(self, version: int) -> None:
        if self.registry.champion("late") is not None:
            self.registry.start_trial("late", version, by="test", why="test")
        self.registry.promote("late", version, by="test", why="test")

    def serve(self, payload: bytes | None = None) -> ModelVersion:
        version = self.register(payload)
        self.promote(version.version)
        self.models.refresh()
        return version


class LocalSchemas(SchemaRegistry):
    """Ids without a server, where what goes to the log is all that matters."""

    def __init__(self) -> None:
        self.schemas: list[dict[str, Any]] = []

    def register(self, subject: str, schema: Mapping[str, Any]) -> int:
        self.schemas.append(dict(schema))
        return len(self.schemas)

    def schema(self, schema_id: int) -> dict[str, Any]:
        if not 1 <= schema_id <= len(self.schemas):
            raise UnknownSchemaError(f"no schema {schema_id}")
        return self.schemas[schema_id - 1]


def make_groups(
    folder: Path, on_stale: str = "serve"
) -> tuple[Source, dict[str, FeatureGroup], list[Entity]]:
    path = folder / "landed.avsc"
    fields = [{"name": name, "type": kind} for name, kind in FIELDS.items()]
    path.write_text(json.dumps({"type": "record", "name": "landed", "fields": fields}))
    source = Source("landed", path, "landed_at", "flight_id", "flight_id")
    carrier, route = Entity("carrier"), Entity("route", ("origin", "dest"))
    groups = [
        FeatureGroup(
            "carrier_delay",
            1,
            carrier,
            source,
            [mean("arr_delay", over="1h"), count(over="1d"), last("diverted"), last("dest")],
            freshness=Freshness("1m", on_stale=on_stale),
        ),
        FeatureGroup("route_delay", 2, route, source, [mean("arr_delay", over="7d")]),
    ]
    return source, {group.name: group for group in groups}, [carrier, route]


def make_model(folder: Path, on_stale: str = "serve", extra: bool = False) -> Model:
    source, groups, entities = make_groups(folder, on_stale)
    carrier, route = groups["carrier_delay"], groups["route_delay"]
    on_demand = {"hour": "extract(hour from scheduled_at at time zone 'UTC')", "far": "distance > 1000"}
    inputs = {"scheduled_at": DataType.TIMESTAMP, "distance": DataType.DOUBLE}
    return Model(
        "late",
        entities,
        [
            carrier["diverted_last"],
            carrier["count_1d"],
            carrier["arr_delay_mean_1h"],
            route["arr_delay_mean_7d"],
        ],
        Label(source, "flight_id", "arr_delay > 15", "scheduled_at", "2h", "1d"),
        inputs,
        on_demand | ({"near": "distance < 100"} if extra else {}),
    )


def make_plan(folder: Path, on_stale: str = "serve", extra: bool = False) -> ModelPlan:
    return compile_model(make_model(folder, on_stale, extra))


def make_world(folder: Path, redis: Redis) -> World:
    registry = Registry(f"sqlite:///{folder}/registry.db", lambda: NOW)
    registry.migrate()
    artifacts = ArtifactStore(str(folder / "artifacts"))
    _, groups, _ = make_groups(folder)
    plan = make_plan(folder)
    return World(folder, redis, plan, groups, registry, artifacts, Models(registry, artifacts))


def next_version(world: World) -> VectorGroup:
    """The carriers' second version: one feature less, the others in another order."""
    first = world.groups["carrier_delay"]
    moved = replace(first, version=2, aggregates=[first.aggregates[i] for i in (2, 1, 0)])
    world.groups["next"] = moved
    plan = compile_group(moved)
    return target_of(AppliedContract(plan.name, plan.version, plan.to_json(), plan.contract_hash, NOW))
