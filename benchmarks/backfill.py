"""Backfill: five windows, eight aggregates, against ClickHouse's own windows, DuckDB and Polars.

Payments of 30 days: cards of very different activity, a tenth of all events from one card, and of every
second card two in a hundred payments up to a day late. All systems read a table or file and write one.
Each size runs in a process of its own, on a warehouse of its own.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from clickhouse_connect.driver.exceptions import DatabaseError

from benchmarks.common import (
    CACHE,
    ROOT,
    Cost,
    Result,
    Warehouse,
    export,
    measured_apart,
    run_peer,
    show,
    warehouse,
    write,
)
from features import Entity, FeatureGroup, Source, count, maximum, mean, total
from features.compile import compile_group
from features.plan import GroupPlan
from warehouse.backfill import Backfilled, backfill
from warehouse.client import Client
from warehouse.tables import group_tables, source_table

SIZES = {
    "quick": [1_000_000, 3_000_000],
    "medium": [1_000_000, 3_000_000, 10_000_000],
    "full": [10_000_000, 30_000_000, 100_000_000],
}
BILLION, GOAL_S = 1_000_000_000, 480
START, SPAN = 1_700_006_400_000, 30 * 86_400_000
END = START + SPAN
MEMORY_MB = 8192  # one card has a tenth of all events, and its rows are held at once
SPANS = {"1h": 3_600_000, "6h": 21_600_000, "1d": 86_400_000, "7d": 604_800_000, "21d": 1_814_400_000}
VALUES = {"amount_mean_1d": "1d", "amount_max_7d": "7d", "amount_sum_21d": "21d"}
NOTES = (
    "Augury writes a row for each event and for each moment at which a value decays; others for events only",
    "in Augury a late event counts from its arrival on, as it could be served; in others as if always known",
    "Augury's windows end on a tile's edge, the others' on the instant: compared is where both hold the same "
    "events, on cards without late ones; sums and means to 1e-9, for the others add doubles",
    "none of them drops duplicates here; memory is the greatest of the process that computes",
)


def plan() -> GroupPlan:
    """Give the group: a count over each window, a mean, a maximum and a sum."""
    payments = Source("payment", ROOT / "payment.avsc", "paid_at", "id", "card", dedup=None, partitions=1)
    return compile_group(
        FeatureGroup(
            "spending",
            version=1,
            entity=Entity("card"),
            source=payments,
            aggregates=[
                *(count(over=span) for span in SPANS),
                mean("amount", over="1d"),
                maximum("amount", over="7d"),
                total("amount", over="21d"),
            ],
        )
    )


def generate(client: Client, group: GroupPlan, events: int) -> None:
    """Fill the source's table, in order of arrival, every event at a moment of its own."""
    for statement in (source_table(group.source), *group_tables(group)):
        client.command(statement)
    cards = max(1_000, events // 100)
    # log-uniform: as many payments from cards 1 to 10 as from 10 to 100, and so on
    skewed = f"toUInt64(pow({cards}, cityHash64(number, 2) / {2**64}))"
    card = f"if(cityHash64(number, 1) % 10 = 0, 0, {skewed})"
    late = "if(_card % 2 = 1 AND cityHash64(number, 3) % 50 = 0, cityHash64(number, 4) % 86400000, 0)"
    client.command(
        "INSERT INTO payment (id, paid_at, card, amount, log_time, log_topic, log_partition, log_offset) "
        "SELECT number, fromUnixTimestamp64Milli(toInt64(_at - _late), 'UTC'), "
        "concat('card ', toString(_card)), "
        f"round(exp(cityHash64(number, 5) / {2**64} * 9), 2), "
        "fromUnixTimestamp64Milli(toInt64(_at), 'UTC'), 'payment', 0, number "
        f"FROM (SELECT number, {START} + intDiv(number * {SPAN}, {events}) AS _at, {card} AS _card, "
        f"{late} AS _late FROM numbers({events}))"
    )


def range_windows(client: Client, limit_s: float) -> None:
    """Run ClickHouse's own windows, as one writes them. Raises `DatabaseError` beyond time or memory."""
    windows = ", ".join(
        f"w{span} AS (PARTITION BY card ORDER BY toUnixTimestamp64Milli(assumeNotNull(paid_at)) "
        f"RANGE BETWEEN {ms} PRECEDING AND CURRENT ROW)"
        for span, ms in SPANS.items()
    )
    counts = ", ".join(f"count() OVER w{span} AS count_{span}" for span in SPANS)
    client.command(
        "CREATE TABLE clickhouse ENGINE MergeTree ORDER BY (card, id) AS "
        f"SELECT assumeNotNull(id) AS id, assumeNotNull(card) AS card, {counts}, "
        "avg(amount) OVER w1d AS amount_mean_1d, max(amount) OVER w7d AS amount_max_7d, "
        f"sum(amount) OVER w21d AS amount_sum_21d FROM payment FINAL WINDOW {windows}",
        settings={"max_execution_time": int(limit_s)},
    )


def load(client: Client, path: Path, table: str) -> None:
    """Read a peer's result into a table."""
    amounts = ", ".join(f"{name} Float64" for name in VALUES)
    counts = ", ".join(f"count_{span} Int64" for span in SPANS)
    client.command(
        f"CREATE TABLE {table} (id Int64, card String, {counts}, {amounts}) "
        "ENGINE MergeTree ORDER BY (card, id)"
    )
    with path.open("rb") as file:
        client.raw_insert(table, insert_block=file, fmt="Parquet")


def differences(client: Client, table: str) -> tuple[int, int]:
    """Compare a peer's values with Augury's where both windows hold the same events.

    Gives how many values were compared, and how many differ or were counted over fewer events.
    """
    held = "SELECT * FROM backfill_spending_v1 FINAL WHERE isNotNull(offset)"
    punctual = "SELECT card FROM payment GROUP BY card HAVING countIf(paid_at < log_time) = 0"
    same = {name: f"a.count_{span} = p.count_{span}" for name, span in VALUES.items()}
    near = {
        name: f"abs(a.{name} - p.{name}) <= 1e-9 * abs(p.{name})"
        if "max" not in name
        else f"a.{name} = p.{name}"
        for name in VALUES
    }
    compared = " + ".join(f"countIf({condition})" for condition in same.values())
    unlike = " + ".join(f"countIf({same[n]} AND NOT ifNull({near[n]}, 0))" for n in VALUES)
    # a tile's edge only lengthens a window
    shorter = " OR ".join(f"a.count_{span} < p.count_{span}" for span in SPANS)
    found = client.query(
        f"SELECT {compared}, {unlike} + countIf({shorter}) FROM ({held}) AS a "
        f"INNER JOIN (SELECT * FROM {table} WHERE card IN ({punctual})) AS p "
        "ON a.entity = p.card AND a.offset = p.id SETTINGS join_algorithm = 'grace_hash'"
    ).result_rows[0]
    return int(found[0]), int(found[1])


def measure(events: int, limit_s: float) -> list[Result]:
    """Run all systems on so many events."""
    group = plan()
    workload = f"{events / 1_000_000:g}M events"
    results: list[Result] = []
    with warehouse(memory_mb=MEMORY_MB + 4096) as running, TemporaryDirectory(dir=CACHE) as scratch:
        client, source = running.client, Path(scratch) / "events.parquet"
        generate(client, group, events)
        export(client, "SELECT id, paid_at, card, amount FROM payment ORDER BY log_offset", source)
        done: list[Backfilled] = []
        cost = running.measured(lambda: done.append(backfill(client, group, 0, END, memory=MEMORY_MB << 20)))
        results += _figures(workload, "Augury", cost, events, done[0].rows)
        peers: dict[str, Callable[[], Cost | str]] = {"ClickHouse": lambda: _ranges(running, limit_s)}
        for name, more in (("DuckDB", [str(MEMORY_MB)]), ("Polars", [])):
            peers[name] = partial(_peer, client, source, name.lower(), more, limit_s)
        for name, run in peers.items():
            found = run()
            if isinstance(found, str):
                results.append(Result(workload, name, "time", found, "s"))
                continue
            results += _figures(workload, name, found, events, events)
            compared, unlike = differences(client, name.lower())
            results.append(Result(workload, name, "values compared", compared, ""))
            results.append(Result(workload, name, "differences", unlike, ""))
    return results


def _figures(workload: str, system: str, cost: Cost, events: int, rows: int) -> list[Result]:
    figures = [
        ("time", cost.seconds, "s"),
        ("CPU", cost.cpu_s, "s"),
        ("events", events / cost.seconds, "1/s"),
        ("rows", rows / cost.seconds, "1/s"),
        ("peak memory", cost.peak_mb, "MiB"),
    ]
    return [Result(workload, system, *figure) for figure in figures]


def _ranges(running: Warehouse, limit_s: float) -> Cost | str:
    try:
        return running.measured(lambda: range_windows(running.client, limit_s))
    except DatabaseError:
        return f"over {limit_s:,.0f} s, or failed"


def _peer(client: Client, source: Path, name: str, more: list[str], limit_s: float) -> Cost | str:
    written = source.with_name(f"{name}.parquet")
    found = run_peer(f"backfill_{name}", str(source), str(written), *more, timeout=limit_s)
    if isinstance(found, Cost):
        load(client, written, name)
    return found


def growth(results: list[Result], sizes: list[int]) -> list[Result]:
    """Tell how Augury's time grows with size, and what that makes of a billion events."""
    times = [float(r.value) for r in results if r.system == "Augury" and r.metric == "time"]
    if len(times) < 2:
        return []
    exponent = math.log(times[-1] / times[-2]) / math.log(sizes[-1] / sizes[-2])
    seconds = times[-1] * (BILLION / sizes[-1]) ** max(1.0, exponent)
    work = f"1,000M events, extrapolated (goal {GOAL_S} s)"
    return [
        Result(work, "Augury", "time", seconds, "s"),
        Result(work, "Augury", "events", BILLION / seconds, "1/s"),
        Result(work, "Augury", "growth exponent", exponent, ""),
    ]


def main() -> int:
    """Run the sizes, write and print the results; 1 where values differ or nothing could be compared."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="quick")
    parser.add_argument("--limit", type=float, default=900, help="seconds that each other system gets")
    parser.add_argument("--events", type=int, help="run one size here, and print its results as JSON")
    given = parser.parse_args()
    if given.events:
        print(json.dumps([asdict(r) for r in measure(given.events, given.limit)]))
        return 0
    results: list[Result] = []
    for size in SIZES[given.size]:
        arguments = ("--events", str(size), "--limit", str(given.limit))
        results += measured_apart("benchmarks.backfill", *arguments)
    results += growth(results, SIZES[given.size])
    show(results, NOTES)
    print(f"written to {write('backfill', results)}")
    unlike = [r for r in results if r.metric == "differences" and r.value]
    nothing = [r for r in results if r.metric == "values compared" and not r.value]
    return 1 if unlike or nothing else 0


if __name__ == "__main__":
    sys.exit(main())
