"""The servers of the serving benchmark, with rows in Redis and champions in the registry."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from redis import Redis

from augury.clock import wall_ms
from augury.models import registry
from augury.settings import Settings
from augury.stack import Stack
from benchmarks.champions import crown
from benchmarks.common import CACHE
from benchmarks.serving_cases import Numbers, Shape, key, model, records, values
from features.compile_model import compile_model
from features.layout import Layout, clock_key, pack_clock, row_key
from features.types import DataType
from features.vector import ModelPlan, VectorGroup
from flows.export import export
from flows.recipe import Recipe
from flows.rows import LABEL, LABEL_TIME, PREDICTION_TIME
from flows.training import train
from inference.runtime import OnnxModel
from schemas.log import Topic, create_topics
from schemas.records import TOPICS

_PARTS = ("kafka", "registry", "redis")
_TREES = 100
_TRAINED, _WRITTEN = 5_000, 1_000


@dataclass(frozen=True)
class World:
    """The running servers, and so many entities' rows of some shapes."""

    settings: Settings
    entities: int
    plans: dict[Shape, ModelPlan] = field(default_factory=dict)
    rows: dict[Shape, Numbers] = field(default_factory=dict)

    def onnx(self, shape: Shape) -> Path:
        """Give the file of a shape's model."""
        return self.settings.home / f"{shape.model}.onnx"

    def folder(self, name: str) -> Path:
        """Give a folder, made where it is missing."""
        path = self.settings.home / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def vectors(self, shape: Shape, entities: Sequence[int]) -> Numbers:
        """Give what the model is to be asked with for each entity: an array (n, features), NaN where NULL."""
        rows = self.rows[shape]
        found = np.full((len(entities), rows.shape[1]), np.nan)
        there = np.array(entities) < self.entities
        found[there] = rows[np.array(entities)[there]]
        return found

    def predictions(self, shape: Shape, entities: Sequence[int]) -> list[float]:
        """Give what the model predicts for each entity."""
        return list(
            OnnxModel(self.onnx(shape).read_bytes()).predict(self.vectors(shape, entities)).scores.tolist()
        )

    def whole(self, shape: Shape, entities: Sequence[int]) -> list[int]:
        """Keep the entities that lack no value."""
        lacking = np.isnan(self.vectors(shape, entities)).sum(axis=1).tolist()
        return [entity for entity, count in zip(entities, lacking, strict=True) if not count]

    def add(self, shape: Shape) -> None:
        """Write the shape's rows to Redis and as files for others, and make its model the champion."""
        plan = self.plans[shape] = compile_model(model(shape))
        made = [values(group.features, number, self.entities) for number, group in enumerate(plan.groups)]
        with Redis.from_url(self.settings.redis_url) as store:
            for group, rows in zip(plan.groups, made, strict=True):
                _write(store, group, rows)
                pq.write_table(_table(group, rows), self.folder(shape.model) / f"{group.group}.parquet")
        self.rows[shape] = np.concatenate(made, axis=1)
        self.onnx(shape).write_bytes(_model(plan, self.rows[shape][:_TRAINED]))
        self.register(shape, shape.model)

    def register(self, shape: Shape, name: str) -> None:
        """Make the shape's model the champion of a name."""
        held = registry(self.settings)
        crown(self.settings, held, self.plans[shape], name, self.onnx(shape).read_bytes())
        held.close()


def _write(store: Redis, group: VectorGroup, rows: Numbers) -> None:
    layout = Layout.of(group)
    pending: dict[str, bytes] = {}
    for number, record in enumerate(records(group.features, rows, wall_ms())):
        pending[row_key(group.group, group.version, key(number))] = layout.pack(record)
        if len(pending) == _WRITTEN or number == len(rows) - 1:
            store.mset(pending)
            pending.clear()
    store.set(clock_key(group.group, group.version), pack_clock(wall_ms()))


def _table(group: VectorGroup, rows: Numbers) -> pa.Table:
    columns = {"card": pa.array([key(number) for number in range(len(rows))])}
    for feature, column in zip(group.features, rows.T, strict=True):
        kind = pa.int64() if feature.type is DataType.INTEGER else pa.float64()
        columns[feature.name] = pa.array(column, from_pandas=True).cast(kind)
    return pa.table(columns)


def _model(plan: ModelPlan, vectors: Numbers) -> bytes:
    """Train and export a model as the flows do, on labels that depend on a few of the features."""
    rng = np.random.default_rng(len(plan.names))
    score = np.log(np.nan_to_num(vectors[:, :5], nan=1.0)).mean(axis=1) + rng.normal(0, 0.5, len(vectors))
    table = pa.table(dict(zip(plan.names, vectors.T, strict=True)))
    moments = pa.array(np.arange(len(vectors)))
    for name, column in (
        (PREDICTION_TIME, moments),
        (LABEL_TIME, moments),
        (LABEL, pa.array(score > np.median(score))),
    ):
        table = table.append_column(name, column)
    return export(train(table, Recipe(plan.names, parameters={"num_iterations": _TREES})))


@contextlib.contextmanager
def world(entities: int, shapes: Sequence[Shape]) -> Iterator[World]:
    """Run the servers with the shapes' rows and models; their folder goes with them."""
    CACHE.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="serving-", dir=CACHE))
    settings = Settings.with_free_ports(home)
    try:
        with Stack(settings, parts=_PARTS):
            requests = {"prediction.requests": settings.partitions}
            create_topics(settings.kafka_bootstrap, [Topic(name, requests.get(name, 1)) for name in TOPICS])
            made = World(settings, entities)
            for shape in shapes:
                made.add(shape)
            yield made
    finally:
        shutil.rmtree(home, ignore_errors=True)
