"""A policy's metrics as running estimates of how much better the challenger is, after each labelled unit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.evaluation import PER_BLOCK, EvaluationPolicy
from features.expressions.python import evaluator
from flows.metrics import auc, precision_of

Array = NDArray[np.float64]
LEAST_CHANCE = 0.001
"""Chances are kept this far from 0 and 1, so that a log loss is at most 6.9."""
KERNEL_WIDTH = 0.1
_TINY = 1e-12


@dataclass(frozen=True)
class Running:
    """An improvement as it stood after each labelled unit; all arrays have one length, that of the units.

    `n` counts what the estimate averages (units, or blocks that are whole), `estimate` is in the metric's
    units and positive where the challenger is better, `deviation` the standard deviation of one observation,
    which `per` units make.
    """

    n: Array
    estimate: Array
    deviation: Array
    per: int = 1

    def over(self, chosen: NDArray[np.bool_]) -> "Running":
        """Spread what was followed over the `chosen` units alone over all; before the first n is 0."""
        index = np.cumsum(chosen) - 1
        begun, last = index >= 0, np.maximum(index, 0)

        def spread(part: Array) -> Array:
            return np.where(begun, part[last], 0.0) if len(part) else np.zeros(len(chosen))

        return Running(spread(self.n), spread(self.estimate), spread(self.deviation), self.per)


@dataclass(frozen=True)
class Labelled:
    """The labelled units of a trial in order: scores, labels, and whether a unit is the challenger's.

    In shadow mode each unit has both scores and `assigned` is None. In split traffic it has the one of its
    variant; `champion` and `challenger` are then the same array.
    """

    champion: Array
    challenger: Array
    label: Array
    assigned: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.label)

    @property
    def least(self) -> Array:
        """How many units the variant with fewer had, after each; in shadow mode all are of both."""
        n = np.arange(1, len(self) + 1, dtype=np.float64)
        if self.assigned is None:
            return n
        own = np.cumsum(self.assigned)
        return np.minimum(own, n - own)

    def take(self, chosen: NDArray[np.bool_]) -> "Labelled":
        """Give the chosen units alone."""
        assigned = None if self.assigned is None else self.assigned[chosen]
        return Labelled(self.champion[chosen], self.challenger[chosen], self.label[chosen], assigned)


def gains(metric: str, policy: EvaluationPolicy, score: Array, label: Array) -> Array:
    """Give what a metric says of each unit, larger is better; of `rmse` the squared error, negated."""
    if metric == "accuracy":
        return np.asarray(((score >= policy.decision_threshold) == (label >= 0.5)).astype(np.float64))
    if metric == "log_loss":
        chance = np.clip(score, LEAST_CHANCE, 1 - LEAST_CHANCE)
        return np.asarray(np.where(label >= 0.5, np.log(chance), np.log1p(-chance)))
    if metric in ("brier", "rmse"):
        return -np.square(score - label)
    if metric == "mae":
        return -np.abs(score - label)
    worth = evaluator(policy.worth)
    rows = zip(score.tolist(), label.tolist(), (score >= policy.decision_threshold).tolist(), strict=True)
    values = (worth({"prediction": s, "label": y, "decision": d}) for s, y, d in rows)
    return np.array([0.0 if v is None else float(v) for v in values], dtype=np.float64)


def widest(metric: str, policy: EvaluationPolicy) -> float:
    """Give the width of the range of a unit's improvement, for metrics whose range is known."""
    if metric == "value" and policy.value_range is not None:
        low, high = policy.value_range
        return 2 * (high - low)
    return 2 * (-float(np.log(LEAST_CHANCE)) if metric == "log_loss" else 1.0)


def improvement(metric: str, policy: EvaluationPolicy, units: Labelled) -> Running:
    """Follow the improvement in a metric over the labelled units."""
    if metric in PER_BLOCK:
        return _blocks(metric, policy, units)
    old, new = series(metric, policy, units)
    return _roots(-old, -new) if metric == "rmse" else _mean(new - old)


def series(metric: str, policy: EvaluationPolicy, units: Labelled) -> tuple[Array, Array]:
    """Give each unit's gain by the champion and by the challenger.

    In split traffic one of them was not seen. The two are then augmented by inverse propensity: with m the
    mean gain of the variant so far and pi its share, m + 1[assigned] / pi * (gain - m). Each is unbiased
    whatever m is, and independent of where later units go (Waudby-Smith et al. 2024, section 3).
    """
    if units.assigned is None:
        return (
            gains(metric, policy, units.champion, units.label),
            gains(metric, policy, units.challenger, units.label),
        )
    seen = gains(metric, policy, units.champion, units.label)
    return (
        _augmented(seen, ~units.assigned, 1 - policy.share),
        _augmented(seen, units.assigned, policy.share),
    )


def _augmented(seen: Array, assigned: NDArray[np.bool_], share: float) -> Array:
    count, total = np.cumsum(assigned), np.cumsum(np.where(assigned, seen, 0.0))
    before = np.zeros_like(seen)
    before[1:] = total[:-1] / np.maximum(count[:-1], 1)
    return np.asarray(before + np.where(assigned, (seen - before) / share, 0.0))


def _mean(values: Array) -> Running:
    n = np.arange(1, len(values) + 1, dtype=np.float64)
    shift = values[:1].sum()  # the first value, so that squares lose no digits
    mean, square = np.cumsum(values - shift) / n, np.cumsum(np.square(values - shift)) / n
    return Running(n, mean + shift, np.sqrt(np.maximum(square - mean**2, 0.0)))


def _roots(old: Array, new: Array) -> Running:
    """Follow the difference of two root mean squares: their delta method."""
    n = np.arange(1, len(old) + 1, dtype=np.float64)
    one, other = np.cumsum(old) / n, np.cumsum(new) / n
    a, b = (0.5 / np.sqrt(np.maximum(m, _TINY)) for m in (one, other))
    square = (np.cumsum(part) / n for part in (old * old, new * new, old * new))
    oo, nn, on = square
    variance = a * a * (oo - one**2) + b * b * (nn - other**2) - 2 * a * b * (on - one * other)
    estimate = np.sqrt(np.maximum(one, 0.0)) - np.sqrt(np.maximum(other, 0.0))
    return Running(n, estimate, np.sqrt(np.maximum(variance, 0.0)))


def _blocks(metric: str, policy: EvaluationPolicy, units: Labelled) -> Running:
    """Follow the mean of blocks; one of a single class says nothing of a ranking, and is passed over."""
    size, length = policy.block, len(units)
    found, ends = [], []
    for start in range(0, length - size + 1, size):
        part = slice(start, start + size)
        label = units.label[part] >= 0.5
        if metric == "calibration_error" or 0 < label.sum() < size:
            old, new = (
                of_block(metric, policy.k, s[part], label) for s in (units.champion, units.challenger)
            )
            found.append(new - old)
            ends.append(start + size)
    n = np.searchsorted(np.array(ends, dtype=np.int64), np.arange(1, length + 1), side="right")
    nothing = np.zeros(length)
    if not found:
        return Running(nothing, nothing, nothing, size)
    blocks = _mean(np.array(found))
    last = np.maximum(n - 1, 0)
    estimate, deviation = (np.where(n > 0, part[last], 0.0) for part in (blocks.estimate, blocks.deviation))
    return Running(n.astype(np.float64), estimate, deviation, size)


def of_block(metric: str, k: int, score: Array, label: NDArray[np.bool_]) -> float:
    """Give a block's metric, larger is better.

    The AUC is Mann and Whitney's. Precision at k is the share of positives among the k highest scores, equal
    ones in proportion. The calibration error is the squared kernel calibration error, negated: the unbiased
    estimator of Widmann, Lindsten and Zachariah, "Calibration tests in multi-class classification" (NeurIPS
    2019), with the kernel exp(-|p - q| / 0.1); a binned error would be biased upwards in every block.
    """
    if metric == "auc":
        return auc(label, score)
    if metric == "precision_at_k":
        return precision_of(k, label, score)
    n, error = len(score), label - score
    kernel = np.exp(-np.abs(score[:, None] - score[None, :]) / KERNEL_WIDTH)
    products = kernel * np.outer(error, error)
    return -float((products.sum() - np.trace(products)) / (n * (n - 1)))
