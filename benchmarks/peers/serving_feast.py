"""Feast: makes a repository over Redis and writes rows to it. Arguments: folder of rows, repository, Redis.

`feast serve` then serves the repository.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64, Int64

given, made, redis = sys.argv[1:]
repository = Path(made)
repository.joinpath("feature_store.yaml").write_text(
    f"""
project: serving
provider: local
registry: {repository / "registry.db"}
entity_key_serialization_version: 3
offline_store: {{type: file}}
online_store: {{type: redis, connection_string: "{redis}", skip_dedup: true}}
""",
    encoding="utf-8",
)
card = Entity(name="card", join_keys=["card"])
store = FeatureStore(repo_path=str(repository))
now = datetime.now(UTC)  # noqa: TID251 (a peer's own environment has no augury.clock)
paths = sorted(Path(given).glob("*.parquet"), key=lambda path: int(path.stem.rpartition("_")[2]))
views = []
for path in paths:
    names = {f.name: Int64 if str(f.type) == "int64" else Float64 for f in pq.read_schema(path)}
    names.pop("card")
    views.append(
        FeatureView(
            name=path.stem,
            entities=[card],
            ttl=timedelta(0),  # a row holds until the next
            schema=[Field(name=name, dtype=dtype) for name, dtype in names.items()],
            source=FileSource(path=str(path), timestamp_field="event_timestamp"),
        )
    )
store.apply([card, *views])
for path in paths:
    rows = pq.ParquetFile(path)
    for batch in rows.iter_batches(10_000):
        frame = batch.to_pandas(types_mapper=pd.ArrowDtype)
        frame["card"] = frame["card"].astype(str)
        frame["event_timestamp"] = now
        store.write_to_online_store(path.stem, frame)
