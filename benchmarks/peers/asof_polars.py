"""Polars: join_asof of Parquet with Parquet, written to Parquet. Arguments: folder, result."""

import sys
from pathlib import Path
from time import perf_counter

import polars as pl

from benchmarks.peers.cost import tell

FEATURES = ("payments", "amount_mean", "amount_max")

given, result = sys.argv[1:]
folder = Path(given)
started = perf_counter()
joined = pl.scan_parquet(folder / "labels.parquet").sort("prediction_time")
for path in sorted(folder.glob("spending_*.parquet")):
    rows = (
        pl.scan_parquet(path)
        .sort("event_timestamp", "seq")  # of equal moments the last row is taken
        .select("card", "event_timestamp", *(pl.col(n).alias(f"{path.stem}__{n}") for n in FEATURES))
    )
    joined = joined.join_asof(
        rows, left_on="prediction_time", right_on="event_timestamp", by="card", check_sortedness=False
    ).drop("event_timestamp", strict=False)
joined.drop("card", "prediction_time").sink_parquet(result)
tell(started)
