"""How well a model does while labels are missing, from its predictions alone.

Confidence-based estimation: a score's chance of a positive is what it was in the holdout, by beta
calibration (Kull, Silva Filho and Flach, AISTATS 2017), so that a model need not be calibrated; and labels
drawn by these chances have the metric that is to be expected. Of numbers the error is drawn from those of
the holdout whose predictions were alike. Both hold where what a prediction means has not changed; a change of
that is only seen in labels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from flows.metrics import metric

_DRAWS = 200
_COVERED = (2.5, 97.5)
_STEPS = 25
_EPSILON = 1e-6
_ALIKE, _FEWEST = 20, 50  # a twentieth of the holdout is alike, and so many at least

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """The expected metric of so many units, and the 95 % interval in which theirs will lie."""

    units: int
    value: float
    low: float
    high: float


def estimate(
    name: str, labels: Array, scores: Array, asked: Array, *, k: float = 0.1, seed: int = 1
) -> Estimate | None:
    """Estimate a metric of the scores `asked`, (m,), from a holdout's `labels` and `scores`, (n,).

    Each of 200 draws takes coefficients of the calibration, by their covariance, and labels by its chances:
    so the interval holds what is not known of the chances, and what is left to chance. None where there is
    nothing to learn from, or the metric has no value. The same values give the same estimate.
    """
    if not len(asked) or len(np.unique(labels)) < 2:
        return None
    random, of, found = np.random.default_rng(seed), metric(name, k), []
    coefficients, covariance = _calibration(labels, scores)
    terms = _terms(asked)
    for drawn in random.multivariate_normal(coefficients, covariance, _DRAWS):
        came_true = random.random(len(asked)) < expit(terms @ drawn)
        found.append(of(came_true.astype(np.float64), asked))
    return _summary(found, len(asked))


def estimate_numbers(labels: Array, predictions: Array, asked: Array, *, seed: int = 1) -> Estimate | None:
    """Estimate the RMSE of the predictions `asked`, (m,), from a holdout's `labels` and `predictions`, (n,).

    Each of 200 draws takes a bootstrap sample of the holdout (Efron 1979), and for each prediction the error
    of one among the nearest of it: so the interval holds what is not known of the errors, and what is left to
    chance. A prediction beyond the holdout's has the errors of its outermost. None where there is nothing to
    learn from. The same values give the same estimate.
    """
    n = len(labels)
    if not len(asked) or n < _FEWEST:
        return None
    random, of, found = np.random.default_rng(seed), metric("rmse", 0.0), []
    errors, alike = labels - predictions, max(_FEWEST, n // _ALIKE)
    for _ in range(_DRAWS):
        sample = random.integers(0, n, n)
        sample = sample[np.argsort(predictions[sample], kind="stable")]
        first = np.clip(np.searchsorted(predictions[sample], asked) - alike // 2, 0, n - alike)
        drawn = sample[first + random.integers(0, alike, len(asked))]
        found.append(of(asked + errors[drawn], asked))
    return _summary(found, len(asked))


def _summary(found: list[float], units: int) -> Estimate | None:
    if not np.isfinite(found).all():
        return None
    # what comes true falls into each of the gaps that draws leave with one chance, those at the ends too
    low, high = np.percentile(found, _COVERED, method="weibull")
    return Estimate(units, float(np.mean(found)), float(low), float(high))


def _terms(scores: Array) -> Array:
    p = np.clip(scores, _EPSILON, 1 - _EPSILON)
    return np.column_stack([np.ones_like(p), np.log(p), -np.log1p(-p)])


def _calibration(labels: Array, scores: Array) -> tuple[Array, Array]:
    """Fit the logarithm of the odds by Newton's method; give the coefficients and their covariance."""
    terms, coefficients = _terms(scores), np.array([0.0, 1.0, 1.0]) / 2
    for _ in range(_STEPS):
        chances = expit(terms @ coefficients)
        # the weak prior of width 10 keeps it finite where the classes are apart
        slope = terms.T @ (labels - chances) - coefficients / 100
        information = (terms * (chances * (1 - chances))[:, None]).T @ terms + np.eye(3) / 100
        step = np.linalg.solve(information, slope)
        coefficients = coefficients + step / max(1.0, float(np.abs(step).max()))
    return coefficients, np.linalg.inv(information)
