"""The plan of a trial: what it can find, and how long it will take, from the champion's recent units."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.evaluation import E_PROCESS, PER_BLOCK, SHADOW, SPLIT, SPRT, EvaluationPolicy
from flows.contracts import Query
from flows.improvement import Labelled, gains, improvement
from flows.ledger import settle
from flows.power import GOOD_POWER, Outlook, Spread, detectable, expected_effect, outlook
from flows.units import Assignment, Unit, read_assignments
from inference.registry import ModelStatus, Registry

RECENT_MS = 14 * 86_400_000
"""How far back the champion's units tell how many there will be."""
LEAST_UNITS = 100
"""Of fewer labelled units, or pairs, nothing is foretold."""
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Plan:
    """What a trial by a policy can find, and how long it takes.

    `units_per_day` count as a trial's would; `spread` was found from what `spread_of` says. `stated` is the
    outlook at the policy's own effect, `least` that at the least effect with a power of `GOOD_POWER`.
    `longest_days` is how long `max_units` take. Days include the label's horizon. None: it is not known.
    """

    metric: str
    method: str
    mode: str
    units_per_day: float
    spread_of: str
    spread: Spread | None
    stated: Outlook | None
    stated_days: float | None
    least: Outlook | None
    least_days: float | None
    longest_days: float | None
    warnings: tuple[str, ...]


def plan(assignments: Sequence[Assignment], policy: EvaluationPolicy, until: int) -> Plan:
    """Plan a trial from requests to the champion up to `until` (ms), with shadows of another where there are.

    They stand in order of request, and reach back `RECENT_MS` beyond the label's horizon.
    """
    if policy.mode == SPLIT:  # an entity is one unit, by its first request
        assignments = list({a.unit: a for a in reversed(assignments)}.values())[::-1]
    units, ledger = settle(assignments, policy, until)
    counted = [u for u in units if u.champion is not None and u.label is not None]
    if len(counted) < LEAST_UNITS or ledger.since is None:
        return _unknown(policy, len(counted))
    span = max(until - policy.horizon_ms - ledger.since, 1) / _DAY_MS
    spread, source = _spread(counted, policy)
    rate = len(counted) / span
    wanted = expected_effect(policy, spread)
    stated = None if wanted is None else outlook(policy, spread, wanted)
    least = detectable(policy, spread)

    def days(of: float) -> float:
        return of / rate + policy.horizon_ms / _DAY_MS

    return Plan(
        policy.metric,
        policy.weighed_by,
        policy.mode,
        rate,
        source,
        spread,
        stated,
        None if stated is None else days(stated.units),
        least,
        None if least is None else days(least.units),
        days(policy.max_units),
        tuple(_warnings(policy, stated, least, len(counted), spread)),
    )


def planned(query: Query, registry: Registry, policy: EvaluationPolicy, clock: int) -> Plan | None:
    """Plan a trial of a model from what the warehouse holds at `clock` (ms); None without a champion.

    Pairs are of the present champion and the newest version that was its challenger.
    """
    name = policy.model.name
    champion = registry.champion(name)
    if champion is None:
        return None
    tried = (ModelStatus.CHALLENGER, ModelStatus.REJECTED)
    pair = max((v.version for v in registry.versions(name) if v.status in tried), default=0)
    recent = read_assignments(
        query,
        name,
        champion=champion.version,
        challenger=pair,
        mode=SHADOW,
        until=clock,
        since=clock - policy.horizon_ms - RECENT_MS,
        grace=policy.look_every_ms,
        segments=policy.segments,
    )
    return plan(recent, policy, clock)


def facts(found: Plan) -> dict[str, str]:
    """Spell a plan for a person."""
    told = {
        "judged by": f"{found.metric} by the {found.method} method, in {found.mode} mode",
        "labelled units a day": f"{found.units_per_day:,.0f}",
        "spread": found.spread_of,
    }
    for name, at, days in (
        ("effect worth finding", found.stated, found.stated_days),
        ("least effect that is found", found.least, found.least_days),
    ):
        if at is not None and days is not None:
            told[name] = (
                f"{at.effect:.4g} with a power of {at.power:.0%}, after {at.units:,.0f} units or {days:,.1f} "
                "days on average"
            )
    if found.longest_days is not None:
        told["at the longest"] = f"{found.longest_days:,.1f} days"
    told |= {f"warning {i}": said for i, said in enumerate(found.warnings, 1)}
    return told


def _unknown(policy: EvaluationPolicy, found: int) -> Plan:
    warning = (
        f"a trial is planned from {LEAST_UNITS} recent labelled units of the champion (found {found}); its "
        "length is not known"
    )
    nothing = (None, None, None, None, None, None)
    return Plan(
        policy.metric, policy.weighed_by, policy.mode, 0.0, "too few units", *nothing, warnings=(warning,)
    )


def _spread(counted: Sequence[Unit], policy: EvaluationPolicy) -> tuple[Spread, str]:
    """Find how the improvement varies: from pairs, or of two models that err independently of each other."""
    pairs = [u for u in counted if u.challenger is not None]
    if policy.mode != SPLIT and len(pairs) >= LEAST_UNITS:
        both = _labelled(pairs, [u.challenger for u in pairs])
        running = improvement(policy.metric, policy, both)
        if running.n[-1] >= 2:
            old, new = (gains("accuracy", policy, s, both.label) for s in (both.champion, both.challenger))
            discordant = float((old != new).mean())
            return (
                Spread(float(running.deviation[-1]), discordant, running.per),
                f"{len(pairs)} pairs of the last trial",
            )
    alone = _labelled(counted, [u.champion for u in counted])
    wrong = 1 - float(gains("accuracy", policy, alone.champion, alone.label).mean())
    one, per = _own(alone, policy)
    times = 1 / policy.share + 1 / (1 - policy.share) if policy.mode == SPLIT else 2.0
    return (
        Spread(one * math.sqrt(times), 2 * wrong * (1 - wrong), per),
        f"{len(counted)} units of the champion, as if another erred independently of it",
    )


def _own(units: Labelled, policy: EvaluationPolicy) -> tuple[float, int]:
    """Give the deviation of the champion's own metric, and how many units make one observation of it."""
    if policy.metric in PER_BLOCK:  # against one that knows nothing, whose metric is nearly constant
        nothing = np.full(len(units), float(np.mean(units.label)))
        running = improvement(policy.metric, policy, Labelled(nothing, units.challenger, units.label))
        return float(running.deviation[-1]), running.per
    own = gains(policy.metric, policy, units.champion, units.label)
    scale = 2 * math.sqrt(max(-float(own.mean()), 1e-12)) if policy.metric == "rmse" else 1.0  # delta method
    return float(own.std()) / scale, 1


def _labelled(units: Sequence[Unit], challenger: Sequence[float | None]) -> Labelled:
    return Labelled(
        np.array([u.champion for u in units], dtype=np.float64),
        np.array(challenger, dtype=np.float64),
        np.array([u.label for u in units], dtype=np.float64),
    )


def _warnings(
    policy: EvaluationPolicy, stated: Outlook | None, least: Outlook | None, known: int, spread: Spread
) -> list[str]:
    said = []
    if least is None:
        said.append(
            f"a trial of {policy.max_units} units finds no effect that there can be with a power of "
            f"{GOOD_POWER:.0%}; it would end without a decision but its length"
        )
    elif stated is not None and stated.power < GOOD_POWER:
        said.append(
            f"the effect that is worth finding, {stated.effect:.4g}, is found with a power of "
            f"{stated.power:.0%} within {policy.max_units} units; "
            f"{least.effect:.4g} is the least that is with {GOOD_POWER:.0%}"
        )
    if policy.mode == SPLIT and known < policy.min_units / policy.share:
        said.append(
            f"a promotion by split traffic takes about {policy.min_units / policy.share:.0f} entities, and "
            f"{known} were seen; as long as no others come the trial goes on"
        )
    if policy.weighed_by in (E_PROCESS, SPRT) and policy.mode != SPLIT and not spread.discordant:
        said.append("the models have agreed on every unit, so nothing tells them apart")
    return said
