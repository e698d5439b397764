"""pandas: merge_asof of Parquet with Parquet, written to Parquet. Arguments: folder, result."""

import sys
from pathlib import Path
from time import perf_counter

import pandas as pd

from benchmarks.peers.cost import tell

FEATURES = ("payments", "amount_mean", "amount_max")

given, result = sys.argv[1:]
folder = Path(given)
started = perf_counter()
joined = pd.read_parquet(folder / "labels.parquet").sort_values("prediction_time")
for path in sorted(folder.glob("spending_*.parquet")):
    rows = pd.read_parquet(path, columns=["card", "event_timestamp", "seq", *FEATURES])
    rows = rows.sort_values(["event_timestamp", "seq"]).drop(columns="seq")  # of equal moments the last
    rows = rows.rename(columns={name: f"{path.stem}__{name}" for name in FEATURES})
    joined = pd.merge_asof(joined, rows, left_on="prediction_time", right_on="event_timestamp", by="card")
    joined = joined.drop(columns="event_timestamp")
joined.drop(columns=["card", "prediction_time"]).to_parquet(result)
tell(started)
