"""Feast: historical retrieval from Parquet by its DuckDB store. Arguments: folder, result."""

import sys
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64, Int64

from benchmarks.peers.cost import tell

TYPES = {"payments": Int64, "amount_mean": Float64, "amount_max": Float64}

given, result = sys.argv[1:]
folder = Path(given)
card = Entity(name="card", join_keys=["card"])
views = [
    FeatureView(
        name=path.stem,
        entities=[card],
        ttl=timedelta(0),  # a row holds until the next
        schema=[Field(name=name, dtype=dtype) for name, dtype in TYPES.items()],
        source=FileSource(
            path=str(path), timestamp_field="event_timestamp", created_timestamp_column="created"
        ),
        online=False,
    )
    for path in sorted(folder.glob("spending_*.parquet"))
]
store = FeatureStore(
    config=RepoConfig(
        project="asof",
        registry=str(Path(result).with_suffix(".registry")),
        provider="local",
        offline_store={"type": "duckdb"},
        online_store={"type": "sqlite", "path": str(Path(result).with_suffix(".online"))},
        entity_key_serialization_version=3,
    )
)
store.apply([card, *views])
started = perf_counter()
labels = pd.read_parquet(folder / "labels.parquet").rename(columns={"prediction_time": "event_timestamp"})
retrieved = store.get_historical_features(
    entity_df=labels,
    features=[f"{view.name}:{name}" for view in views for name in TYPES],
    full_feature_names=True,
)
pq.write_table(retrieved.to_arrow().drop_columns(["card", "event_timestamp"]), result)
tell(started)
