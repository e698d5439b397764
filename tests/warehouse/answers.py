"""Answers as serving logs them, over rows as the reference gives them."""

from collections.abc import Iterable, Mapping
from typing import Any

from features.expressions.python import evaluator
from features.types import Value
from features.vector import REQUESTED_AT, ModelPlan
from warehouse.client import Client
from warehouse.targets import RECORDS

Answer = dict[str, Any]
MISSING = {"event_timestamp": 0, "seq": -1}


def vector(
    plan: ModelPlan, at: int, inputs: Mapping[str, Value], held: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, float | None]:
    """Compute the vector of a request at `at` (ms) out of the row that each group holds, or None."""
    stored = {
        f"{g.group}.{f.name}": dict(g.defaults).get(f.name) if (row := held[g.group]) is None else row[f.name]
        for g in plan.groups
        for f in g.features
    }
    rows = {
        g.timestamp: None if (row := held[g.group]) is None else row["event_timestamp"] for g in plan.groups
    }
    known = {**inputs, **stored, **rows, REQUESTED_AT: at}
    values = stored | {d.name: evaluator(d.expression)(known) for d in plan.on_demand}
    return {name: None if (v := values[name]) is None else float(v) for name in plan.names}


def answer(
    plan: ModelPlan,
    request_id: str,
    at: int,
    keys: Mapping[str, str],
    inputs: Mapping[str, Value],
    held: Mapping[str, Mapping[str, Any] | None],
    age_ms: int = 0,
) -> Answer:
    """Give what serving logs of a request at `at` (ms) whose vector it made of the rows `held`.

    The groups' clocks lay `age_ms` behind it.
    """
    used, read = [], {}
    for group in plan.groups:
        row = held[group.group]
        stale = age_ms > group.expected_max_lag_ms
        passed_over = row is None or (stale and group.on_stale == "default")
        read[group.group] = None if passed_over else row
        state = "missing" if row is None else "stale" if stale else "fresh"
        used.append(
            {
                "group": group.group,
                "version": group.version,
                "entity": keys[group.entity],
                **(MISSING if row is None else {n: row[n] for n in MISSING}),
                "state": state,
                "age_ms": age_ms,
                "defaulted": passed_over and bool(group.defaults),
            }
        )
    return {
        "deduplication_key": f"{keys}|{plan.name}|{request_id}",
        "request_id": request_id,
        "model_name": plan.name,
        "model_version_used": 1,
        "variant": "champion",
        "door": "http",
        "prediction": 0.5,
        "error": None,
        "entity_keys": dict(keys),
        "inputs": dict(inputs),
        "feature_values_used": vector(plan, at, inputs, read),
        "rows": used,
        "requested_at": at,
        "predicted_at": at + 1,
        **{f"latency_{part}_ms": 0.1 for part in ("features", "on_demand", "model", "total")},
        "outputs": [0.5, 0.5],
        "predicted_class": "1",
        "bias": None,
        "contributions": {},
        "frozen": [],
    }


def publish(client: Client, answers: Iterable[Answer]) -> None:
    """Write answers to the log of predictions, as the sink does."""
    target = RECORDS["prediction.results"]
    lines = [[*target.row(a), a["requested_at"]] for a in answers]
    client.insert(target.table, lines, column_names=target.columns)
