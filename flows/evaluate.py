"""The flows of a trial: planned, started, looked at, ended by a promotion, a canary or a rejection."""

from dataclasses import asdict
from typing import Any

from prefect import flow, task
from prefect.logging import get_run_logger

from features.evaluation import SPLIT
from features.policies import CanaryPolicy
from flows.context import current
from flows.ledger import Ledger, settle
from flows.parameters import ModelName, Moment, Version
from flows.picture import draw
from flows.planning import Plan, facts, planned
from flows.record import record
from flows.retrain import await_warehouse, publish_changes
from flows.steps import RETRIED, show, show_picture
from flows.trial import Decision, Verdict, judge
from flows.triggers import EVALUATE, EVALUATION, START_TRIAL
from flows.units import read_assignments
from inference.registry import ConflictError, ModelStatus


@task(**RETRIED)
def find_standing(model_name: str) -> tuple[int | None, int | None]:
    """Give the champion's version, and the one on trial."""
    registry = current().registry
    champion = registry.champion(model_name)
    return None if champion is None else champion.version, registry.serving_config(model_name).on_trial


@task(**RETRIED)
def find_waiting(model_name: str, champion: int) -> int | None:
    """Give the newest version that came after the champion and is not yet judged, if there is one."""
    candidates = (ModelStatus.STAGING, ModelStatus.CHALLENGER)
    versions = current().registry.versions(model_name)
    return max((v.version for v in versions if v.status in candidates and v.version > champion), default=None)


@task(**RETRIED)
def open_trial(model_name: str, version: int, why: str, plan: Plan | None) -> str:
    """Make a version the challenger as its policy says, or say why it cannot be now."""
    context, registry = current(), current().registry
    policy = context.evaluation_policy(model_name)
    if plan is None or registry.champion(model_name) is None:
        return "there is no champion to compare with; a first version is promoted by hand"
    try:
        share = policy.share if policy.mode == SPLIT else None
        registry.start_trial(
            model_name, version, by=EVALUATION, why=why, share=share, evidence={"plan": asdict(plan)}
        )
    except ConflictError as conflict:
        return str(conflict)
    return "on trial"


@task(**RETRIED)
def plan_trial(model_name: str) -> Plan | None:
    """Plan a trial of a model from its champion's recent units; None without a champion."""
    context = current()
    policy = context.evaluation_policy(model_name)
    return planned(context.query, context.registry, policy, context.clock())


@task(**RETRIED)
def look(model_name: str, champion: int, version: int, until: int) -> tuple[Verdict, Ledger]:
    """Judge the trial by the units whose label windows had closed at `until` (ms)."""
    context = current()
    policy = context.evaluation_policy(model_name)
    assignments = read_assignments(
        context.query,
        model_name,
        champion=champion,
        challenger=version,
        mode=policy.mode,
        until=until,
        grace=policy.look_every_ms,
        segments=policy.segments,
    )
    units, ledger = settle(assignments, policy, until)
    return judge(units, policy), ledger


@task(**RETRIED)
def conclude(model_name: str, version: int, verdict: Verdict, ledger: Ledger) -> str:
    """Act on a verdict and say what came of it; the record of the trial is the decision's evidence.

    Where the model has a canary policy, a winner begins one.
    """
    context, registry = current(), current().registry
    canary = context.policy(CanaryPolicy, model_name)
    evidence = record(context.evaluation_policy(model_name), verdict, ledger)
    decided: dict[str, Any] = {"by": EVALUATION, "why": verdict.reason, "evidence": evidence}
    try:
        if verdict.decision is Decision.PROMOTE and canary is not None:
            registry.canaries.begin(model_name, version, canary.steps[0], **decided)
            return f"begins a canary with a share of {canary.steps[0]:g}"
        if verdict.decision is Decision.PROMOTE:
            registry.promote(model_name, version, **decided)
        elif verdict.decision in (Decision.REJECT, Decision.STOP):
            registry.reject(model_name, version, **decided)
    except ConflictError as conflict:
        return str(conflict)
    return {
        Decision.PROMOTE: "promoted",
        Decision.REJECT: "rejected",
        Decision.STOP: "stopped",
        Decision.CONTINUE: "goes on",
    }[verdict.decision]


@flow(name=START_TRIAL)
def start_trial(model_name: ModelName, version: Version | None) -> str:
    """Put a registered version on trial against the champion, as its policy says; give what came of it.

    Where another trial is on, it waits in `staging` until that one ends. None stands for the version that
    waits, if there is one.
    """
    if version is None:
        outcome = _start_waiting(model_name)
    else:
        outcome = _open(model_name, version, "registered by retraining")
    publish_changes()
    show(
        f"trial-{model_name}",
        f"Trial of {model_name}",
        {"version": version or "the one that waits", "outcome": outcome},
    )
    return outcome


@flow(name=EVALUATE)
def evaluate(model_name: ModelName, version: Version, until: Moment) -> str:
    """Look at the trial of a version at `until` (ms on the log's clock); give what came of it.

    A run for a trial that is over decides nothing, but finishes what a run that died left undone: it
    publishes the decision, and starts the trial that waits.
    """
    champion, on_trial = find_standing(model_name)
    if on_trial == version and champion is not None:
        await_warehouse(until)
        verdict, ledger = look(model_name, champion, version, until)
        outcome = conclude(model_name, version, verdict, ledger)
        get_run_logger().info("%s version %s: %s: %s", model_name, version, outcome, verdict.reason)
        title = f"Trial of {model_name} version {version}"
        told = {**asdict(verdict), **asdict(ledger)}
        del told["course"]
        show(f"trial-{model_name}", title, {"champion": champion, "outcome": outcome, **told})
        picture = draw(verdict.course, verdict.target, verdict.what, title)
        show_picture(f"trial-picture-{model_name}", title, picture)
    else:
        outcome = "its trial is not on"
        show(f"no-trial-{model_name}", f"Trial of {model_name} version {version}", {"outcome": outcome})
    _start_waiting(model_name)
    publish_changes()
    return outcome


def _open(model_name: str, version: int, why: str) -> str:
    """Start a trial with a plan of it, which stays with the event and on the run's page."""
    found = plan_trial(model_name)
    outcome = open_trial(model_name, version, why, found)
    if found is not None and outcome == "on trial":
        show(f"trial-plan-{model_name}", f"Plan of the trial of {model_name} version {version}", facts(found))
    return outcome


def _start_waiting(model_name: str) -> str:
    """Start the trial of the newest version that came after the champion and is not yet judged."""
    champion, on_trial = find_standing(model_name)
    if champion is None or on_trial is not None:
        return "none can start: there is no champion, or a trial is on"
    waiting = find_waiting(model_name, champion)
    if waiting is None:
        return "none waits"
    return f"version {waiting}: {_open(model_name, waiting, 'the trial before it has ended')}"
