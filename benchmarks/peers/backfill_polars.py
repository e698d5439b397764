"""Polars: rolling groups over Parquet, written to Parquet. Arguments: events, result."""

import sys
from time import perf_counter

import polars as pl

from benchmarks.peers.cost import tell

AMOUNTS = {
    "1d": pl.col("amount").mean().alias("amount_mean_1d"),
    "7d": pl.col("amount").max().alias("amount_max_7d"),
    "21d": pl.col("amount").sum().alias("amount_sum_21d"),
}

events, result = sys.argv[1:]
started = perf_counter()
frame = pl.read_parquet(events).sort("card", "paid_at")
columns = [frame.select("id", "card")]
for span in ("1h", "6h", "1d", "7d", "21d"):
    rolled = frame.rolling("paid_at", period=span, closed="both", group_by="card").agg(
        pl.len().cast(pl.Int64).alias(f"count_{span}"), *([AMOUNTS[span]] if span in AMOUNTS else [])
    )
    columns.append(rolled.sort("card", "paid_at").drop("card", "paid_at"))
pl.concat(columns, how="horizontal").write_parquet(result)
tell(started)
