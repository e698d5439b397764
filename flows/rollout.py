"""What a look at a canary decides: a pure function of the policy and of what was counted.

- Errors: the champion's rate is bounded from above by Clopper and Pearson ("The use of confidence or
  fiducial limits", Biometrika 26, 1934), and the challenger's count is tested against that bound and the
  tolerated rise by the binomial distribution, each with half of the level. Exact at every size.
- Latency: the champion's times are multiplied by `max_latency_ratio`. Where the challenger is no slower than
  that, no more of the times beyond a quantile of all are the challenger's than by chance: the median test
  (Mood, "Introduction to the theory of statistics", 1950), at the median and at the 99th percentile, by the
  hypergeometric distribution. Exact at every size, whatever the distribution.
- Harm: each variant's mean gain has an asymptotic confidence sequence (see `flows.sequences`), and the
  champion's lower bound exceeds the challenger's upper one by more than is tolerated. Of `rmse` the bounds
  are those of mean squares, and their roots are compared.

Each rule has a quarter of alpha. A step has an equal share of a rule's, and its look number j has
1/(j (j + 1)) of that, which sums up to 1 however many looks there are; harm, which runs through all steps,
needs no such sharing, for a confidence sequence holds at every look.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom, hypergeom

from features.evaluation import LEAST_OBSERVATIONS, PER_UNIT, EvaluationPolicy
from features.policies import LOOKS, CanaryPolicy
from flows.improvement import gains
from flows.sequences import best_rho, normal_mixture_bound
from inference.registry import Canary
from warehouse.canaries import QUANTILES, Side, Traffic, Variants, asked, labelled, traffic
from warehouse.client import Client

Array = NDArray[np.float64]
_RULES = 2 + len(QUANTILES)


class Step(StrEnum):
    """What becomes of a canary."""

    GROW = "grow"
    PROMOTE = "promote"
    HOLD = "hold"
    ROLL_BACK = "roll back"


@dataclass(frozen=True)
class Harm:
    """The metric by both variants' labels, larger is better, and how much worse the challenger is at least.

    `worse_at_least` is None while there are too few labels.
    """

    metric: str
    champion_units: int
    challenger_units: int
    champion: float | None
    challenger: float | None
    worse_at_least: float | None


@dataclass(frozen=True)
class Look:
    """A look's decision and all that it rests on; `grows_to` is the next share, None behind the last step."""

    step: Step
    reason: str
    share: float
    grows_to: float | None
    number: int
    traffic: Traffic
    harm: Harm | None


def look_at(
    client: Client,
    clock: Callable[[], int],
    policy: CanaryPolicy,
    judged_by: EvaluationPolicy | None,
    canary: Canary,
    champion: int,
) -> Look | None:
    """Take the newest look that is due at a canary beside a version `champion`; None before the first.

    Looks go by when requests were made, up to `clock` (ms), so a canary of which nobody asks anything waits:
    the door's own time, or in a replay that of the requests, with the log's clock as `clock`. Without an
    evaluation policy harm is not judged.
    """
    variants = Variants(canary.model_name, champion, canary.version)
    span = asked(client, variants, canary.since, clock())
    if span is None or span[1] - span[0] < policy.look_ms:
        return None
    number = (span[1] - span[0]) // policy.look_ms
    until = span[0] + number * policy.look_ms
    seen = traffic(client, variants, canary.since, span[0], until, policy.max_latency_ratio)
    harm = None
    if judged_by is not None:
        table = labelled(client, variants, canary.began, until, judged_by.horizon_ms)
        score, label = (
            np.asarray(table.column(name).to_numpy(), dtype=np.float64) for name in ("prediction", "label")
        )
        harm = weigh_harm(
            policy, judged_by, np.asarray(table.column("challenger")).astype(bool), score, label
        )
    return decide(policy, canary.share, number, seen, harm)


def decide(policy: CanaryPolicy, share: float, number: int, traffic: Traffic, harm: Harm | None) -> Look:
    """Decide at look `number` (from 1) of the step of `share`, by its traffic and by the canary's harm."""
    old, new = traffic.champion, traffic.challenger
    grows_to, least = policy.after(share), min(old.requests, new.requests)
    if broken := _broken(policy, number, traffic, harm):
        step, reason = Step.ROLL_BACK, "; ".join(broken)
    elif number < LOOKS or least < policy.min_requests:
        step = Step.HOLD
        reason = (
            f"nothing is wrong in {new.requests} answers beside the champion's {old.requests}; the step is "
            f"over behind {policy.hold} and {policy.min_requests} of each"
        )
    else:
        step = Step.PROMOTE if grows_to is None else Step.GROW
        reason = f"nothing is wrong in {new.requests} answers beside the champion's {old.requests}"
    return Look(step, f"at a share of {share:g}: {reason}", share, grows_to, number, traffic, harm)


def weigh_harm(
    policy: CanaryPolicy,
    judged_by: EvaluationPolicy,
    challenger: NDArray[np.bool_],
    score: Array,
    label: Array,
) -> Harm:
    """Compare the gains of labelled answers, whose arrays have one length and stand in order of request.

    The metric is the evaluation policy's. One of blocks needs both models' answers to the same requests, so
    the Brier score takes its place. A variant of less than `min_units` labels, or 30, is not judged.
    """
    metric = judged_by.metric if judged_by.metric in PER_UNIT else "brier"
    each = gains(metric, judged_by, score, label)
    old, new = each[~challenger], each[challenger]
    least = max(judged_by.min_units, LEAST_OBSERVATIONS)
    worse = None
    if min(len(old), len(new)) >= least:
        level = policy.alpha / _RULES / 2
        low, high = _mean(old) - _reach(old, level, least), _mean(new) + _reach(new, level, least)
        worse = _metric(metric, low) - _metric(metric, high)
    means = [_metric(metric, _mean(part)) if len(part) else None for part in (old, new)]
    return Harm(metric, len(old), len(new), means[0], means[1], worse)


def _broken(policy: CanaryPolicy, number: int, traffic: Traffic, harm: Harm | None) -> list[str]:
    level = policy.alpha / _RULES / len(policy.steps) / (number * (number + 1))
    old, new, found = traffic.champion, traffic.challenger, []
    if _errs(old, new, policy.max_error_rate_rise, level):
        found.append(
            f"{new.errors} of its {new.requests} answers are errors, where the champion has {old.errors} of "
            f"{old.requests} and a rise of {policy.max_error_rate_rise:g} is tolerated"
        )
    for i, quantile in enumerate(QUANTILES):
        if _slow(old, new, i) <= level and old.latency_ms and new.latency_ms:
            found.append(
                f"its {100 * quantile:g}th percentile of latency is {new.latency_ms[i]:.4g} ms, where the "
                f"champion has {old.latency_ms[i]:.4g} ms and {policy.max_latency_ratio:g} times as much is "
                "tolerated"
            )
    if harm is not None and harm.worse_at_least is not None and harm.worse_at_least > policy.max_harm:
        found.append(
            f"it is worse by {harm.worse_at_least:.4g} of {harm.metric} at least, in {harm.challenger_units} "
            f"labels, where {policy.max_harm:g} is tolerated"
        )
    return found


def _errs(old: Side, new: Side, rise: float, level: float) -> bool:
    if old.errors == old.requests:
        return False  # its rate may be 1
    highest = float(beta.isf(level / 2, old.errors + 1, old.requests - old.errors)) + rise
    return float(binom.sf(new.errors - 1, new.requests, min(highest, 1.0))) <= level / 2


def _slow(old: Side, new: Side, i: int) -> float:
    """Give the chance of so many slow answers of the challenger's, or more, where it is not slower."""
    beyond = old.slow[i] + new.slow[i]
    return float(hypergeom.sf(new.slow[i] - 1, old.timed + new.timed, beyond, new.timed))


def _mean(values: Array) -> float:
    return float(values.mean())


def _reach(values: Array, level: float, least: int) -> float:
    bound = normal_mixture_bound(len(values), level, best_rho(least, level))
    return float(values.std(ddof=1) * bound / len(values))


def _metric(metric: str, gain: float) -> float:
    return -math.sqrt(max(-gain, 0.0)) if metric == "rmse" else gain
