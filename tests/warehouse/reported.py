"""What a model's weeks leave in the warehouse, as its writers write it: for views, reports and dashboards."""

from collections.abc import Iterable
from typing import Any

from features.alerts import ACKNOWLEDGED, RESOLVED, Alert, state
from features.compile import compile_group
from tests.definitions import plain
from tests.warehouse.answers import Answer, publish
from warehouse import drift_reports, performance_reports
from warehouse.bins import Bins
from warehouse.client import Client
from warehouse.contracts import record
from warehouse.drift_reports import Finding, Window
from warehouse.performance_reports import Row, Watched
from warehouse.references import Reference
from warehouse.targets import RECORDS

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_357_084_800_000  # 2013-01-02 00:00:00 UTC
MODEL = "late"


def finding(feature: str, counts: Iterable[int], psi: float, q: float | None, causes: str = "") -> Finding:
    """Give what a window of `counts` is beside a reference of 100 in four bins and ten missing ones."""
    reference = Reference(feature, "psi", Bins((1.0, 2.0, 3.0)), (25, 25, 25, 25, 10), (0.0, 4.0))
    drifted = q is not None and q <= 0.02
    told = tuple(causes.split(",")) if causes else ()
    return Finding(reference, tuple(counts), psi, 3.0, psi / 2, q, q, 0.02, drifted, told)


def drifting(client: Client, days: int = 3, features: int = 2, policy: str = f"plain.v1/{MODEL}") -> None:
    """Write windows of as many days: all features are quiet but the first, which drifts on the last day."""
    group = ("", 0) if policy.startswith("outputs/") else ("plain", 1)
    for day in range(days):
        window = Window(policy, MODEL, 1, *group, START + day * DAY, START + (day + 1) * DAY)
        last = day == days - 1
        first = finding("f0", (5, 5, 10, 60, 20), 0.8, 0.001, "missing values") if last else None
        quiet = [finding(f"f{n}", (20, 20, 20, 20, 8), 0.01 + n / 1e5, 0.9) for n in range(features)]
        drift_reports.keep(client, window, [first or quiet[0], *quiet[1:]])


def watched(client: Client, weeks: int = 3) -> None:
    """Write weekly windows of AUC, measured and estimated, with segments; the last one is harmed."""
    for week in range(weeks):
        start = START + 7 * week * DAY
        harmed = week == weeks - 1
        value = 0.6 if harmed else 0.7
        one = Watched(f"auc/{MODEL}", MODEL, 1, "auc", 0.05, start, start + 7 * DAY)
        between = {"low": value - 0.02, "high": value + 0.02, "reference": 0.71}
        rows = [Row("measured", "", "", 500, value, worse=0.71 - value, breached=harmed, **between)]
        rows += [Row("estimated", "", "", 900, value + 0.01, **between)]
        gaps = {"gap": 0.08, "gap_low": 0.04, "gap_high": 0.12}
        rows += [Row("measured", "carrier", "UA", 200, value - 0.05, breached=harmed, **gaps)]
        rows += [Row("measured", "carrier", "<AA>", 300, value, gap=0.0, gap_low=-0.04, gap_high=0.04)]
        performance_reports.keep(client, one, rows)


def answer(key: str, at: int, state: str = "fresh", age_ms: int | None = 1_000, **more: Any) -> Answer:
    """Give an answer to a request at `at` (ms) that read one row of `plain.v1`."""
    row = {"group": "plain", "version": 1, "entity": "A", "event_timestamp": 0, "seq": 0, "state": state}
    return {
        "deduplication_key": key,
        "request_id": key,
        "model_name": MODEL,
        "model_version_used": 1,
        "variant": "champion",
        "door": "http",
        "prediction": 0.5,
        "error": None,
        "entity_keys": {"carrier": "A"},
        "inputs": {},
        "feature_values_used": {"plain.count_1h": 1.0},
        "rows": [row | {"age_ms": age_ms, "defaulted": state != "fresh"}],
        "requested_at": at,
        "predicted_at": at + 1,
        **{f"latency_{part}_ms": 2.0 for part in ("features", "on_demand", "model", "total")},
        "outputs": [0.5, 0.5],
        "predicted_class": "1",
        "bias": None,
        "contributions": {},
        "frozen": [],
    } | more


def answering(client: Client) -> None:
    """Write answers of two hours: fresh ones, then a stale one, one without a row, and an error."""
    record(client, [compile_group(plain)], 1)
    answers = [answer(f"{n}", START + n * 1_000, age_ms=1_000 * n) for n in range(10)]
    answers += [
        answer("stale", START + HOUR, "stale", 3 * HOUR),
        answer("none", START + HOUR, "missing", None),
    ]
    answers += [answer("error", START + HOUR, error="on-demand", prediction=None)]
    publish(client, answers)
    publish(client, answers[:3])  # the log says some things twice


def alerted(client: Client, first: int = START) -> None:
    """Write three alerts from `first` (ms) on: open, acknowledged, and resolved, said out of order."""
    target, states = RECORDS["alerts"], RECORDS["alerts.states"]
    alerts = [
        Alert(f"drift/{n}", f"plain.v1/{MODEL}", "drift", "plain.v1", "warning", {"n": n}, first + n, "drift")
        for n in range(3)
    ]
    rows = [[*target.row(a.record | {"model_name": MODEL}), a.at] for a in alerts]
    client.insert(target.table, rows, column_names=target.columns)
    followed = [
        state("drift/1", ACKNOWLEDGED, by="ann", why="seen", at=START + 5),
        state("drift/2", RESOLVED, by="bob", why="mended", at=START + 9),
        state("drift/2", ACKNOWLEDGED, by="ann", why="seen", at=START + 6),
    ]
    client.insert(states.table, [[*states.row(f), f["at"]] for f in followed], column_names=states.columns)
