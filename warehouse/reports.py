"""What reports show, read from the views that hold it. Times are ms since the epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from clickhouse_connect.driver.client import Client

T = TypeVar("T")
_TIMES = frozenset(
    {"window_start", "window_end", "at", "state_at", "day", "hour", "log_time", "created_at"}
    | {"online_clock", "reported_at"}
)

_OF_MODEL = "model_name = {model:String}"
_OF_GROUP = "{group:String} IN ('', group, concat(group, '.v', toString(version)))"


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


@dataclass(frozen=True)
class PerformanceWindow:
    """A metric of a segment's units in one window: a row of `performance_windows`."""

    policy: str
    model_version: int
    metric: str
    basis: str
    segment_by: str
    segment: str
    window_start: int
    window_end: int
    units: int
    value: float | None
    low: float | None
    high: float | None
    reference: float | None
    worse: float | None
    p_value: float | None
    threshold: float
    gap: float | None
    gap_low: float | None
    gap_high: float | None
    log_e: float | None
    breached: bool
    ks_statistic: float | None
    ks_p_value: float | None
    ks_larger: float | None
    ks_breached: bool

    @property
    def alarmed(self) -> bool:
        """Whether the metric or the losses are beyond what is tolerated."""
        return self.breached or self.ks_breached


@dataclass(frozen=True)
class ToldAlert:
    """An alert and how far it has come: a row of `alerts_with_state`. `evidence` is JSON."""

    alert_id: str
    policy: str
    kind: str
    subject: str
    severity: str
    at: int
    state: str
    state_by: str
    state_why: str
    state_at: int | None
    evidence: str


@dataclass(frozen=True)
class AnswersOfDay:
    """Answers of one version by one door to the requests of a day: a row of `answers_daily`."""

    day: int
    model_version: int | None
    variant: str
    door: str
    answers: int
    errors: int
    with_stale_rows: int
    with_missing_rows: int
    with_defaults: int
    mean_prediction: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None


@dataclass(frozen=True)
class FreshnessHour:
    """What requests of an hour met of a group version: a row of `freshness_hourly`.

    Lags are those of the group's clock behind the requests, in ms; limits are None where nothing was applied.
    """

    group: str
    version: int
    hour: int
    reads: int
    fresh: int
    stale: int
    missing: int
    defaulted: int
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    lag_max_ms: int | None
    expected_max_lag_ms: int | None
    alert_threshold_ms: int | None


@dataclass(frozen=True)
class GroupClock:
    """How far the log has come for a group version, in the warehouse and online: a row of `group_clocks`."""

    group: str
    version: int
    owner: str
    expected_max_lag_ms: int
    alert_threshold_ms: int
    on_stale: str
    log_time: int | None
    online_clock: int | None
    reported_at: int | None


@dataclass(frozen=True)
class HoldoutTenth:
    """A tenth of an experiment's holdout, in order of prediction from 0: a row of `holdout_calibration`."""

    tenth: int
    rows: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class TrainingSet:
    """A training set: a row of `training_sets`. `group_versions` is JSON."""

    training_dataset_version: str
    table_name: str
    rows: int
    content_hash: str
    group_versions: str
    origin: str
    serving_delay_ms: int
    created_at: int


@dataclass(frozen=True)
class TableCost:
    """What a table of the log of predictions takes on disk: a row of `prediction_cost`, of all models."""

    table: str
    rows: int
    bytes: int
    predictions: int
    bytes_per_thousand: float | None


def drift_windows(client: Client, model: str, group: str, days: int) -> list[DriftWindow]:
    """Give the windows that ended in the `days` up to their policy's newest, by policy, feature and time.

    `group` is a group's name or label, or `outputs`; an empty `model` or `group` is any.
    """
    of = (
        "({model:String} IN ('', model_name)) AND ({group:String} IN ('', subject) "
        "OR startsWith(subject, concat({group:String}, '.v')))"
    )
    return _read(
        client,
        DriftWindow,
        f"{_newest('drift_windows', 'window_end', of, 'policy')} ORDER BY policy, feature, v.window_end",
        {"model": model, "group": group, "days": days},
    )


def windows_done(client: Client, view: str, alarm: str, policy: str, model: str, version: int) -> set[int]:
    """Give the ends (ms) of the windows of a policy in a view in which a version was checked.

    One in which `alarm`, a condition on its columns, holds counts once the log has its alert. Of those up to
    the newest alert the last alone is given: nobody is told of the others any more.
    """
    of = "policy = {policy:String}"
    windows = (
        f"SELECT toUnixTimestamp64Milli(window_end), max({alarm}) FROM {view} WHERE {of} "
        "AND model_name = {model:String} AND model_version = {version:UInt32} GROUP BY window_end"
    )
    held = {"policy": policy, "model": model, "version": version}
    alarms = {int(end): bool(alarms) for end, alarms in client.query(windows, held).result_rows}
    newest = f"SELECT toUnixTimestamp64Milli(max(at)) FROM alerts WHERE {of}"
    told = int(client.query(newest, held).result_rows[0][0])
    last = max((end for end in alarms if end <= told), default=None)
    return {end for end, alarmed in alarms.items() if end == last or (end > told and not alarmed)}


def distributions(client: Client, policy: str, ends: Mapping[str, int]) -> dict[str, Distribution]:
    """Give the bins of some features of a policy, each in the window with the end (ms) that is stated."""
    found = _read(
        client,
        Distribution,
        "FROM drift_windows AS v WHERE policy = {policy:String} "
        "AND (feature, toUnixTimestamp64Milli(v.window_end)) "
        "IN (SELECT arrayJoin(arrayZip({features:Array(String)}, {ends:Array(Int64)})))",
        {"policy": policy, "features": list(ends), "ends": list(ends.values())},
    )
    return {d.feature: d for d in found}


def performance_windows(client: Client, model: str, days: int) -> list[PerformanceWindow]:
    """Give a model's windows of the `days` up to their policy's newest, by basis, segment and time."""
    return _read(
        client,
        PerformanceWindow,
        f"{_newest('performance_windows', 'window_end', _OF_MODEL, 'policy')} "
        "ORDER BY policy, basis, segment_by, segment, v.window_end",
        {"model": model, "days": days},
    )


def told_alerts(client: Client, model: str, days: int) -> list[ToldAlert]:
    """Give a model's alerts of the `days` up to the newest, the newest first."""
    return _read(
        client,
        ToldAlert,
        f"{_newest('alerts_with_state', 'at', _OF_MODEL)} ORDER BY v.at DESC, alert_id",
        {"model": model, "days": days},
    )


def answers_by_day(client: Client, model: str, days: int) -> list[AnswersOfDay]:
    """Give the answers of a model in the `days` up to the newest, by day, version, variant and door."""
    return _read(
        client,
        AnswersOfDay,
        f"{_newest('answers_daily', 'day', _OF_MODEL)} ORDER BY v.day, model_version, variant, door",
        {"model": model, "days": days},
    )


def freshness_hours(client: Client, group: str, days: int) -> list[FreshnessHour]:
    """Give the hours of requests in the `days` up to the newest, by group version and time.

    `group` is a group's name or label; an empty one is any.
    """
    return _read(
        client,
        FreshnessHour,
        f"{_newest('freshness_hourly', 'hour', _OF_GROUP)} ORDER BY group, version, v.hour",
        {"group": group, "days": days},
    )


def group_clocks(client: Client, group: str) -> list[GroupClock]:
    """Give the clocks of the applied versions of a group, by name or label; an empty one is any."""
    sql = f"FROM group_clocks AS v WHERE {_OF_GROUP} ORDER BY group, version"
    return _read(client, GroupClock, sql, {"group": group})


def holdout_tenths(client: Client, experiment_id: str) -> list[HoldoutTenth]:
    """Give the tenths of an experiment's holdout; none where it was not kept."""
    sql = "FROM holdout_calibration AS v WHERE experiment_id = {id:String} ORDER BY tenth"
    return _read(client, HoldoutTenth, sql, {"id": experiment_id})


def training_set(client: Client, training_dataset_version: str) -> TrainingSet | None:
    """Give the training set that an experiment names, or None."""
    sql = "FROM training_sets AS v WHERE v.training_dataset_version = {name:String}"
    return next(iter(_read(client, TrainingSet, sql, {"name": training_dataset_version})), None)


def table_costs(client: Client) -> list[TableCost]:
    """Give what the log of predictions takes on disk, table by table."""
    return _read(client, TableCost, "FROM prediction_cost AS v ORDER BY table", {})


def _newest(view: str, time: str, of: str, each: str = "''") -> str:
    """Select the rows of a view, those `of` something, of the `days` up to the newest of `each`; one look."""
    return (
        f"FROM (SELECT *, max({time}) OVER (PARTITION BY {each}) AS newest FROM {view} WHERE {of}) AS v "
        f"WHERE v.{time} > v.newest - toIntervalDay({{days:Int64}})"
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
