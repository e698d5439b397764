"""The flow of canaries: each is looked at, and grows, is promoted, holds or is rolled back."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from prefect import flow, task

from features.alerts import Alert, Playbook
from features.evaluation import EvaluationPolicy
from features.policies import CanaryPolicy, Policy
from flows.alerting import clear, send
from flows.context import current
from flows.looks import interval
from flows.parameters import ModelName
from flows.retrain import await_warehouse, publish_changes
from flows.rollout import Look, Step
from flows.steps import RETRIED, show
from inference.registry import Canary, ConflictError

NAME = "canary"
"""The flow's name, who decides, and the kind of its alerts."""


def intervals(policies: Iterable[Policy]) -> dict[str, int]:
    """Give how often (ms) the flow runs by itself: as often as the policy that looks the most; by flow."""
    return interval(NAME, (p.look_ms for p in policies if isinstance(p, CanaryPolicy)))


@task(**RETRIED)
def look(policy: CanaryPolicy, on: Canary) -> Look | None:
    """Take the newest look that is due, if there is one."""
    context = current()
    champion = context.registry.champion(on.model_name)
    judged_by = context.policy(EvaluationPolicy, on.model_name)
    return None if champion is None else context.look_at_canary(policy, judged_by, on, champion.version)


@task(**RETRIED)
def act(on: Canary, found: Look) -> str:
    """Do what a look decided, and say what came of it."""
    registry = current().registry
    decided: dict[str, Any] = {"by": NAME, "why": found.reason, "evidence": asdict(found)}
    try:
        if found.step is Step.ROLL_BACK:
            registry.reject(on.model_name, on.version, **decided)
        elif found.step is Step.PROMOTE:
            registry.promote(on.model_name, on.version, **decided)
        elif found.step is Step.GROW and found.grows_to is not None:
            registry.canaries.grow(on, found.grows_to, **decided)
    except ConflictError as conflict:
        return str(conflict)
    return {
        Step.ROLL_BACK: "rolled back",
        Step.PROMOTE: "promoted",
        Step.GROW: f"has a share of {found.grows_to} now",
        Step.HOLD: "holds",
    }[found.step]


@flow(name=NAME)
def canary(model_name: ModelName | None = None) -> dict[str, str]:
    """Look at the canary of a model, or of each that has a policy; give what came of it, by model.

    A run that was killed is run again: the alert of a rollback has the id of its step and goes before it, and
    what has happened to the canary since makes the look a later one, or none.
    """
    context = current()
    chosen = [p for p in context.canary_policies if model_name in (None, p.model.name)]
    if not chosen:
        known = ", ".join(p.model.name for p in context.canary_policies) or "it has none"
        raise LookupError(
            f"a canary is of a model with a canary policy ({known}); {model_name!r} has none, so nothing "
            "was looked at"
        )
    on = {p.model.name: context.registry.canaries.on(p.model.name) for p in chosen}
    if any(on.values()):
        await_warehouse(context.clock())
    outcomes = {p.model.name: _step(p, on[p.model.name]) for p in chosen}
    publish_changes()
    show(NAME, "Canaries", outcomes)
    return outcomes


def _step(policy: CanaryPolicy, on: Canary | None) -> str:
    if on is None:
        return "no canary is on"
    found = look(policy, on)
    if found is None:
        return f"version {on.version} has a share of {on.share:g}; no look is due"
    if found.step is Step.ROLL_BACK:
        send(_alert(policy, on, found).record)
    outcome = act(on, found)
    if found.step is Step.PROMOTE:
        over = f"version {on.version} took over without harm"
        clear(f"{NAME}/{policy.name}/{on.model_name}", over, found.traffic.until)
    return f"version {on.version} {outcome}: {found.reason}"


def _alert(policy: CanaryPolicy, on: Canary, found: Look) -> Alert:
    return Alert(
        alert_id=f"{policy.name}/v{on.version}/{on.since}",
        policy=policy.name,
        kind=NAME,
        subject=on.model_name,
        severity="critical",
        evidence={
            "model_version": on.version,
            "window_start": found.traffic.begun,
            "alpha": policy.alpha,
            **asdict(found),
        },
        at=found.traffic.until,
        playbook=Playbook.CANARY,
        owner=policy.model.owner,
        model_name=on.model_name,
    )
