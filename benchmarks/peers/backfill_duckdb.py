"""DuckDB: RANGE windows over Parquet, written to Parquet. Arguments: events, result, memory in MiB."""

import sys
from time import perf_counter

import duckdb

from benchmarks.peers.cost import tell

SPANS = {"1h": "1 HOUR", "6h": "6 HOURS", "1d": "1 DAY", "7d": "7 DAYS", "21d": "21 DAYS"}
WINDOWS = ", ".join(
    f'"{name}" AS (PARTITION BY card ORDER BY paid_at '
    f"RANGE BETWEEN INTERVAL {span} PRECEDING AND CURRENT ROW)"
    for name, span in SPANS.items()
)
COUNTS = ", ".join(f'count(*) OVER "{name}" AS count_{name}' for name in SPANS)
SQL = f"""
COPY (
    SELECT id, card, {COUNTS}, avg(amount) OVER "1d" AS amount_mean_1d,
        max(amount) OVER "7d" AS amount_max_7d, sum(amount) OVER "21d" AS amount_sum_21d
    FROM read_parquet(?)
    WINDOW {WINDOWS}
) TO '{{}}' (FORMAT parquet)
"""

events, result, memory = sys.argv[1:]
started = perf_counter()
with duckdb.connect(config={"threads": 2, "memory_limit": f"{memory}MiB"}) as connection:
    connection.execute(SQL.format(result), [events])
tell(started)
