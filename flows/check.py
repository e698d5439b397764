"""A drift check: one policy's features in one window against what its model was trained on."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from features.alerts import BROKEN, CHANGED, Alert, Playbook
from features.policies import DriftPolicy, MonitoringPolicy
from features.project import Project
from features.windows import floor, milliseconds
from flows.causes import broken
from flows.discoveries import adjusted, false_alarms_per_month
from flows.stretch import Segment, Stretch
from flows.watched import methods
from inference.registry import ModelVersion
from warehouse.client import REFUSALS, Client
from warehouse.drift_reports import Finding, Window, keep
from warehouse.references import read

log = logging.getLogger(__name__)
EXPLAINED = 3
"""Of so many features that drifted segments are looked for."""


class NoReferenceError(LookupError):
    """A model's training set was never frozen for a policy."""


@dataclass(frozen=True)
class Report:
    """What a check found, feature by feature; `frozen` are those of the model that were so in the window.

    `segments` explain the first `EXPLAINED` features that drifted. Without drift there are
    `false_alarms_per_month` alerts of such windows in 30 days, at the most. `values` is the policy's.
    """

    window: Window
    findings: tuple[Finding, ...]
    owner: str = ""
    frozen: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    false_alarms_per_month: float = 0.0
    values: str = "served"

    @property
    def drifted(self) -> tuple[Finding, ...]:
        """The findings of features that drifted, those that explain the most first."""
        found = (f for f in self.findings if f.drifted)
        return tuple(sorted(found, key=lambda f: (f.q_value or 0.0, -(f.effect_size or 0.0))))

    @property
    def judged(self) -> bool:
        """Whether anything was judged."""
        return any(f.q_value is not None for f in self.findings)

    def alert(self) -> Alert | None:
        """Give the alert, one for a policy and window; None where nothing drifted."""
        if not self.drifted:
            return None
        window = self.window
        features = [
            {
                "feature": f.reference.feature,
                "method": f.reference.method,
                "psi": f.psi,
                "effect_size": f.effect_size,
                "q_value": f.q_value,
                "n": sum(f.counts),
                "causes": f.causes,
            }
            for f in self.drifted
        ]
        looks_broken = bool(self.frozen) or any(broken(f.causes) for f in self.drifted)
        evidence = {
            "looks_like": BROKEN if looks_broken else CHANGED,
            "frozen": self.frozen,
            "features": features,
            "of": len(self.findings),
            "segments": [vars(segment) for segment in self.segments],
            "false_alarms_per_month": self.false_alarms_per_month,
            "model_version": window.model_version,
            "window_start": window.start,
            "values": self.values,
        }
        return Alert(
            alert_id=f"drift/{window.policy}/{window.end}",
            policy=window.policy,
            kind="drift",
            subject=self.subject,
            severity="warning",
            evidence=evidence,
            at=window.end,
            playbook=Playbook.BROKEN_PIPELINE if looks_broken else Playbook.DRIFT,
            owner=self.owner,
            model_name=window.model_name,
        )

    @property
    def subject(self) -> str:
        """What drifted, or did not: the group's label, or the model's name."""
        window = self.window
        return f"{window.group}.v{window.version}" if window.group else window.model_name


def window_end(policy: DriftPolicy | MonitoringPolicy, clock: int) -> int:
    """Give the end (ms) of the newest of a policy's windows that is over at `clock` (ms)."""
    return floor(clock, policy.every_ms)


def check(client: Client, project: Project, policy: DriftPolicy, version: ModelVersion, end: int) -> Report:
    """Compare the window of a policy that ends before `end` (ms) with what `version` was trained on.

    What was served of a feature that was frozen in the window is counted, and not judged: it was the default.
    The findings are kept in `feature_drift_report`; the same window checked again replaces them. Raises
    `NoReferenceError` where there is nothing to compare with, `NothingWatchedError`.
    """
    start = end - milliseconds(policy.window, f"drift policy {policy.name}, window")
    known = {r.feature: r for r in read(client, version.experiment_id, policy.name)}
    lacking = [name for name in methods(policy, project) if name not in known]
    if lacking:
        raise NoReferenceError(
            f"drift is from what a model was trained on, frozen at its training; {policy.model.name} version "
            f"{version.version} has nothing for {policy.name} ({', '.join(lacking)}): train a new version"
        )
    stretch = Stretch(client, project, policy, version, known, start, end)
    judged = _judged(policy, stretch.findings())
    judged |= stretch.explained({name: f for name, f in judged.items() if f.drifted})
    newest, newly = stretch, dict[str, Finding]()
    if policy.newest_ms is not None:
        newest = replace(stretch, start=end - policy.newest_ms)
        for name, seen in _newly_broken(newest).items():
            if not broken(judged[name].causes):
                judged[name] = replace(judged[name], drifted=True, causes=seen.causes)
                newly[name] = seen
    group = ("", 0) if policy.group is None else (policy.group.name, policy.group.version)
    over = Window(policy.name, policy.model.name, version.version, *group, start, end)
    owner = policy.model.owner if policy.group is None else policy.group.owner
    report = Report(
        over,
        tuple(judged.values()),
        owner,
        stretch.frozen,
        false_alarms_per_month=_false_alarms(policy, judged.values()),
        values=policy.values,
    )
    keep(client, over, report.findings)
    if not report.drifted:
        return report
    segments = list[Segment]()
    try:
        for finding in report.drifted[:EXPLAINED]:
            seen_there = newly.get(finding.reference.feature)
            segments += stretch.segments(finding) if seen_there is None else newest.segments(seen_there)
    except REFUSALS as error:  # an alarm does not wait for what explains it
        log.warning("not all segments explain the drift of %s: %s", policy.name, error)
    return replace(report, segments=tuple(segments))


def _false_alarms(policy: DriftPolicy, found: Iterable[Finding]) -> float:
    """State how many alerts of such windows a month without drift may have."""
    tested = [f for f in found if f.p_value is not None]
    if not tested:
        return 0.0
    held, seen = min(f.reference.rows for f in tested), min(sum(f.counts) for f in tested)
    return false_alarms_per_month(policy, len(tested), held, seen)


def _judged(policy: DriftPolicy, found: Mapping[str, Finding]) -> dict[str, Finding]:
    """Decide by the policy's rule; what has too few rows is not judged."""
    q_values = _q_values(found)
    judged = {}
    for name, finding in found.items():
        q = q_values.get(name)
        if policy.threshold is not None:
            threshold, drifted = policy.threshold, q is not None and finding.psi > policy.threshold
        else:
            threshold, drifted = policy.level, q is not None and q <= policy.level
        judged[name] = replace(finding, q_value=q, threshold=threshold, drifted=drifted)
    return judged


def _q_values(found: Mapping[str, Finding]) -> dict[str, float]:
    tested = {name: f.p_value for name, f in found.items() if f.p_value is not None}
    return dict(zip(tested, adjusted(list(tested.values())), strict=True))


def _newly_broken(newest: Stretch) -> dict[str, Finding]:
    """Find the features that look broken in the newest stretch of a window, as they are there.

    A long window is for what changes slowly. What breaks is seen at once, where the stretch differs from the
    reference by the calibrated rule and shows a cause.
    """
    found = newest.findings()
    q_values = _q_values(found)
    differ = {name: f for name, f in found.items() if q_values.get(name, 1.0) <= newest.policy.level}
    return {name: f for name, f in newest.explained(differ).items() if broken(f.causes)}
