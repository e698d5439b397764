"""A performance check: one policy's metric in one window beside what it was in the champion's holdout."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from scipy.stats import norm

from features.alerts import BROKEN, ESTIMATED, SEQUENTIAL, Alert, Playbook
from features.policies import METRICS, MonitoringPolicy
from features.project import Project
from features.training import BINARY
from features.windows import milliseconds
from flows.check import NoReferenceError
from flows.estimation import Estimate, estimate, estimate_numbers
from flows.sequential import bets, log_e_value, rejects, upper_mean
from inference.registry import ModelVersion
from warehouse.client import Client
from warehouse.outcomes import Units, arrived, asked, closed, holdout, segment_sql
from warehouse.performance import Measure, ks, log_wealth, measure, moments, predictions
from warehouse.performance_reports import Row, Watched, keep

MEASURED = "measured"
PERFORMANCE, SEGMENTS = "performance", "segments"
"""The kinds of alerts: of all requests, and of gaps between segments."""
LOSSES = "losses"
"""Harm that the distribution of losses shows."""
_SAMPLE = 20_000
_TOLD = 5
"""How many segments an alert names: those whose units together are worse by the most."""
_WIDTH = float(norm.ppf(0.975))


@dataclass(frozen=True)
class Performance:
    """What a check found: the rows of its window, and what explains a breach.

    Labels count that the log took within `horizon_ms` of the request.
    """

    policy: MonitoringPolicy
    watched: Watched
    horizon_ms: int
    rows: tuple[Row, ...]
    explanation: dict[str, Any] = field(default_factory=dict)

    @property
    def harm(self) -> list[str]:
        """By which rules all requests are served worse than the holdout was."""
        whole = [row for row in self.rows if not row.segment_by]
        found = [row.basis for row in whole if row.breached]
        found += [LOSSES for row in whole if row.ks_breached]
        late = any(row.log_e is not None and rejects(row.log_e, self.policy.alpha) for row in whole)
        return [*found, SEQUENTIAL] if late else found

    @property
    def gaps(self) -> list[Row]:
        """The segments that are served worse than the others of their kind, the worst first."""
        found = [row for row in self.rows if row.segment_by and row.breached]
        return sorted(found, key=lambda row: -(row.gap or 0))

    @property
    def judged(self) -> bool:
        """Whether there was enough to say that nothing is wrong."""
        return any(row.p_value is not None for row in self.rows if not row.segment_by)

    def alerts(self) -> list[Alert]:
        """Give at most one alert of each kind; none where nothing is worse than is tolerated."""
        found, policy = [], self.policy
        rates = {"false_alarms_per_month": policy.false_alarms_per_month, "alpha": policy.alpha}
        whole = [_told(row) for row in self.rows if not row.segment_by]
        if self.harm:
            broken = self.explanation.get("looks_like") == BROKEN
            worst = sorted(
                (row for row in self.rows if row.segment_by), key=lambda r: -r.units * (r.worse or 0)
            )
            evidence = {"harm": self.harm, "metric": policy.metric, "of": whole} | self.explanation
            evidence |= {"segments": [_told(row) for row in worst[:_TOLD]]} | rates
            severity = "warning" if self.harm == [ESTIMATED] else "critical"
            playbook = Playbook.BROKEN_PIPELINE if broken else Playbook.PERFORMANCE
            found.append(self._alert(PERFORMANCE, severity, playbook, evidence))
        if self.gaps:
            evidence = {"metric": policy.metric, "of": whole, "segments": [_told(r) for r in self.gaps]}
            evidence |= rates
            found.append(self._alert(SEGMENTS, "warning", Playbook.SEGMENTS, evidence))
        return found

    def _alert(self, kind: str, severity: str, playbook: Playbook, evidence: dict[str, Any]) -> Alert:
        watched = self.watched
        facts = {"model_version": watched.model_version, "window_start": watched.start}
        facts["horizon_ms"] = self.horizon_ms
        return Alert(
            alert_id=f"{kind}/{watched.policy}/{watched.end}",
            policy=watched.policy,
            kind=kind,
            subject=watched.model_name,
            severity=severity,
            evidence=facts | evidence,
            at=watched.end,
            playbook=playbook,
            owner=self.policy.model.owner,
            model_name=watched.model_name,
        )


def check_performance(
    client: Client, project: Project, policy: MonitoringPolicy, version: ModelVersion, end: int
) -> Performance:
    """Set a policy's metric in the window that ends before `end` (ms) beside that of the version's holdout.

    The rows are kept in `model_performance_monitor`; the same window checked again replaces them. Raises
    `NoReferenceError` where the holdout was not kept.
    """
    start = end - milliseconds(policy.window, f"monitoring policy {policy.name}, window")
    model, horizon = policy.model, project.model_plans[policy.model.name].label.horizon_ms
    before = holdout(version.experiment_id)
    reference = next(iter(measure(client, policy.metric, before, policy.k)), None)
    if reference is None or reference.value is None:
        raise NoReferenceError(
            f"performance is beside that of a holdout, kept at training; {model.name} version "
            f"{version.version} has none that has {policy.metric}: train a new version"
        )
    units = arrived(
        model.name,
        version.version,
        horizon,
        start,
        end,
        {name: segment_sql(model, name) for name in policy.segments},
    )
    rows = judged(policy, measure(client, policy.metric, units, policy.k), reference)
    if rows:
        log_e = _evidence(client, policy, version, closed(model.name, version.version, horizon, end))
        rows[0] = replace(rows[0], log_e=log_e)
        apart = ks(client, before, units)
        if apart is not None:
            rows[0] = replace(
                rows[0],
                ks_statistic=apart.statistic,
                ks_p_value=apart.p_value,
                ks_larger=apart.larger,
                ks_breached=larger_losses(policy, apart.larger, reference.units, rows[0].units),
            )
    guessed = _estimate(client, policy, before, asked(model.name, version.version, start, end))
    if guessed is not None:
        rows.append(estimated(policy, guessed, reference))
    if not rows:  # the window was looked at all the same
        rows.append(Row(MEASURED, "", "", 0, None, reference=reference.value))
    watched = Watched(policy.name, model.name, version.version, policy.metric, policy.threshold, start, end)
    keep(client, watched, rows)
    return Performance(policy, watched, horizon, tuple(rows))


def _estimate(client: Client, policy: MonitoringPolicy, before: Units, now: Units) -> Estimate | None:
    tried, made = predictions(client, before, _SAMPLE), predictions(client, now, _SAMPLE)
    labels, scores, new = (
        np.asarray(column.to_numpy(), dtype=np.float64)
        for column in (tried["label"], tried["prediction"], made["prediction"])
    )
    if policy.model.task != BINARY:
        return estimate_numbers(labels, scores, new) if policy.metric == "rmse" else None
    return estimate(policy.metric, labels, scores, new, k=policy.k)


def larger_losses(policy: MonitoringPolicy, distance: float, before: int, now: int) -> bool:
    """Tell whether losses of `now` units are larger than those of `before` by more than the policy tolerates.

    `distance` is what their empirical distributions have. It exceeds that of the true ones by t with a
    probability of at most 2 exp(-2 t^2 n m / (sqrt n + sqrt m)^2), whatever these are, of independent units:
    by the inequality of Dvoretzky, Kiefer and Wolfowitz for each sample, with Massart's constant (1990).
    """
    if policy.losses is None or min(before, now) < policy.min_units:
        return False
    beyond = distance - policy.losses
    if beyond <= 0:
        return False
    exponent = 2 * beyond**2 * before * now / (math.sqrt(before) + math.sqrt(now)) ** 2
    return 2 * math.exp(-exponent) <= policy.level / rules(policy)


def rules(policy: MonitoringPolicy) -> int:
    """Count who share a window's false alarms: what is measured, what is estimated, segments and losses."""
    return 3 if policy.losses is None else 4


def judged(policy: MonitoringPolicy, measures: Sequence[Measure], reference: Measure) -> list[Row]:
    """Judge what was measured: all units beside the holdout, each segment beside the others of its kind."""
    rows = []
    for found in measures:
        if not found.by:
            rows.append(_beside(policy, MEASURED, found, reference))
        else:
            others = [m for m in measures if m.by == found.by and m is not found]
            rows.append(_among(policy, found, others, reference))
    return rows


def estimated(policy: MonitoringPolicy, found: Estimate, reference: Measure) -> Row:
    """Judge an estimate by its interval."""
    error = (found.high - found.low) / (2 * _WIDTH)
    row = _beside(policy, ESTIMATED, Measure("", "", found.units, found.value, error), reference)
    return replace(row, low=found.low, high=found.high)


def _beside(policy: MonitoringPolicy, basis: str, found: Measure, reference: Measure) -> Row:
    """Test that a metric is worse than the holdout's by no more than the threshold, on one side."""
    row = _row(policy, basis, found, reference)
    if row.worse is None or found.error is None or found.units < policy.min_units:
        return row
    error = math.hypot(found.error, reference.error or 0.0)
    beyond = row.worse - policy.threshold
    p_value = float(norm.sf(beyond / error)) if error else float(beyond <= 0)
    return replace(row, p_value=p_value, breached=p_value <= policy.level / rules(policy))


def _among(policy: MonitoringPolicy, found: Measure, others: Sequence[Measure], reference: Measure) -> Row:
    """Set a segment beside the mean of the others, by an interval that holds for all of its kind at once."""
    row = _row(policy, MEASURED, found, reference)
    rest = [(m, m.value, m.error) for m in others if m.units >= policy.min_units]
    known = [(m.units, value, error) for m, value, error in rest if value is not None and error is not None]
    if found.value is None or found.error is None or found.units < policy.min_units or not known:
        return row
    n = sum(units for units, _, _ in known)
    mean = sum(units * value for units, value, _ in known) / n
    error = math.hypot(found.error, math.sqrt(sum((units * e / n) ** 2 for units, _, e in known)))
    gap = METRICS[policy.metric] * (mean - found.value)
    kinds = max(1, len(policy.segments))
    reach = float(norm.isf(policy.level / rules(policy) / kinds / (len(known) + 1))) * error
    breached = gap - reach > policy.tolerated_gap
    return replace(row, gap=gap, gap_low=gap - reach, gap_high=gap + reach, breached=breached)


def _row(policy: MonitoringPolicy, basis: str, found: Measure, reference: Measure) -> Row:
    value, error, held = found.value, found.error, reference.value
    row = Row(basis, found.by, found.segment, found.units, value, reference=held)
    if value is None or held is None:
        return row
    row = replace(row, worse=METRICS[policy.metric] * (held - value))
    return row if error is None else replace(row, low=value - _WIDTH * error, high=value + _WIDTH * error)


def _evidence(client: Client, policy: MonitoringPolicy, version: ModelVersion, units: Units) -> float | None:
    tried = moments(client, holdout(version.experiment_id))
    mean = upper_mean(tried, policy.alpha)
    if not 0 < mean < 1:
        return None  # no loss could be larger
    count, wealths = log_wealth(client, units, tried.bound, mean, bets(mean))
    return float(log_e_value(wealths)) if count else 0.0


def _told(row: Row) -> dict[str, Any]:
    """Give what a row says, for people."""
    return {name: value for name, value in asdict(row).items() if value not in (None, "")}
