"""What a trial's labelled units say by one method, after each of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.evaluation import BERNSTEIN, E_PROCESS, LEAST_OBSERVATIONS, SHADOW, SPRT, EvaluationPolicy
from flows.eprocess import log_e_value, win_share_bounds
from flows.improvement import Array, Labelled, Running, improvement, series, widest
from flows.sequences import (
    best_rho,
    gamma_exponential_bound,
    log_gamma_exponential_mixture,
    log_normal_mixture,
    normal_mixture_bound,
)
from flows.sprt import log_likelihood_ratio

_PART = 10
"""An exact sequence is tuned to observations whose deviation is this part of their range."""


Bounds = Callable[[slice], tuple[Array, Array]]


@dataclass(frozen=True)
class Evidence:
    """A confidence sequence of `what`, after each labelled unit, and the evidence behind it.

    `bounds` gives the lower and the upper bounds of a range of moments; each holds at all moments at once
    with an error of alpha. The challenger is better where `what` is above `target`. `log_better` is the
    evidence that it is, `log_worse` that it is not.
    """

    what: str
    target: float
    estimate: Array
    bounds: Bounds
    log_better: Array
    log_worse: Array


def primary(policy: EvaluationPolicy, units: Labelled) -> Evidence:
    """Weigh the policy's own metric by its method."""
    method = policy.weighed_by
    if method in (E_PROCESS, SPRT):
        return _of_chance(policy, *_counts(policy, units))
    if method == BERNSTEIN:
        old, new = series(policy.metric, policy, units)
        return exact(policy, new - old)
    return asymptotic(
        policy, improvement(policy.metric, policy, units), policy.metric, policy.minimum_improvement
    )


def asymptotic(policy: EvaluationPolicy, running: Running, metric: str, target: float) -> Evidence:
    """Weigh a running improvement by the asymptotic confidence sequence."""
    rho = best_rho(tuned(policy) / running.per, policy.alpha)
    begun = running.n >= LEAST_OBSERVATIONS  # before, a deviation is hardly known
    n, scale = np.maximum(running.n, 1.0), np.maximum(running.deviation, 1e-300)
    total = np.clip((running.estimate - target) * n / scale, -1e100, 1e100)

    def bounds(at: slice) -> tuple[Array, Array]:
        radius = running.deviation[at] * normal_mixture_bound(n[at], policy.alpha, rho) / n[at]
        radius = np.where(begun[at], radius, np.inf)
        return running.estimate[at] - radius, running.estimate[at] + radius

    return Evidence(
        f"improvement in {metric}",
        target,
        running.estimate,
        bounds,
        np.where(begun, log_normal_mixture(total, n, rho), 0.0),
        np.where(begun, log_normal_mixture(-total, n, rho), 0.0),
    )


def tuned(policy: EvaluationPolicy) -> float:
    """Give the number of units at which bounds are about the tightest."""
    return math.sqrt(policy.min_units * policy.max_units)


def exact_rho(policy: EvaluationPolicy) -> float:
    """Give the parameter of an exact sequence whose bounds are about the tightest for such observations."""
    return best_rho(tuned(policy) * (widest(policy.metric, policy) / _PART) ** 2, policy.alpha)


def exact(policy: EvaluationPolicy, difference: Array) -> Evidence:
    """Weigh units' differences, whose range is known, by the empirical Bernstein confidence sequence."""
    c, n = widest(policy.metric, policy), np.arange(1, len(difference) + 1, dtype=np.float64)
    total = np.cumsum(difference)
    predicted = np.zeros_like(difference)
    predicted[1:] = total[:-1] / n[:-1]
    time = np.cumsum(np.square(difference - predicted))
    rho, target = exact_rho(policy), policy.minimum_improvement

    def bounds(at: slice) -> tuple[Array, Array]:
        bound = gamma_exponential_bound(time[at], policy.alpha, rho, c)
        return (total[at] - bound) / n[at], (total[at] + bound) / n[at]

    return Evidence(
        f"improvement in {policy.metric}",
        target,
        total / n,
        bounds,
        log_gamma_exponential_mixture(total - n * target, time, rho, c),
        log_gamma_exponential_mixture(n * target - total, time, rho, c),
    )


def _counts(policy: EvaluationPolicy, units: Labelled) -> tuple[Array, Array]:
    """Count wins and losses of discordant pairs; in split traffic, the challenger's right and wrong."""
    label = units.label >= 0.5
    old, new = ((score >= policy.decision_threshold) == label for score in (units.champion, units.challenger))
    if units.assigned is not None:
        old, new = units.assigned & ~new, units.assigned & new
    return np.cumsum(new & ~old).astype(np.float64), np.cumsum(old & ~new).astype(np.float64)


def _of_chance(policy: EvaluationPolicy, wins: Array, losses: Array) -> Evidence:
    if policy.sprt is None:
        target, better, worse = 0.5, log_e_value(wins, losses), log_e_value(losses, wins)
    else:
        target = policy.sprt.p0
        better = log_likelihood_ratio(wins, losses, policy.sprt.p0, policy.sprt.p1)
        worse = -better

    def bounds(at: slice) -> tuple[Array, Array]:
        return win_share_bounds(wins[at], losses[at], policy.alpha)

    what = "share of discordant pairs won" if policy.mode == SHADOW else "share of right answers"
    return Evidence(what, target, wins / np.maximum(wins + losses, 1), bounds, better, worse)
