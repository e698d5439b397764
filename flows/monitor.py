"""The flow that watches performance: each policy's newest window, and an alert where there is harm."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
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
from flows.steps import RETRIED, show, show_drawn
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
    passed, and those that nobody has looked at are made up for: the newest alert of each kind is sent. A
    window checked again has the same rows in `model_performance_monitor` and the same alerts. One
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
    for one, windows in looks(chosen, clock, at, look, facts, named=policy is not None):
        newest = windows[-1]
        newest_of = {alert.kind: alert for window in windows for alert in window.alerts()}
        alerts = sorted(newest_of.values(), key=lambda alert: alert.at)  # no later one stands for an earlier
        for alert in alerts:
            send(alert.record)
        raised = {incident(alert.record) for alert in newest.alerts()}
        if newest.judged:
            ended = {f"{kind}/{one.name}/{one.model.name}" for kind in (PERFORMANCE, SEGMENTS)} - raised
            end = newest.watched.end
            for over in sorted(ended):
                clear(over, f"the window to {end} ms is within the policy", end)
        sent += len(alerts)
        facts[one.name] = ", ".join(sorted(raised)) or _said(newest)
        if len(windows) > 1:
            facts[f"{one.name}, before"] = f"{len(windows) - 1} windows were made up for"
        draw = partial(context.pictures.performance, one.name, one.model.name)
        show_drawn(f"performance-picture-{one.name}", f"{one.name}, by window", draw)
    show(MONITOR, "Performance", facts)
    return sent


def _explained(policy: MonitoringPolicy, champion: ModelVersion, end: int) -> dict[str, Any]:
    """Tell which of the model's features drifted meanwhile, the most first, and what that looks like.

    Groups that nobody watches are looked at too, where harm could set something off. One that the model
    reads, or that is watched for it, is broken where its pipeline stands still.
    """
    drifted, frozen = list[tuple[str, Finding]](), set[str]()
    context = current()
    watching = context.project.watching(policy.model.name)
    for watched in watching:
        with suppress(NoReferenceError):
            report = context.check_drift(watched, champion, window_end(watched, end))
            drifted += [(watched.vector_name(f.reference.feature), f) for f in report.drifted]
            frozen.update(report.frozen)
    drifted.sort(key=lambda found: -found[1].psi)
    features = [{"feature": name, "psi": f.psi, "causes": f.causes} for name, f in drifted]
    read = {g.label for g in context.project.model_plans[policy.model.name].groups}
    read |= {p.group.label for p in watching if p.group is not None}
    stalled = sorted(read.intersection(context.stalled_groups()))
    spoilt = frozen or stalled or any(broken(f.causes) for _, f in drifted)
    told = {"features": features, "looks_like": BROKEN if spoilt else CHANGED}
    told |= {"frozen": sorted(frozen), "stalled": stalled}
    return told if drifted or frozen or stalled else {}


def _said(found: Performance) -> str:
    whole = [row for row in found.rows if not row.segment_by and row.value is not None]
    told = [f"{found.policy.metric} {row.basis} {row.value:.4g} of {row.units}" for row in whole]
    return ", ".join(told) or "no labels came and nothing was asked"
