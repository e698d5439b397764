"""When a group's readers are told that it stands still, and when that it goes on: pure.

A group stands still when its clock in the online store lies further behind than its
`alert_threshold_minutes`. If the log has gone on meanwhile the pipeline is stalled; if the log itself stands,
its sources are quiet, which is told of beyond `quiet_after` where a group states that.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from features.alerts import RESOLVED, Alert, Playbook, state
from features.plan import GroupPlan

KIND = "freshness"
FRESH, STALLED, QUIET = "fresh", "stalled", "quiet"
_SEVERITY = {STALLED: "critical", QUIET: "warning"}
_PLAYBOOK = {STALLED: Playbook.STALLED_PIPELINE, QUIET: Playbook.QUIET_SOURCE}
BY = "freshness"
"""Who resolves its alerts."""


@dataclass(frozen=True)
class Limits:
    """What a group states of its freshness, in ms."""

    label: str
    owner: str
    expected_max_lag_ms: int
    alert_after_ms: int
    quiet_after_ms: int | None = None

    @classmethod
    def of(cls, plan: GroupPlan) -> Self:
        """Take them from a group's plan."""
        return cls(
            plan.label, plan.owner, plan.expected_max_lag_ms, plan.alert_threshold_ms, plan.quiet_after_ms
        )

    @property
    def cleared_below_ms(self) -> int:
        """The lag up to which an open alert ends: one that hovers about the limit is one alert."""
        return min(self.expected_max_lag_ms, self.alert_after_ms)


@dataclass(frozen=True)
class Known:
    """What is known of a group, in ms since the epoch; `verdict` has the alert `alert_id` open, if any.

    `first_at` is when it was first reported, `seen_at` when last; `raised` is how many alerts it has had.
    """

    first_at: int
    seen_at: int
    clock: int | None = None
    log_time: int | None = None
    verdict: str = FRESH
    alert_id: str = ""
    raised: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Changes:
    """The alerts to raise, and the states that others reach, as records of the log."""

    alerts: tuple[Mapping[str, Any], ...] = ()
    states: tuple[Mapping[str, Any], ...] = ()


def heard(known: Known | None, report: Mapping[str, Any]) -> Known:
    """Take a record of `features.freshness`; what a report does not know stays as it was."""
    at, clock, log_time = report["at"], report["clock"], report["log_time"]
    if known is None:
        return Known(at, at, clock, log_time)
    return replace(
        known,
        seen_at=max(known.seen_at, at),
        clock=known.clock if clock is None else max(clock, known.clock or clock),
        log_time=known.log_time if log_time is None else max(log_time, known.log_time or log_time),
    )


def judged(limits: Limits, known: Known, now: int) -> tuple[Known, Changes]:
    """Judge a group at `now` (ms); the same group judged again raises and resolves nothing twice."""
    verdict = _verdict(limits, known, now)
    if verdict == known.verdict:
        return known, Changes()
    states: tuple[Mapping[str, Any], ...] = ()
    if known.alert_id:
        why = "it is fresh again" if verdict == FRESH else f"it is {verdict} now"
        states = (state(known.alert_id, RESOLVED, by=BY, why=why, at=now),)
    if verdict == FRESH:
        return replace(known, verdict=FRESH, alert_id=""), Changes((), states)
    alert = _alert(limits, known, verdict, now)
    known = replace(known, verdict=verdict, alert_id=alert.alert_id, raised=known.raised + 1)
    return known, Changes((alert.record,), states)


def _verdict(limits: Limits, known: Known, now: int) -> str:
    limit = limits.alert_after_ms if known.verdict == FRESH else limits.cleared_below_ms
    if now - known.seen_at > limits.alert_after_ms:
        return STALLED  # nobody reports: what brings rows to their readers is away
    lag = now - _shown(known)
    if lag <= limit:
        return FRESH
    if known.log_time is not None and known.log_time - _shown(known) > limits.expected_max_lag_ms:
        return STALLED
    quiet = limits.quiet_after_ms is None or known.verdict == QUIET or lag > limits.quiet_after_ms
    return QUIET if quiet else FRESH  # so it is, too, where a source has never brought anything


def _shown(known: Known) -> int:
    """Give the clock; where there has been none, the group is behind from its first report on."""
    return known.first_at if known.clock is None else known.clock


def _alert(limits: Limits, known: Known, verdict: str, now: int) -> Alert:
    shown = _shown(known)
    return Alert(
        # counted: one that comes back at the same clock is not the one that was resolved
        alert_id=f"{KIND}/{limits.label}/{verdict}/{shown}/{known.raised}",
        policy=f"{KIND}/{limits.label}",
        kind=KIND,
        subject=limits.label,
        severity=_SEVERITY[verdict],
        evidence={
            "verdict": verdict,
            "lag_ms": now - shown,
            "alert_threshold_ms": limits.alert_after_ms,
            "clock": known.clock,
            "log_time": known.log_time,
            "reported_at": known.seen_at,
        },
        at=now,
        playbook=_PLAYBOOK[verdict],
        owner=limits.owner,
    )
