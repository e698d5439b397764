"""Drift of a group's features: time and memory, false alarms without drift, and how much drift is found.

Features are independent and normal, in steps of 1/256, one value of fifty missing. Day 0 is the reference;
in the later days none drifts, or two move by a third of their spread. Augury reads its tables by the check
that its flow runs, and keeps a report; Evidently and NannyML read files of the same rows, as their defaults
are.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import binom

from benchmarks.asof import payments
from benchmarks.common import (
    CACHE,
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
from features import Entity, FeatureGroup, Label, Model, last
from features.policies import CLASSICAL, DriftPolicy
from features.project import Project, collect
from flows.check import Report, check
from flows.reference import freeze
from inference.registry import ModelStatus, ModelVersion
from warehouse.client import Client
from warehouse.tables import group_tables


@dataclass(frozen=True)
class Work:
    """So many features, rows of the reference and of each day, and days without and with drift.

    Without `peers` the others are left out: where a tenth of the rows is more than their memory holds.
    """

    features: int
    reference: int
    rows: int
    quiet: int
    drifting: int
    peers: bool = True

    @property
    def name(self) -> str:
        """What the results call it."""
        days = self.quiet + self.drifting
        return f"{self.features} features, {days} x {self.rows:,} rows, reference {self.reference:,}"


SIZES = {
    "quick": [
        Work(100, 100_000, 100_000, 1, 0),
        Work(10, 1_000_000, 1_000_000, 1, 0),
        Work(20, 10_000, 1_000, 40, 20),
    ],
    "full": [
        Work(500, 100_000, 1_000_000, 1, 0),
        Work(500, 100_000, 10_000_000, 1, 0, peers=False),
        Work(20, 10_000, 1_000, 200, 50),
    ],
}
PEERS = {"Evidently": "evidently", "NannyML": "nannyml"}
DAY, START = 86_400_000, 1_700_006_400_000
DRIFTED, SHIFT = 2, 0.33
STEPS = 256
COMPARED = 10  # features whose bins NumPy counts too
MEMORY_MB = 12_288
LEVEL = 0.5 / 30
TABLE = "training_set"
VERSION = ModelVersion(
    "fraud", 1, ModelStatus.CHAMPION, "file:///none", "0", "lightgbm", "onnx", {}, "benchmark", 0
)
NOTES = (
    "a day is a false alarm where any feature counts as drifted and none is; drift is found where one of the "
    "two counts as drifted",
    "time is of all days; Augury's reference was frozen before, as at a training; the others compute theirs",
    "reading alone is the sum of each column, ten a query, as the check reads them",
    "Evidently goes by its defaults, a Wasserstein distance or for small samples KS, without correction for "
    "many features; NannyML by Jensen-Shannon beyond three deviations of the reference's own chunks",
    f"each system may take {MEMORY_MB:,} MiB; memory is the greatest of the process that computes",
)


def project(features: int) -> tuple[Project, DriftPolicy]:
    """Give a project with one group of so many features, and the policy over its rows."""
    card, source = Entity("card"), payments()
    wide = FeatureGroup(
        "wide",
        version=1,
        entity=card,
        source=source,
        aggregates=[last("amount", name="x0")],
        derived={f"x{i}": f"x0 * {i + 1}" for i in range(1, features)},
    )
    model = Model(
        "fraud",
        entities=[card],
        features=[wide["x0"]],
        label=Label(source, "id", "amount > 50", due="paid_at", lead="1h", horizon="1d"),
    )
    policy = DriftPolicy(wide, model, values="rows")
    module = ModuleType("wide")
    vars(module).update(model=model, policy=policy)
    return collect(module), policy


def generate(client: Client, defined: Project, work: Work) -> None:
    """Write the training set's period, day 0, and the days: those without drift, then those with."""
    (plan,) = defined.group_plans.values()
    for statement in group_tables(plan):
        client.command(statement)
    client.command(
        f"CREATE TABLE {TABLE} ENGINE MergeTree ORDER BY prediction_time AS SELECT arrayJoin("
        f"[{_moment(str(START))}, {_moment(str(START + DAY - 1))}]) AS prediction_time, 0. AS label"
    )
    names = ", ".join(f.name for f in plan.features)
    into = (
        f"INSERT INTO {plan.table} (entity, event_timestamp, last_event_time, seq, topic, "
        f"partition, offset, {names}) "
    )
    for day in range(1 + work.quiet + work.drifting):
        rows = work.rows if day else work.reference
        shift = SHIFT if day > work.quiet else 0.0
        means = [shift if i < DRIFTED else 0.0 for i in range(work.features)]
        values = ", ".join(
            _drawn(f"cityHash64({day * 100_000_000} + number, {i})", mean) for i, mean in enumerate(means)
        )
        at = _moment(f"{START + day * DAY} + intDiv(number * {DAY}, {rows})")
        client.command(
            f"{into} SELECT concat('card ', toString(number % 1000)), {at} AS _at, _at, "
            f"{day * 100_000_000} + number, 'payment', 0, number, {values} FROM numbers({rows}) "
            f"SETTINGS max_block_size = 16384, max_insert_threads = 1"
        )
    client.command(f"OPTIMIZE TABLE {plan.table} FINAL")  # as merges leave a table in time


def _drawn(seed: str, mean: float) -> str:
    """Give a normal value of deviation 1, or nothing in one of 50 rows: the same in every run.

    By Box and Muller (1958), "A note on the generation of random normal deviates", from the two halves
    of one hash.
    """
    first, second = f"(bitShiftRight({seed}, 32) + 0.5)", f"bitAnd({seed}, 4294967295)"
    normal = f"sqrt(-2 * log({first} / 4294967296)) * cos(2 * pi() * {second} / 4294967296)"
    missing = f"cityHash64({seed}) % 50 = 0"
    return f"if({missing}, NULL, round(({normal} + {mean}) * {STEPS}) / {STEPS})"


def _moment(milliseconds: str) -> str:
    return f"fromUnixTimestamp64Milli(toInt64({milliseconds}), 'UTC')"


def export_days(client: Client, work: Work, folder: Path) -> None:
    """Write each day as Parquet, for those who read files."""
    names = ", ".join(f"x{i}" for i in range(work.features if work.peers else COMPARED))
    for day in range(1 + work.quiet + work.drifting):
        since, until = _moment(str(START + day * DAY)), _moment(str(START + (day + 1) * DAY))
        sql = (
            f"SELECT {names} FROM features_wide_v1 "
            f"WHERE event_timestamp >= {since} AND event_timestamp < {until}"
        )
        export(client, sql, folder / f"day_{day:04}.parquet")


def binned(file: Path, report: Report) -> int:
    """Count how many bins of a report hold another number of a day's values than NumPy puts there."""
    unlike = 0
    for finding in report.findings[:COMPARED]:
        bins, name = finding.reference.bins, finding.reference.feature
        column = pq.read_table(file, columns=[name]).column(name).to_numpy(zero_copy_only=False)
        present = column[~np.isnan(column)]
        counts = np.bincount(np.searchsorted(bins.edges, present, side="left"), minlength=bins.size - 1)
        unlike += sum(
            a != b for a, b in zip((*counts, len(column) - len(present)), finding.counts, strict=True)
        )
    return int(unlike)


def measure(work: Work, limit_s: float) -> list[Result]:
    """Run all systems on one piece of work."""
    defined, policy = project(work.features)
    results: list[Result] = []
    with warehouse(memory_mb=MEMORY_MB) as running, TemporaryDirectory(dir=CACHE) as scratch:
        client, folder = running.client, Path(scratch)
        generate(client, defined, work)
        export_days(client, work, folder)
        frozen = running.measured(lambda: freeze(client, defined, "fraud", "benchmark", TABLE, [0.0], [0.0]))
        reports: list[Report] = []
        days = range(1, 1 + work.quiet + work.drifting)
        cost = running.measured(
            lambda: reports.extend(
                check(client, defined, policy, VERSION, START + (d + 1) * DAY) for d in days
            )
        )
        found = [[f.reference.feature for f in r.drifted] for r in reports]
        results += _figures(work, "Augury", cost)
        results.append(Result(work.name, "Augury", "freezing the reference", frozen.seconds, "s"))
        results += alarms(work, "Augury", found) if work.drifting else []
        for threshold in CLASSICAL if work.drifting else ():
            classical = [[f.reference.feature for f in r.findings if f.psi > threshold] for r in reports]
            results += alarms(work, f"Augury, PSI above {threshold:.2f}", classical)
        results += _reading(running, work)
        unlike = binned(folder / "day_0001.parquet", reports[0])
        results.append(Result(work.name, "Augury", "bins that NumPy counts otherwise", unlike, ""))
        for name, peer in PEERS.items() if work.peers else ():
            results += _peer(work, name, peer, folder, limit_s)
    return results


def _peer(work: Work, name: str, peer: str, folder: Path, limit_s: float) -> list[Result]:
    written = folder / f"{peer}.json"
    cost = run_peer(
        f"drift_{peer}",
        str(folder),
        str(written),
        timeout=limit_s,
        memory_mb=MEMORY_MB,
        environment=peer,
    )
    if isinstance(cost, str):
        return [Result(work.name, name, "time", cost, "s")]
    figures = _figures(work, name, cost)
    found = json.loads(written.read_text(encoding="utf-8"))
    return figures + alarms(work, name, found) if work.drifting else figures


def _reading(running: Warehouse, work: Work) -> list[Result]:
    """Read the first day's columns and do nothing with them."""
    names = [f"x{i}" for i in range(work.features)]
    since, until = _moment(str(START + DAY)), _moment(str(START + 2 * DAY))

    def read(order: Callable[[str], str]) -> None:
        for at in range(0, len(names), 10):
            running.client.query(
                f"SELECT {', '.join(map(order, names[at : at + 10]))} FROM features_wide_v1 FINAL "
                f"PREWHERE event_timestamp >= {since} AND event_timestamp < {until} "
                "SETTINGS compile_aggregate_expressions = 0"
            )

    if work.drifting:
        return []
    read(lambda name: f"sum({name})")  # once before, so that both find the pages in memory
    cost = running.measured(lambda: read(lambda name: f"sum({name})"))
    return _figures(work, "reading alone", cost)


def alarms(work: Work, system: str, found: list[list[str]]) -> list[Result]:
    """Count the days without drift that raised an alarm, and give the share of days with drift that did."""
    if len(found) != work.quiet + work.drifting:
        raise ValueError(f"each of {work.quiet + work.drifting} days is judged (found {len(found)})")
    drifted = {f"x{i}" for i in range(DRIFTED)}
    false = sum(bool(day) for day in found[: work.quiet])
    results = [
        Result(work.name, system, "false alarms", false, ""),
        Result(work.name, system, "days without drift", work.quiet, ""),
    ]
    if work.drifting:
        seen = sum(bool(drifted & set(day)) for day in found[work.quiet :])
        results.append(Result(work.name, system, "drift found", 100 * seen / work.drifting, "%"))
    return results


def _figures(work: Work, system: str, cost: Cost) -> list[Result]:
    figures = [("time", cost.seconds, "s"), ("CPU", cost.cpu_s, "s"), ("peak memory", cost.peak_mb, "MiB")]
    return [Result(work.name, system, *figure) for figure in figures]


def failed(results: list[Result]) -> bool:
    """Tell whether bins differ, drift was not found, or there are far more false alarms than are allowed."""
    ours = {(r.workload, r.metric): float(r.value) for r in results if r.system == "Augury"}
    unlike = any(value for (_, metric), value in ours.items() if metric.startswith("bins"))
    missed = any(value < 90 for (_, metric), value in ours.items() if metric == "drift found")
    # one chance in a thousand, or less
    loud = any(
        binom.sf(value - 1, ours[workload, "days without drift"], LEVEL) < 0.001
        for (workload, metric), value in ours.items()
        if metric == "false alarms"
    )
    return unlike or missed or loud or not ours


def main() -> int:
    """Run the sizes, write and print the results; 1 where they are not what is promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="quick")
    parser.add_argument("--limit", type=float, default=900, help="seconds that each other system gets")
    parser.add_argument(
        "--work", type=int, help="run one work of the size here, and print its results as JSON"
    )
    given = parser.parse_args()
    if given.work is not None:
        print(json.dumps([asdict(r) for r in measure(SIZES[given.size][given.work], given.limit)]))
        return 0
    results: list[Result] = []
    for place in range(len(SIZES[given.size])):
        more = ("--size", given.size, "--limit", str(given.limit), "--work", str(place))
        results += measured_apart("benchmarks.drift", *more)
    show(results, NOTES)
    print(f"written to {write('drift', results)}")
    return 1 if failed(results) else 0


if __name__ == "__main__":
    sys.exit(main())
