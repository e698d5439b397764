"""The flow that watches performance: each policy's newest window, and an alert where there is harm."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from prefect import flow, task

from features.alerts import BROKEN, CHANGED, incident
from features.policies import MonitoringPolicy, Policy
from flows.alerting import clear, send
from flows.causes import broken
from flows.check import NoReferenceError, window_end
from flows.context import current
from flows.looks import interval, looks
from flows.parameters import Moment, PolicyName
from flows.performance import PERFORMANCE, SEGMENTS, Performance
from flows.retrain import await_warehouse
from flows.steps import RETRIED, show
from inference.registry import ModelVersion
from warehouse.drift_reports import Finding

MONITOR = "monitor"
"""The flow's name."""


def intervals(policies: Iterable[Policy]) -> dict[str, int]:
    """Give how often (ms) the flow runs by itself: as often as the policy that looks the most; by flow."""
    return interval(MONITOR, (p.every_ms for p in policies if isinstance(p, MonitoringPolicy)))


@task(**RETRIED)
def look(policy: MonitoringPolicy, end: int) -> Performance:
    """Check the window of a policy that ends at `end` (ms) against the champion's holdout."""
    context = current()
    champion = context.registry.champion(policy.model.name)
    if champion is None:
        raise NoReferenceError(
            f"performance is the champion's, and {policy.model.name} has none; "
            "`augury models promote` makes one"
        )
    found = context.check_performance(policy, champion, end)
    return replace(found, explanation=_explained(policy, champion, end)) if found.harm else found


@flow(name=MONITOR)
def monitor(policy: PolicyName | None = None, at: Moment | None = None) -> int:
    """Check a monitoring policy, or all of the project's, and give how many alerts there were.

    The window ends at `at` (ms); without it at the newest of the policy's ends that the log's clock has
    passed. A window checked again has the same rows in `model_performance_monitor` and the same alerts. One
    that was judged and alarms nobody resolves the alerts that are open. Where all are checked, those of
    models without a champion, or without a holdout, are passed over and named on the run's page; a policy
    that is named fails the run then.
    """
    context = current()
    chosen = [p for p in context.monitoring_policies if policy in (None, p.name)]
    if not chosen:
        known = ", ".join(p.name for p in context.monitoring_policies) or "it has none"
        raise LookupError(f"a monitoring policy is one of the project's ({known}); none is called {policy!r}")
    clock = context.clock() if at is None else at
    await_warehouse(clock)
    sent, facts = 0, dict[str, str]()
    for one, found in looks(chosen, clock, at, look, facts, named=policy is not None):
        alerts = [alert.record for alert in found.alerts()]
        for alert in alerts:
            send(alert)
        raised = {incident(alert) for alert in alerts}
        if found.judged:
            ended = {f"{kind}/{one.name}/{one.model.name}" for kind in (PERFORMANCE, SEGMENTS)} - raised
            for over in sorted(ended):
                clear(over, f"the window to {found.watched.end} ms is within the policy", found.watched.end)
        sent += len(alerts)
        facts[one.name] = ", ".join(sorted(raised)) or _said(found)
    show(MONITOR, "Performance", facts)
    return sent


def _explained(policy: MonitoringPolicy, champion: ModelVersion, end: int) -> dict[str, Any]:
    """Tell which of the model's features drifted meanwhile, the most first, and what they look like."""
    drifted, frozen = list[Finding](), set[str]()
    for watched in (p for p in current().drift_policies if p.model.name == policy.model.name):
        with suppress(NoReferenceError):
            report = current().check_drift(watched, champion, window_end(watched, end))
            drifted += report.drifted
            frozen.update(report.frozen)
    drifted.sort(key=lambda f: -f.psi)
    features = [{"feature": f.reference.feature, "psi": f.psi, "causes": f.causes} for f in drifted]
    looks_like = BROKEN if frozen or any(broken(f.causes) for f in drifted) else CHANGED
    told = {"features": features, "looks_like": looks_like, "frozen": sorted(frozen)}
    return told if drifted or frozen else {}


def _said(found: Performance) -> str:
    whole = [row for row in found.rows if not row.segment_by and row.value is not None]
    told = [f"{found.policy.metric} {row.basis} {row.value:.4g} of {row.units}" for row in whole]
    return ", ".join(told) or "no labels came and nothing was asked"
