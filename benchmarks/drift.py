"""Drift of a group's features: time and memory, false alarms without drift, and how much drift is found.

Features are independent and normal, in steps of 1/256, one value of fifty missing. Day 0 is the reference;
in the later days none drifts, or two move by a third of their spread. Or there is one feature, a category of
levels that are equally frequent, and where it drifts one row of five is of the first tenth of them. Augury
reads its tables by the check that its flow runs, and keeps a report; Evidently and NannyML read files of the
same rows, as their defaults are.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq

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
    too_often,
    warehouse,
    write,
)
from features import DataType, Entity, FeatureGroup, Label, Model, last
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

    With `levels` the one feature is a text of so many values, never missing.

    Without `peers` the others are left out: where a tenth of the rows is more than their memory holds. What
    is promised of Augury is less than `seconds`, and at most `readings` times what reading alone takes.
    """

    features: int
    reference: int
    rows: int
    quiet: int
    drifting: int
    levels: int = 0
    peers: bool = True
    seconds: float = math.inf
    readings: float = math.inf

    @property
    def name(self) -> str:
        """What the results call it."""
        days = self.quiet + self.drifting
        what = f"a category of {self.levels} levels" if self.levels else f"{self.features} features"
        return f"{what}, {days} x {self.rows:,} rows, reference {self.reference:,}"


SIZES = {
    "quick": [
        Work(100, 100_000, 100_000, 1, 0),
        Work(10, 1_000_000, 1_000_000, 1, 0),
        Work(20, 10_000, 1_000, 40, 20),
        Work(1, 10_000, 1_000, 10, 5, levels=200),
    ],
    "full": [
        Work(500, 100_000, 1_000_000, 1, 0, seconds=5.0),
        Work(500, 100_000, 10_000_000, 1, 0, peers=False, readings=1.5),
        Work(20, 10_000, 1_000, 200, 50),
        Work(1, 10_000, 1_000, 100, 20, levels=200),
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
    "categories are compared by Jensen and Shannon's distance in both; of Evidently 0.1 is drift",
    f"each system may take {MEMORY_MB:,} MiB; memory is the greatest of the process that computes",
)


def project(features: int, levels: int = 0) -> tuple[Project, DriftPolicy]:
    """Give a project with one group of so many numbers, or of a text, and the policy over its rows."""
    card, source = Entity("card"), payments()
    wide = FeatureGroup(
        "wide",
        version=1,
        entity=card,
        source=source,
        aggregates=[last("card" if levels else "amount", name="x0")],
        derived={f"x{i}": f"x0 * {i + 1}" for i in range(1, features)},
    )
    model = Model(
        "fraud",
        entities=[card],
        features=[] if levels else [wide["x0"]],  # a text is in no vector
        label=Label(source, "id", "amount > 50", due="paid_at", lead="1h", horizon="1d"),
        inputs={"amount": DataType.DOUBLE},
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
        values = ", ".join(
            _value(work, f"cityHash64({day * 100_000_000} + number, {i})", i < DRIFTED and day > work.quiet)
            for i in range(work.features)
        )
        at = _moment(f"{START + day * DAY} + intDiv(number * {DAY}, {rows})")
        client.command(
            f"{into} SELECT concat('card ', toString(number % 1000)), {at} AS _at, _at, "
            f"{day * 100_000_000} + number, 'payment', 0, number, {values} FROM numbers({rows}) "
            f"SETTINGS max_block_size = 16384, max_insert_threads = 1"
        )
    client.command(f"OPTIMIZE TABLE {plan.table} FINAL")  # as merges leave a table in time


def _value(work: Work, seed: str, drifts: bool) -> str:
    if not work.levels:
        return _drawn(seed, SHIFT if drifts else 0.0)
    moved = f"if(cityHash64({seed}) % 5 = 0, {work.levels // 10}, {work.levels})"
    return f"concat('level ', toString({seed} % {moved if drifts else work.levels}))"


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
        column = pq.read_table(file, columns=[name]).column(name)
        present = column.drop_null().to_numpy()
        if bins.levels is None:
            places = np.searchsorted(bins.edges, present, side="left")
        else:
            known = {level: place for place, level in enumerate(bins.levels)}
            places = np.array([known.get(value, len(known)) for value in present])
        counts = np.bincount(places, minlength=bins.size - 1)
        unlike += sum(
            a != b for a, b in zip((*counts, len(column) - len(present)), finding.counts, strict=True)
        )
    return int(unlike)


def measure(work: Work, limit_s: float) -> list[Result]:
    """Run all systems on one piece of work."""
    defined, policy = project(work.features, work.levels)
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


def failed(results: list[Result]) -> list[str]:
    """Name what is not as promised: bins, drift that is found, false alarms by far, and time."""
    ours = {(r.workload, r.metric): float(r.value) for r in results if r.system == "Augury"}
    reading = {
        r.workload: float(r.value) for r in results if (r.system, r.metric) == ("reading alone", "time")
    }
    promised = {work.name: work for works in SIZES.values() for work in works}
    wrong = [] if ours else ["nothing was measured"]
    for (name, metric), value in ours.items():
        told = f"{name}: {metric} {value:g}"
        if metric.startswith("bins") and value:
            wrong.append(told)
        if metric == "drift found" and value < 90:
            wrong.append(f"{told} %")
        if metric == "false alarms" and too_often(value, ours[name, "days without drift"], LEVEL):
            wrong.append(f"{told} in {ours[name, 'days without drift']:g} days")
        if metric != "time" or name not in promised:
            continue
        work, read = promised[name], reading.get(name, 0.0)
        if value >= work.seconds:
            wrong.append(f"{told} s, not less than {work.seconds:g}")
        if math.isfinite(work.readings) and value > work.readings * read:
            wrong.append(f"{told} s, more than {work.readings:g} times the {read:g} s of reading alone")
    return wrong


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
    wrong = failed(results)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
