"""The trial of a challenger: the verdict on its units."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from features.evaluation import ASYMPTOTIC, E_PROCESS, SPLIT, EvaluationPolicy
from flows.course import MISMATCH_LIMIT, Course, follow
from flows.evidence import Evidence
from flows.ratio import RATIO_ALPHA
from flows.units import Unit

_POINTS = 100


class Decision(StrEnum):
    """What a look at a trial decides."""

    PROMOTE = "promote"
    REJECT = "reject"
    STOP = "stop"
    CONTINUE = "continue"


class Rule(StrEnum):
    """What a decision is made by."""

    RATIO = "sample ratio"
    BETTER = "better"
    WORSE = "worse"
    GUARD = "guard"
    SEGMENT = "segment"
    LENGTH = "length"
    NONE = "none"


@dataclass(frozen=True)
class Verdict:
    """The decision, the rule that made it, and all that it rests on.

    `n_units` labelled units were used, up to and with the one that decided. There `estimate` is of `what`,
    `lower` and `upper` bound it, each with an error of alpha; `e_value` is the evidence that it is above
    `target`, `e_value_worse` that it is below, `ratio_e_value` that units do not go where they should.
    `checks` has the lower bound of each guard and segment that was judged. `course` has the estimate and its
    bounds after so many units, at most `_POINTS` of them.

    Requests without a prediction that they should have (`n_mismatched`), and answered ones without a label
    (`n_unlabelled`), are counted over the whole look.
    """

    decision: Decision
    rule: Rule
    reason: str
    what: str
    target: float
    estimate: float
    lower: float
    upper: float
    e_value: float
    e_value_worse: float
    ratio_e_value: float
    n_units: int
    n_challenger: int
    n_discordant: int
    wins: int
    losses: int
    n_requests: int
    n_mismatched: int
    n_unlabelled: int
    checks: Mapping[str, float] = field(default_factory=dict)
    course: Sequence[tuple[int, float, float, float]] = ()


def judge(units: Sequence[Unit], policy: EvaluationPolicy) -> Verdict:
    """Judge a trial by its units, which stand in order of assignment with their label windows closed.

    The first unit at which a rule is met decides, so a later look at a longer sequence says the same:
    - stop: the evidence against the sample ratio has reached 1/`RATIO_ALPHA`. The units are not what they
      were said to be, so nothing can be concluded from them.
    - promote: `min_units` are in (of either variant in split traffic), the evidence that the challenger is
      better has reached 1/alpha, and each guard and segment is shown to be worse by less than its margin.
      Each of these claims is wrong with a probability of at most alpha, so a promotion that breaks any of
      them is no likelier (an intersection-union test, Berger 1982).
    - reject: the evidence that it is not better has reached 1/alpha, or 1/beta for a sequential probability
      ratio test; a guard or a segment is shown to be worse by more than its margin; or `max_units` are in. A
      method that is asymptotic rejects nothing before `min_units`.
    """
    return conclude(units, policy, follow(units, policy))


def conclude(units: Sequence[Unit], policy: EvaluationPolicy, went: Course) -> Verdict:
    """Judge a trial by the course it took; see `judge`."""
    found, n = went.evidence, len(went.labelled)
    level = -math.log(policy.alpha)
    against = level if policy.sprt is None else -math.log(policy.sprt.beta)
    enough = went.labelled.least >= policy.min_units
    begun = enough if policy.weighed_by == ASYMPTOTIC else np.ones_like(enough)
    better = enough & (found.log_better >= level)
    rules = [(Rule.WORSE, begun & (found.log_worse >= against))]
    for check in went.checks:
        better &= ~check.judged | (check.lower > -check.margin)
        rule = Rule.SEGMENT if check.segment else Rule.GUARD
        rules.append((rule, enough & check.judged & (check.upper < -check.margin)))
    rules = [(Rule.BETTER, better), *rules, (Rule.LENGTH, np.arange(1, n + 1) >= policy.max_units)]
    first, rule = min(((_first(met), rule) for rule, met in rules), key=lambda pair: pair[0])
    stops = _first(went.ratio >= -math.log(RATIO_ALPHA))
    if stops < len(units) and (first == n or stops <= went.places[first]):
        used, rule = int(np.searchsorted(went.places, stops, side="right")), Rule.RATIO
    elif first < n:
        used = first + 1
    else:
        used, rule = n, Rule.NONE
    return _verdict(units, policy, went, used, rule, stops)


def _first(met: NDArray[np.bool_]) -> int:
    places = np.flatnonzero(met)
    return int(places[0]) if places.size else len(met)


_DECISIONS = {Rule.RATIO: Decision.STOP, Rule.BETTER: Decision.PROMOTE, Rule.NONE: Decision.CONTINUE}


def _verdict(
    units: Sequence[Unit], policy: EvaluationPolicy, went: Course, used: int, rule: Rule, stops: int
) -> Verdict:
    found, last = went.evidence, used - 1
    wins, losses = went.discordant(policy.decision_threshold, used)
    assigned = went.labelled.assigned
    ratio = went.ratio[min(stops, len(units) - 1)] if len(units) else 0.0
    checks = {c.name: float(c.lower[last]) for c in went.checks if used and c.judged[last]}
    lower, upper = (float(b[0]) for b in found.bounds(slice(last, used))) if used else (-math.inf, math.inf)
    verdict = Verdict(
        decision=_DECISIONS.get(rule, Decision.REJECT),
        rule=rule,
        reason="",
        what=found.what,
        target=found.target,
        estimate=float(found.estimate[last]) if used else 0.0,
        lower=lower,
        upper=upper,
        e_value=_exp(found.log_better[last]) if used else 1.0,
        e_value_worse=_exp(found.log_worse[last]) if used else 1.0,
        ratio_e_value=_exp(ratio),
        n_units=used,
        n_challenger=used if assigned is None else int(assigned[:used].sum()),
        n_discordant=wins + losses,
        wins=wins,
        losses=losses,
        n_requests=len(units),
        n_mismatched=_mismatched(units, policy),
        n_unlabelled=sum(u.answered and u.label is None for u in units),
        checks=checks,
        course=_course(found, used),
    )
    return replace(verdict, reason=_reason(policy, went, verdict))


def _course(found: Evidence, used: int) -> list[tuple[int, float, float, float]]:
    """Thin a confidence sequence out, and leave out what has no bounds yet."""
    if not used:
        return []
    step = -(-used // _POINTS)
    at = slice((used - 1) % step, used, step)  # with the last one
    lower, upper = found.bounds(at)
    kept = np.isfinite(lower) & np.isfinite(upper)
    units, rows = np.arange(1, used + 1)[at][kept], np.stack([found.estimate[at], lower, upper])[:, kept]
    thinned = np.char.mod("%.6g", rows).astype(np.float64).T.tolist()
    return [(n, *row) for n, row in zip(units.tolist(), thinned, strict=True)]


def _mismatched(units: Sequence[Unit], policy: EvaluationPolicy) -> int:
    if policy.mode == SPLIT:
        return sum(not u.answered for u in units)
    return sum((u.champion is None) != (u.challenger is None) for u in units)


def _reason(policy: EvaluationPolicy, went: Course, verdict: Verdict) -> str:
    state = (
        f"{verdict.wins} of {verdict.n_discordant} discordant pairs went to the challenger"
        if policy.weighed_by == E_PROCESS
        else f"{verdict.what} is {verdict.estimate:.4g}, from {verdict.lower:.4g} to {verdict.upper:.4g}"
    )
    if verdict.rule is Rule.RATIO and policy.mode == SPLIT:
        assigned = went.labelled.assigned
        share = 0.0 if assigned is None or not len(assigned) else float(assigned.mean())
        return (
            f"the challenger has a share of {policy.share:.3g} of the units, and of those with a label "
            f"(found {share:.3g} of {verdict.n_units} of these); the trial cannot be judged"
        )
    if verdict.rule is Rule.RATIO:
        return (
            f"both models must answer the same requests, at most {MISMATCH_LIMIT:.0%} may lack one answer "
            f"(found {verdict.n_mismatched} of {verdict.n_requests}); the trial cannot be judged"
        )
    if verdict.rule is Rule.BETTER:
        kept = f", and none of {len(verdict.checks)} guards and segments is worse" if verdict.checks else ""
        return f"{state}: evidence for it has reached 1/{policy.alpha:g}{kept}"
    if verdict.rule is Rule.WORSE:
        level = policy.alpha if policy.sprt is None else policy.sprt.beta
        return f"{state}: evidence against it has reached 1/{level:g}"
    if verdict.rule in (Rule.GUARD, Rule.SEGMENT):
        last = verdict.n_units - 1
        worse = [
            f"{c.name} by {-c.estimate[last]:.4g} where {c.margin:g} is allowed"
            for c in went.checks
            if c.judged[last] and c.upper[last] < -c.margin
        ]
        return f"{state}, but it is worse in {'; '.join(worse)}"
    if verdict.rule is Rule.LENGTH:
        return f"{state}: not enough to promote after the trial's {policy.max_units} units"
    return f"{state}: no rule is met yet"


def _exp(log_value: float) -> float:
    return math.exp(min(float(log_value), 700.0))
