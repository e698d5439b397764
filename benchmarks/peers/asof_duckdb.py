"""DuckDB: ASOF JOIN of Parquet with Parquet, written to Parquet. Arguments: folder, result, memory in MiB."""

import sys
from pathlib import Path
from time import perf_counter

import duckdb

from benchmarks.peers.cost import tell

FEATURES = ("payments", "amount_mean", "amount_max")

given, result, memory = sys.argv[1:]
folder = Path(given)
groups = sorted(path.stem for path in folder.glob("spending_*.parquet"))
selected = ", ".join(f"{group}.{name} AS {group}__{name}" for group in groups for name in FEATURES)
joins = "\n".join(
    f"""ASOF LEFT JOIN (
        SELECT DISTINCT ON (card, event_timestamp) card, event_timestamp, {", ".join(FEATURES)}
        FROM '{folder}/{group}.parquet' ORDER BY card, event_timestamp, seq DESC
    ) AS {group}
    ON labels.card = {group}.card AND labels.prediction_time >= {group}.event_timestamp"""
    for group in groups
)
started = perf_counter()
with duckdb.connect(config={"threads": 2, "memory_limit": f"{memory}MiB"}) as connection:
    connection.execute(
        f"COPY (SELECT request_id, {selected} FROM '{folder}/labels.parquet' AS labels {joins}) "
        f"TO '{result}' (FORMAT parquet)"
    )
tell(started)
