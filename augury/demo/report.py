"""The demo's report: one self-contained HTML file with its figures and pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from augury.demo.summary import Summary, spell
from augury.page import Markup, write_page
from augury.training import Query
from features.policies import EvaluationPolicy
from features.vector import ModelPlan
from flows.ledger import settle
from flows.picture import draw
from flows.trial import judge
from flows.units import read_assignments
from warehouse.client import Client


def write(
    path: Path,
    client: Client,
    plan: ModelPlan,
    policy: EvaluationPolicy | None,
    summary: Summary,
    event_ms: list[float],
    http_ms: list[float],
    until: int,
) -> None:
    """Write the report of a run. `event_ms` and `http_ms` are the latencies behind the summary's."""
    pictures = [
        (
            _calibration(client, plan),
            "Predicted against observed: each dot is a tenth of the live predictions.",
        ),
        (_daily(client, plan), "Live predictions a day, by the version that answered."),
        (
            _latencies(event_ms, http_ms),
            "Latencies: an event until its row is in Redis, and an HTTP request.",
        ),
    ]
    if policy is not None and summary.challenger_version is not None:
        trial = _trial(client, plan, policy, summary, until)
        if trial is not None:
            caption = (
                "The trial: how much better the challenger is, and the confidence sequence about it, after "
                "so many labels; bounds on one side of the dashed line mean a decision."
            )
            pictures.insert(0, (trial, caption))
    write_page(
        path,
        f"{plan.name}, replayed",
        "Every figure is as it must be.",
        summary.complaints(),
        pictures,
        [(name, spell(value)) for name, value in asdict(summary).items()],
    )


def _calibration(client: Client, plan: ModelPlan) -> Any:  # noqa: ANN401
    frame = client.query_df(
        "SELECT intDiv(rank * 10, total) AS tenth, avg(prediction) AS predicted, avg(label) AS observed, "
        "count() AS n FROM (SELECT prediction, label, row_number() OVER (ORDER BY prediction) - 1 AS rank, "
        "count() OVER () AS total FROM (SELECT request_id, assumeNotNull(prediction) AS prediction "
        "FROM model_prediction_log FINAL WHERE model_name = {model:String} AND isNull(error)) AS p "
        "INNER JOIN (SELECT request_id, label FROM ground_truth FINAL "
        "WHERE model_name = {model:String}) AS t USING (request_id)) GROUP BY tenth ORDER BY tenth",
        parameters={"model": plan.name},
    )
    top = float(max(frame["predicted"].max(), frame["observed"].max(), 0.1))
    line = alt.Chart(pd.DataFrame({"predicted": [0, top], "observed": [0, top]})).mark_line(
        strokeDash=[4, 4], color="#999"
    )
    dots = alt.Chart(frame).mark_circle(size=90, color="#2b6cb0")
    x, y = alt.X("predicted:Q", title="mean prediction"), alt.Y("observed:Q", title="share that came true")
    return (line.encode(x=x, y=y) + dots.encode(x=x, y=y)).properties(width=420, height=320)


def _daily(client: Client, plan: ModelPlan) -> Any:  # noqa: ANN401
    frame = client.query_df(
        "SELECT toString(toDate(requested_at)) AS day, "
        "concat(variant, ' v', toString(model_version_used)) AS answered, count() AS predictions "
        "FROM (SELECT * FROM model_prediction_log FINAL UNION ALL SELECT * FROM shadow_predictions FINAL) "
        "WHERE model_name = {model:String} AND isNull(error) GROUP BY day, answered ORDER BY day",
        parameters={"model": plan.name},
    )
    return (
        alt.Chart(frame)
        .mark_line(point=True)
        .encode(
            x=alt.X("day:T", title=None),
            y=alt.Y("predictions:Q", title="predictions a day"),
            color=alt.Color("answered:N", title=None),
        )
        .properties(width=640, height=240)
    )


def _latencies(event_ms: list[float], http_ms: list[float]) -> Any:  # noqa: ANN401
    parts = []
    for name, values in (("event to Redis", event_ms), ("HTTP request", http_ms)):
        ordered = np.sort(np.asarray(values))
        shares = np.linspace(0, 1, 101)
        if len(ordered):
            at = np.quantile(ordered, shares)
            parts.append(pd.DataFrame({"what": name, "ms": np.maximum(at, 0.01), "share": shares}))
    frame = pd.concat(parts) if parts else pd.DataFrame({"what": [], "ms": [], "share": []})
    lines = alt.Chart(frame).mark_line(interpolate="step-after")
    return alt.layer(
        lines.encode(
            x=alt.X("ms:Q", scale=alt.Scale(type="log"), title="milliseconds"),
            y=alt.Y("share:Q", title="share at most", axis=alt.Axis(format="%")),
            color=alt.Color("what:N", title=None),
        )
    ).properties(width=640, height=240)


def _trial(
    client: Client, plan: ModelPlan, policy: EvaluationPolicy, summary: Summary, until: int
) -> Markup | None:
    assert summary.champion_version_before is not None
    assert summary.challenger_version is not None
    assignments = read_assignments(
        Query(client),
        plan.name,
        champion=summary.champion_version_before,
        challenger=summary.challenger_version,
        mode=policy.mode,
        until=until,
        grace=policy.look_every_ms,
        segments=policy.segments,
    )
    units, _ = settle(assignments, policy, until)
    verdict = judge(units, policy)
    if not verdict.course:
        return None
    title = f"Version {summary.challenger_version} on trial: {summary.evaluation_decision}"
    return Markup(draw(verdict.course, verdict.target, verdict.what, title))
