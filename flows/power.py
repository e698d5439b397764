"""Power and length of a trial before it starts, by simulating the evidence that it will be judged by.

The evidence of each method is followed along paths of the running sum: normal ones of a stated mean and
deviation, or for methods that count, binomial ones. It is looked at on a grid, so power is a little
understated. All paths begin from one seed, so that effects can be compared.
"""

import math
from dataclasses import dataclass

import numpy as np

from features.evaluation import (
    BERNSTEIN,
    E_PROCESS,
    LEAST_OBSERVATIONS,
    SPLIT,
    SPRT,
    EvaluationPolicy,
)
from flows.eprocess import log_e_value
from flows.evidence import exact_rho, tuned
from flows.improvement import Array, widest
from flows.sequences import best_rho, log_gamma_exponential_mixture, log_normal_mixture
from flows.sprt import log_likelihood_ratio

GOOD_POWER = 0.8
"""The power with which an effect counts as detectable."""
_WIDEST = 16
_PATHS, _LOOKS, _HALVINGS, _SEED = 400, 250, 8, 20_240_229


@dataclass(frozen=True)
class Spread:
    """How observations, of which `per` units make one, vary: by the `deviation` of their improvement.

    For methods that count, `discordant` is the share of units on which one model alone is right.
    """

    deviation: float
    discordant: float
    per: int = 1


@dataclass(frozen=True)
class Outlook:
    """What a trial would come to if the challenger's improvement were `effect`.

    `power` is the chance of a promotion by the metric within `max_units`, guards and segments aside; `units`
    the expected number of labelled units to a decision, whichever.
    """

    effect: float
    power: float
    units: float


def outlook(policy: EvaluationPolicy, spread: Spread, effect: float) -> Outlook:
    """Simulate trials of one effect."""
    units = _grid(policy, spread)
    better, worse = _evidence(policy, spread, effect, units)
    level = -math.log(policy.alpha)
    against = level if policy.sprt is None else -math.log(policy.sprt.beta)
    # in split traffic the smaller variant must have its units
    least = policy.min_units / (policy.share if policy.mode == SPLIT else 1.0)
    won, lost = (better >= level) & (units >= least), worse >= against
    first_won, first_lost = (np.where(met.any(1), met.argmax(1), len(units)) for met in (won, lost))
    ended = np.append(units, policy.max_units)[np.minimum(first_won, first_lost)]
    return Outlook(
        effect, float(((first_won < len(units)) & (first_won <= first_lost)).mean()), float(ended.mean())
    )


def detectable(policy: EvaluationPolicy, spread: Spread) -> Outlook | None:
    """Give the least effect whose power is `GOOD_POWER`; None where no effect that there can be has it."""
    low, most = policy.minimum_improvement, _most(policy, spread)
    width = spread.deviation if most == math.inf else math.sqrt(spread.discordant)
    high = low + 4 * width / math.sqrt(max(policy.max_units // spread.per, 1))
    while (found := outlook(policy, spread, min(high, most))).power < GOOD_POWER:
        if high >= min(most, low + _WIDEST * width):
            return None
        high = low + 2 * (high - low)
    high = found.effect
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tried = outlook(policy, spread, middle)
        if tried.power >= GOOD_POWER:
            high, found = middle, tried
        else:
            low = middle
    return found


def expected_effect(policy: EvaluationPolicy, spread: Spread) -> float | None:
    """Give the effect that the policy says is worth finding; that of p1 for a probability ratio test."""
    if policy.effect is not None or policy.sprt is None:
        return policy.effect
    if policy.mode == SPLIT:
        return policy.sprt.p1 - policy.sprt.p0
    return spread.discordant * (2 * policy.sprt.p1 - 1)


def _most(policy: EvaluationPolicy, spread: Spread) -> float:
    if policy.weighed_by not in (E_PROCESS, SPRT):
        return math.inf
    return 1 - policy.sprt.p0 if policy.sprt is not None and policy.mode == SPLIT else spread.discordant


def _grid(policy: EvaluationPolicy, spread: Spread) -> Array:
    """Give the numbers of units at which paths are looked at, more of them early."""
    steps = np.square(np.linspace(0, 1, _LOOKS + 1)[1:]) * (policy.max_units // spread.per)
    return np.unique(np.ceil(steps)) * spread.per


def _evidence(policy: EvaluationPolicy, spread: Spread, effect: float, units: Array) -> tuple[Array, Array]:
    rng, n = np.random.default_rng(_SEED), units / spread.per
    steps = np.diff(n, prepend=0.0)
    method = policy.weighed_by
    if method in (E_PROCESS, SPRT):
        chance, share = _chance(policy, spread, effect)
        counted = rng.binomial(steps.astype(np.int64), share, (_PATHS, len(n)))
        wins = rng.binomial(counted, chance).cumsum(1).astype(np.float64)
        losses = counted.cumsum(1) - wins
        if policy.sprt is None:
            return log_e_value(wins, losses), log_e_value(losses, wins)
        ratio = log_likelihood_ratio(wins, losses, policy.sprt.p0, policy.sprt.p1)
        return ratio, -ratio
    beyond = effect - policy.minimum_improvement
    walk = (rng.normal(size=(_PATHS, len(n))) * np.sqrt(steps)).cumsum(1)
    total, time = beyond * n + spread.deviation * walk, np.broadcast_to(n * spread.deviation**2, walk.shape)
    if method == BERNSTEIN:
        c, rho = widest(policy.metric, policy), exact_rho(policy)
        return (
            log_gamma_exponential_mixture(total, time, rho, c),
            log_gamma_exponential_mixture(-total, time, rho, c),
        )
    rho = best_rho(tuned(policy) / spread.per, policy.alpha)
    begun = n >= LEAST_OBSERVATIONS
    scale = max(spread.deviation, 1e-300)
    return (
        np.where(begun, log_normal_mixture(total / scale, n, rho), 0.0),
        np.where(begun, log_normal_mixture(-total / scale, n, rho), 0.0),
    )


def _chance(policy: EvaluationPolicy, spread: Spread, effect: float) -> tuple[float, float]:
    """Give the chance of a win of a unit that counts, and the share of units that do."""
    if policy.sprt is not None and policy.mode == SPLIT:
        return min(policy.sprt.p0 + effect, 1.0), policy.share
    if not spread.discordant:
        return 0.5, 0.0
    return min(max((1 + effect / spread.discordant) / 2, 0.0), 1.0), spread.discordant
