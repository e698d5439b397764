"""As-of join: labels with the rows of five groups as they were known, against four that join such tables.

Payments are labelled an hour before they are due. The first hundredth of the cards has a tenth of all
rows and labels. In each group one row of twenty shares its moment with the row before it, and holds in its
place; cards may lack rows, before their first label or at all. All systems write a table or a file.
"""

import argparse
import json
import sys
from dataclasses import asdict
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
from features import Entity, FeatureGroup, Label, Model, Source, count, maximum, mean, total
from features.compile import compile_group
from features.compile_model import compile_model
from features.plan import GroupPlan
from features.vector import ModelPlan
from warehouse.client import Client
from warehouse.datasets import Dataset, build, labels_sql
from warehouse.tables import group_tables, source_table

SIZES = {  # labels, rows of all groups together
    "quick": [(200_000, 2_000_000)],
    "full": [(2_000_000, 20_000_000), (2_000_000, 100_000_000)],
}
PEERS = {"DuckDB": "duckdb", "Polars": "polars", "pandas": "pandas", "Feast": "feast"}
SPANS = ("1h", "6h", "1d", "7d", "21d")
START, DAY = 1_700_006_400_000, 86_400_000
SPAN = 30 * DAY
EVER, END = 0, START + 2 * SPAN
MEMORY_MB = 12_288
NOTES = (
    "the join reads three features of each group's four; where a card has no row yet, there is none to give",
    "Augury reads its tables, drops what a replay wrote twice, picks a request's first label, stores a set; "
    "others read files of labels and rows without repetitions",
    f"each system may take {MEMORY_MB:,} MiB; memory is the greatest of the process that computes",
)


def payments() -> Source:
    """Give the source, whose events are labels too."""
    return Source("payment", ROOT / "payment.avsc", "paid_at", "id", "card", dedup=None, partitions=1)


def definitions() -> list[FeatureGroup]:
    """Give a group for each span."""
    card, source = Entity("card"), payments()
    return [
        FeatureGroup(
            f"spending_{span}",
            version=1,
            entity=card,
            source=source,
            aggregates=[
                count(over=span, name="payments"),
                mean("amount", over=span, name="amount_mean"),
                maximum("amount", over=span, name="amount_max"),
                total("amount", over=span, name="amount_sum"),
            ],
        )
        for span in SPANS
    ]


def model() -> ModelPlan:
    """Give the vector: of each group a count, a mean and a maximum."""
    groups = definitions()
    read = [group[name] for group in groups for name in ("payments", "amount_mean", "amount_max")]
    label = Label(payments(), "id", "amount > 100", due="paid_at", lead="1h", horizon="1d")
    return compile_model(Model("fraud", [Entity("card")], read, label))


def generate(client: Client, groups: list[GroupPlan], labels: int, rows: int) -> None:
    """Fill the source's table with labels and the groups' backfill tables with rows, both in log order."""
    cards = max(1_000, rows // 200)
    client.command(source_table(groups[0].source))
    client.command(
        "INSERT INTO payment (id, paid_at, card, amount, log_time, log_topic, log_partition, log_offset) "
        f"SELECT number, _at, {_card('number', 0, cards)}, "
        f"round(exp(cityHash64(number, 1) / {2**64} * 9), 2), _at, 'payment', 0, number "
        # the first day has labels and no rows
        f"FROM (SELECT number, {_moment(f'{START - DAY} + intDiv(number * {SPAN}, {labels})')} AS _at "
        f"FROM numbers({labels}))"
    )
    each = rows // len(groups)
    for place, group in enumerate(groups):
        for statement in group_tables(group):
            client.command(statement)
        names = ", ".join(f.name for f in group.features)
        row = (
            f"SELECT {_card('_base', place + 1, cards)}, _at, _at, number, 'payment', 0, number, "
            f"cityHash64(number, {place}, 1) % 1000, "
            f"if(cityHash64(number, {place}, 2) % 50 = 0, NULL, cityHash64(number, {place}, 3) / {2**50}), "
            f"cityHash64(number, {place}, 4) / {2**50}, cityHash64(number, {place}, 5) / {2**50} "
            f"FROM (SELECT number, number - (number % 20 = 19) AS _base, "
            f"{_moment(f'{START} + intDiv(_base * {SPAN}, {each})')} AS _at FROM numbers({{}}))"
        )
        into = (
            f"INSERT INTO {group.backfill_table} (entity, event_timestamp, last_event_time, seq, topic, "
            f"partition, offset, {names}) "
        )
        client.command(into + row.format(each))
        client.command(into + row.format(each // 100))  # what a replay writes again


def _card(number: str, salt: int, cards: int) -> str:
    return f"concat('card ', toString(toUInt64({cards} * pow(cityHash64({number}, {salt}, 0) / {2**64}, 2))))"


def _moment(milliseconds: str) -> str:
    return f"fromUnixTimestamp64Milli(toInt64({milliseconds}), 'UTC')"


def export_all(client: Client, plan: ModelPlan, folder: Path) -> None:
    """Write labels and rows as Parquet in order of time, for those who read files."""
    labels = labels_sql(plan, EVER, END)
    queries = {
        "labels": f"SELECT _request_id AS request_id, assumeNotNull(_key_card) AS card, "
        f"_prediction_time AS prediction_time FROM ({labels}) ORDER BY prediction_time"
    }
    for group in plan.groups:
        names = ", ".join(f.name for f in group.features)
        queries[group.group] = (
            f"SELECT entity AS card, event_timestamp, seq, {_moment('seq')} AS created, {names} "
            f"FROM backfill_{group.group}_v{group.version} FINAL ORDER BY seq"
        )
    for name, sql in queries.items():
        export(client, sql, folder / f"{name}.parquet")


def load(client: Client, names: list[str], path: Path, table: str) -> None:
    """Read a peer's result into a table."""
    columns = ", ".join(f"{name} Nullable(Float64)" for name in names)
    client.command(
        f"CREATE TABLE {table} (request_id String, {columns}) ENGINE MergeTree ORDER BY request_id"
    )
    with path.open("rb") as file:
        client.raw_insert(table, insert_block=file, fmt="Parquet")


def differences(client: Client, names: list[str], stored: str, table: str) -> tuple[int, int]:
    """Compare a peer's values with those of a stored set, request by request.

    Gives how many values were compared, and how many differ or are of a request that one side lacks.
    """
    unlike = " + ".join(f"NOT ifNull(a.{n} = p.{n}, isNull(a.{n}) AND isNull(p.{n}))" for n in names)
    lacking = "isNull(a.request_id) OR isNull(p.request_id)"
    found = client.query(
        f"SELECT countIf(NOT ({lacking})) * {len(names)}, "
        f"sum(if({lacking}, {len(names)}, {unlike})) FROM {stored} AS a "
        f"FULL JOIN {table} AS p ON a.request_id = p.request_id SETTINGS join_use_nulls = 1"
    ).result_rows[0]
    return int(found[0]), int(found[1])


def measure(labels: int, rows: int, limit_s: float) -> list[Result]:
    """Run all systems on so many labels and rows."""
    plan, groups = model(), [compile_group(group) for group in definitions()]
    names = [name.replace(".", "__") for name in plan.names]
    workload = f"{labels / 1_000_000:g}M labels, {rows / 1_000_000:g}M rows"
    results: list[Result] = []
    with warehouse(memory_mb=MEMORY_MB) as running, TemporaryDirectory(dir=CACHE) as scratch:
        client, folder = running.client, Path(scratch)
        generate(client, groups, labels, rows)
        export_all(client, plan, folder)
        stored: list[Dataset] = []
        found = _augury(running, plan, stored)
        results += _figures(workload, "Augury", found, labels)
        for name, peer in PEERS.items():
            written = folder / f"{peer}.result"
            more = [str(MEMORY_MB * 3 // 4)] if peer == "duckdb" else []
            found = run_peer(
                f"asof_{peer}",
                str(folder),
                str(written),
                *more,
                timeout=limit_s,
                memory_mb=MEMORY_MB,
                environment="feast" if peer == "feast" else "requirements",
            )
            results += _figures(workload, name, found, labels)
            if stored and isinstance(found, Cost):
                load(client, names, written, peer)
                compared, unlike = differences(client, names, stored[0].table, peer)
                results.append(Result(workload, name, "values compared", compared, ""))
                results.append(Result(workload, name, "differences", unlike, ""))
    return results


def _augury(running: Warehouse, plan: ModelPlan, stored: list[Dataset]) -> Cost | str:
    try:
        return running.measured(lambda: stored.append(build(running.client, "asof", plan, EVER, END)))
    except DatabaseError as error:
        return f"failed: {str(error)[:80]}"


def _figures(workload: str, system: str, found: Cost | str, labels: int) -> list[Result]:
    if isinstance(found, str):
        return [Result(workload, system, "time", found, "s")]
    figures = [
        ("time", found.seconds, "s"),
        ("CPU", found.cpu_s, "s"),
        ("labels", labels / found.seconds, "1/s"),
        ("peak memory", found.peak_mb, "MiB"),
    ]
    return [Result(workload, system, *figure) for figure in figures]


def failed(results: list[Result]) -> bool:
    """Tell whether values differ, or a workload has none that could be compared."""
    compared = {r.workload for r in results if r.metric == "values compared" and r.value}
    unlike = any(r.metric == "differences" and r.value for r in results)
    return unlike or compared != {r.workload for r in results} or not compared


def main() -> int:
    """Run the sizes, write and print the results; 1 where values differ or nothing could be compared."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asof", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="quick")
    parser.add_argument("--limit", type=float, default=900, help="seconds that each other system gets")
    parser.add_argument("--rows", type=int, help="run one size here, and print its results as JSON")
    parser.add_argument("--labels", type=int, default=200_000, help="with --rows")
    given = parser.parse_args()
    if given.rows:
        print(json.dumps([asdict(r) for r in measure(given.labels, given.rows, given.limit)]))
        return 0
    results: list[Result] = []
    for labels, rows in SIZES[given.size]:
        arguments = ("--labels", str(labels), "--rows", str(rows), "--limit", str(given.limit))
        results += measured_apart("benchmarks.asof", *arguments)
    show(results, NOTES)
    print(f"written to {write('asof', results)}")
    return 1 if failed(results) else 0


if __name__ == "__main__":
    sys.exit(main())
