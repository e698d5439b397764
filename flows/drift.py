"""The flow that looks for drift: each policy's newest window, and an alert where it drifted."""

from collections.abc import Iterable
from functools import partial

from prefect import flow, task

from features.policies import DriftPolicy, Policy
from flows.alerting import clear, send
from flows.check import NoReferenceError, Report
from flows.context import current
from flows.looks import interval, looks
from flows.parameters import Moment, PolicyName
from flows.retrain import await_warehouse
from flows.steps import RETRIED, show, show_drawn

DRIFT = "drift"
"""The flow's name, and the kind of its alerts."""


def intervals(policies: Iterable[Policy]) -> dict[str, int]:
    """Give how often (ms) the flow runs by itself: as often as the policy that looks the most; by flow."""
    return interval(DRIFT, (p.every_ms for p in policies if isinstance(p, DriftPolicy)))


@task(**RETRIED)
def look(policy: DriftPolicy, end: int) -> Report:
    """Check the window of a policy that ends at `end` (ms) against the champion's reference."""
    context = current()
    champion = context.registry.champion(policy.model.name)
    if champion is None:
        raise NoReferenceError(
            f"drift is from what the champion was trained on, and {policy.model.name} has none; "
            "`augury models promote` makes one"
        )
    return context.check_drift(policy, champion, end)


@flow(name=DRIFT)
def drift(policy: PolicyName | None = None, at: Moment | None = None) -> int:
    """Check a policy, or all of the project's, and give how many features drifted.

    The window ends at `at` (ms); without it at the newest of the policy's ends that the log's clock has
    passed, and those that nobody has looked at are made up for: of the newest that drifted there is an alert.
    A window checked again has the same rows in `feature_drift_report` and the same alert; one in
    which nothing drifted resolves the alerts that are open, unless what was served in it was frozen. Where
    all are checked, those of models without a champion, or without a frozen reference, are passed over and
    named on the run's page; a policy that is named fails the run then.
    """
    context = current()
    chosen = [p for p in context.drift_policies if policy in (None, p.name)]
    if not chosen:
        known = ", ".join(p.name for p in context.drift_policies) or "it has none"
        raise LookupError(f"a drift policy is one of the project's ({known}); nothing is called {policy!r}")
    clock = context.clock() if at is None else at
    await_warehouse(clock)
    found, facts = 0, dict[str, str]()
    for one, reports in looks(chosen, clock, at, look, facts, named=policy is not None):
        newest = reports[-1]
        alert = next((a for a in (r.alert() for r in reversed(reports)) if a is not None), None)
        if alert is not None:
            send(alert.record)
        if newest.judged and not newest.drifted and (one.values == "rows" or not newest.frozen):
            end = newest.window.end
            clear(f"{DRIFT}/{one.name}/{newest.subject}", f"nothing drifted in the window to {end} ms", end)
        found += len(newest.drifted)
        drifted = ", ".join(f"{f.reference.feature} ({', '.join(f.causes)})" for f in newest.drifted)
        facts[one.name] = drifted or f"none of {len(newest.findings)} features drifted"
        if len(reports) > 1:
            facts[f"{one.name}, before"] = f"{len(reports) - 1} windows were made up for"
        draw = partial(context.pictures.drift, one.name, one.model.name)
        show_drawn(f"drift-picture-{one.name}", f"Drift by {one.name}, by window", draw)
    show(DRIFT, "Drift", facts)
    return found
