"""A drift check: one policy's features in one window against what its model was trained on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from features.alerts import BROKEN, CHANGED, Alert
from features.policies import DriftPolicy, MonitoringPolicy
from features.project import Project
from features.windows import floor, milliseconds
from flows.causes import broken, causes
from flows.discoveries import adjusted
from flows.divergence import compare, psi
from flows.watched import methods, window
from inference.registry import ModelVersion
from warehouse.client import Client
from warehouse.drift import count, frozen, quantiles, stale_share
from warehouse.drift_reports import Finding, Window, keep
from warehouse.references import DECILES, Reference, read
from warehouse.silence import silent


class NoReferenceError(LookupError):
    """A model's training set was never frozen for a policy."""


@dataclass(frozen=True)
class Report:
    """What a check found, feature by feature; `frozen` are those of the model that were so in the window."""

    window: Window
    findings: tuple[Finding, ...]
    owner: str = ""
    frozen: tuple[str, ...] = ()

    @property
    def drifted(self) -> tuple[Finding, ...]:
        """The findings of features that drifted."""
        return tuple(f for f in self.findings if f.drifted)

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
            "model_version": window.model_version,
            "window_start": window.start,
        }
        return Alert(
            alert_id=f"drift/{window.policy}/{window.end}",
            policy=window.policy,
            kind="drift",
            subject=self.subject,
            severity="warning",
            evidence=evidence,
            at=window.end,
            playbook="broken-pipeline" if looks_broken else "drift",
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
    stood = frozen(client, policy.model.name, start, end)
    found = _looked(client, project, policy, version, known, stood, start, end)
    judged = _judged(policy, found)
    drifted = {name: f for name, f in judged.items() if f.drifted}
    judged |= _explained(client, project, policy, version, drifted, start, end)
    if policy.newest_ms is not None:
        for name, seen in _newly_broken(client, project, policy, version, known, end).items():
            if not broken(judged[name].causes):
                judged[name] = replace(judged[name], drifted=True, causes=seen)
    group = ("", 0) if policy.group is None else (policy.group.name, policy.group.version)
    over = Window(policy.name, policy.model.name, version.version, *group, start, end)
    owner = policy.model.owner if policy.group is None else policy.group.owner
    report = Report(over, tuple(judged.values()), owner, stood)
    keep(client, over, report.findings)
    return report


def _vector_name(policy: DriftPolicy, name: str) -> str:
    return name if policy.group is None else f"{policy.group.name}.{name}"


def _looked(
    client: Client,
    project: Project,
    policy: DriftPolicy,
    version: ModelVersion,
    known: Mapping[str, Reference],
    stood: Collection[str],
    start: int,
    end: int,
) -> dict[str, Finding]:
    """Count and compare the values of [start, end), by feature; `stood` has those that were frozen."""
    found: dict[str, Finding] = {}
    for sample in window(policy, project, version.version, start, end):
        held = {name: known[name] for name in sample.columns}
        counts = count(client, sample, {name: r.bins for name, r in held.items()})
        for name, reference in held.items():
            unjudged = policy.values == "served" and _vector_name(policy, name) in stood
            found[name] = _finding(policy, reference, counts[name], len(known), judged=not unjudged)
    return found


def _finding(
    policy: DriftPolicy, reference: Reference, counts: list[int], features: int, *, judged: bool
) -> Finding:
    unjudged = Finding(reference, tuple(counts), 0.0, None, None, None, None, 0.0, drifted=False)
    if not (sum(counts) and reference.rows):
        return unjudged
    measured = replace(unjudged, psi=psi(reference.counts, counts))
    if not judged or min(sum(counts), reference.rows) < policy.min_rows:
        return measured
    smallest = policy.level / features
    how = compare(reference.method, reference.counts, counts, reference.bins.edges, smallest=smallest)
    return replace(measured, statistic=how.statistic, effect_size=how.effect_size, p_value=how.p_value)


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


def _newly_broken(
    client: Client,
    project: Project,
    policy: DriftPolicy,
    version: ModelVersion,
    known: Mapping[str, Reference],
    end: int,
) -> dict[str, tuple[str, ...]]:
    """Name the features that look broken in the newest stretch of a window, and why.

    A long window is for what changes slowly. What breaks is seen at once, where the stretch differs from the
    reference by the calibrated rule and shows a cause.
    """
    assert policy.newest_ms is not None
    start = end - policy.newest_ms
    stood = frozen(client, policy.model.name, start, end)
    found = _looked(client, project, policy, version, known, stood, start, end)
    q_values = _q_values(found)
    differ = {name: f for name, f in found.items() if q_values.get(name, 1.0) <= policy.level}
    explained = _explained(client, project, policy, version, differ, start, end)
    return {name: f.causes for name, f in explained.items() if broken(f.causes)}


def _explained(
    client: Client,
    project: Project,
    policy: DriftPolicy,
    version: ModelVersion,
    drifted: Mapping[str, Finding],
    start: int,
    end: int,
) -> dict[str, Finding]:
    """Add causes to those that drifted, which takes another look at their values."""
    if not drifted:
        return {}
    stale, quiet = 0.0, dict[str, float]()
    if policy.group is not None:
        stale = stale_share(client, policy.model.name, policy.group.name, start, end)
        table = project.group_plans[policy.group.label].table
        quiet = silent(client, policy.model.name, policy.group.name, table, start, end)
    deciles: dict[str, list[float]] = {}
    for sample in window(policy, project, version.version, start, end):
        numbers = [n for n in sample.columns if n in drifted and drifted[n].reference.bins.levels is None]
        deciles |= quantiles(client, sample, numbers, DECILES)
    return {
        name: replace(f, causes=causes(f.reference, f.counts, deciles.get(name, ()), stale, quiet))
        for name, f in drifted.items()
    }
