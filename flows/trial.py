"""The trial of a challenger: its units, in order of assignment, and the verdict on them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from features.policies import EvaluationPolicy
from flows.eprocess import log_e_value

MISMATCH_LIMIT = 0.02
"""The largest share of a trial's requests that may lack one of the two predictions."""


class Decision(StrEnum):
    """What a look at a trial decides."""

    PROMOTE = "promote"
    REJECT = "reject"
    CONTINUE = "continue"


@dataclass(frozen=True)
class Unit:
    """One request whose label window has closed; a part that never came is None.

    Predictions are scores that are compared with the policy's threshold; the label is 0 or 1.
    """

    request_id: str
    champion: float | None
    challenger: float | None
    label: float | None


@dataclass(frozen=True)
class Verdict:
    """The decision, and all that it rests on.

    `n_units` labelled pairs were used, up to and with the one that decided; `e_value` is the evidence
    there for the challenger, `e_value_worse` for the champion. Requests with one prediction only
    (`n_mismatched`) and pairs without a label (`n_unlabelled`) are counted over the whole look.
    """

    decision: Decision
    reason: str
    e_value: float
    e_value_worse: float
    n_units: int
    n_discordant: int
    wins: int
    losses: int
    n_requests: int
    n_mismatched: int
    n_unlabelled: int


def judge(units: Sequence[Unit], policy: EvaluationPolicy) -> Verdict:
    """Judge a trial by its units, which stand in order of assignment with their label windows closed.

    The first unit at which a rule is met decides, so a later look at a longer sequence says the same:
    - promote: `min_units` are in and the evidence for the challenger has reached 1/alpha. A challenger
      that is no better is ever promoted with a probability of at most alpha, however often one looks.
    - reject: the evidence for the champion has reached 1/alpha (a better challenger is thrown out by
      this rule with a probability of at most alpha), or `max_units` are in.
    Before that, a trial in which more than `MISMATCH_LIMIT` of at least `min_units` requests have one
    prediction only is rejected: the two models did not see the same requests, so nothing can be
    concluded from them.
    """
    mismatched = sum((u.champion is None) != (u.challenger is None) for u in units)
    paired = [u for u in units if u.champion is not None and u.challenger is not None]
    labelled = [u for u in paired if u.label is not None][: policy.max_units]
    label = np.array([u.label for u in labelled], dtype=np.float64) >= 0.5
    champion = (np.array([u.champion for u in labelled], dtype=np.float64) >= policy.threshold) == label
    challenger = (np.array([u.challenger for u in labelled], dtype=np.float64) >= policy.threshold) == label
    wins = np.cumsum(challenger & ~champion)
    losses = np.cumsum(champion & ~challenger)
    better, worse = log_e_value(wins, losses), log_e_value(losses, wins)
    level = -math.log(policy.alpha)
    enough = np.arange(1, len(labelled) + 1) >= policy.min_units
    promotes = np.flatnonzero(enough & (better >= level))
    rejects = np.flatnonzero(worse >= level)
    first_promote = int(promotes[0]) if promotes.size else len(labelled)
    first_reject = int(rejects[0]) if rejects.size else len(labelled)
    used = min(len(labelled), first_promote + 1, first_reject + 1)
    n_wins, n_losses = (int(wins[used - 1]), int(losses[used - 1])) if used else (0, 0)

    def verdict(decision: Decision, reason: str) -> Verdict:
        return Verdict(
            decision=decision,
            reason=reason,
            e_value=_exp(float(log_e_value(n_wins, n_losses))),
            e_value_worse=_exp(float(log_e_value(n_losses, n_wins))),
            n_units=used,
            n_discordant=n_wins + n_losses,
            wins=n_wins,
            losses=n_losses,
            n_requests=len(units),
            n_mismatched=mismatched,
            n_unlabelled=len(paired) - sum(u.label is not None for u in paired),
        )

    pairs = f"{n_wins} of {n_wins + n_losses} discordant pairs went to the challenger"
    if len(units) >= policy.min_units and mismatched > MISMATCH_LIMIT * len(units):
        return verdict(
            Decision.REJECT,
            f"both models must answer the same requests, at most {MISMATCH_LIMIT:.0%} may lack one answer "
            f"(found {mismatched} of {len(units)}); the trial cannot be judged",
        )
    if first_promote < min(first_reject, len(labelled)):
        return verdict(Decision.PROMOTE, f"{pairs}: evidence for it has reached 1/{policy.alpha:g}")
    if first_reject < len(labelled):
        return verdict(Decision.REJECT, f"{pairs}: evidence against it has reached 1/{policy.alpha:g}")
    if len(labelled) >= policy.max_units:
        return verdict(
            Decision.REJECT, f"{pairs}: not enough to promote after the trial's {policy.max_units} units"
        )
    return verdict(Decision.CONTINUE, f"{pairs}: no rule is met yet")


def _exp(log_value: float) -> float:
    return math.exp(min(log_value, 700.0))
