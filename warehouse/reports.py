"""What reports show, read from the views that hold it. Times are ms since the epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from clickhouse_connect.driver.client import Client

T = TypeVar("T")
_TIMES = frozenset(("window_start", "window_end", "at", "state_at", "day", "hour", "created_at"))


@dataclass(frozen=True)
class DriftWindow:
    """One feature in one window of a drift policy: a row of `drift_windows` without its bins."""

    policy: str
    model_name: str
    model_version: int
    subject: str
    feature: str
    method: str
    window_start: int
    window_end: int
    n: int
    n_reference: int
    psi: float
    effect_size: float | None
    p_value: float | None
    q_value: float | None
    threshold: float
    drifted: bool
    missing_share: float
    missing_share_reference: float
    causes: Sequence[str]


@dataclass(frozen=True)
class Distribution:
    """The bins of a feature in one window, and of its reference, as shares of all values."""

    feature: str
    window_end: int
    edges: Sequence[float]
    levels: Sequence[str]
    reference_shares: Sequence[float]
    shares: Sequence[float]


def drift_windows(client: Client, model: str, group: str, days: int) -> list[DriftWindow]:
    """Give the windows that ended in the `days` up to the newest, by policy, feature and time.

    `group` is a group's name or label, or `outputs`; an empty `model` or `group` is any.
    """
    of = (
        "({model:String} IN ('', model_name)) AND ({group:String} IN ('', subject) "
        "OR startsWith(subject, concat({group:String}, '.v')))"
    )
    return _read(
        client,
        DriftWindow,
        f"FROM drift_windows AS v WHERE {of} AND v.window_end > "
        f"(SELECT max(window_end) FROM drift_windows WHERE {of}) - toIntervalDay({{days:Int64}}) "
        "ORDER BY policy, feature, v.window_end",
        {"model": model, "group": group, "days": days},
    )


def distributions(
    client: Client, policy: str, features: Sequence[str], since: int, until: int
) -> list[Distribution]:
    """Give the bins of some features in a policy's windows that end in [since, until] (ms)."""
    return _read(
        client,
        Distribution,
        "FROM drift_windows AS v WHERE policy = {policy:String} AND feature IN {features:Array(String)} "
        "AND toUnixTimestamp64Milli(v.window_end) BETWEEN {since:Int64} AND {until:Int64} "
        "ORDER BY feature, v.window_end",
        {"policy": policy, "features": list(features), "since": since, "until": until},
    )


def _read(client: Client, kind: type[T], rest: str, parameters: Mapping[str, Any]) -> list[T]:
    columns = ", ".join(
        f"toUnixTimestamp64Milli(toDateTime64(v.{f.name}, 3, 'UTC')) AS {f.name}"
        if f.name in _TIMES
        else f"v.{f.name}"
        for f in fields(kind)  # type: ignore[arg-type]
    )
    found = client.query(f"SELECT {columns} {rest}", parameters=dict(parameters))
    return [kind(*row) for row in found.result_rows]
