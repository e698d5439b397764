"""Metrics of predictions in memory; `warehouse.performance` computes the same where the rows are."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from features.training import BINARY
from warehouse.performance import CALIBRATION_BINS

Array = NDArray[np.float64]
Labels = Array | NDArray[np.bool_]


def auc(labels: Labels, scores: Array) -> float:
    """Give the chance that a positive outscores a negative, ties counting half; NaN without both."""
    positive = labels > 0.5
    n, m = int(positive.sum()), int((~positive).sum())
    if n == 0 or m == 0:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def concordance(labels: Array, scores: Array) -> float:
    """Give the chance that of two units with different labels the one with the larger has the larger score.

    Equal scores count half. Of two classes that is the AUC; of numbers Harrell's C (F. Harrell et al.,
    Evaluating the yield of medical tests, 1982), here by Kendall's tau-b. NaN where all labels are equal.
    """
    pairs = len(labels) * (len(labels) - 1) / 2
    apart = [pairs - _tied(values) for values in (labels, scores)]
    if apart[0] == 0:
        return math.nan
    if apart[1] == 0:
        return 0.5
    surplus = float(kendalltau(labels, scores).statistic) * math.sqrt(apart[0] * apart[1])
    return 0.5 + surplus / (2 * apart[0])


def _tied(values: Array) -> float:
    _, counts = np.unique(values, return_counts=True)
    return float((counts * (counts - 1.0) / 2).sum())


def log_loss(labels: Array, scores: Array) -> float:
    """Give the mean negative log-likelihood in nats."""
    p = np.clip(scores, 1e-15, 1 - 1e-15)
    return float(-np.mean(np.where(labels > 0.5, np.log(p), np.log1p(-p))))


def rmse(labels: Array, scores: Array) -> float:
    """Give the root of the mean squared error; of probabilities that of the Brier score."""
    return float(np.sqrt(np.mean((scores - labels) ** 2)))


def precision_at(k: float) -> Callable[[Array, Array], float]:
    """Give the share of positives among the share `k` of units with the largest scores, as `precision_of`."""

    def precision(labels: Array, scores: Array) -> float:
        return precision_of(math.ceil(k * len(scores)), labels, scores)

    return precision


def precision_of(top: int, labels: Labels, scores: Array) -> float:
    """Give the share of positives among the `top` units with the largest scores.

    Of those whose scores are equal at the bound there are as many positives as on average.
    """
    bound = np.partition(scores, len(scores) - top)[len(scores) - top]
    above, tied = scores > bound, scores == bound
    return float((labels[above].sum() + labels[tied].mean() * (top - above.sum())) / top)


def calibration_error(labels: Array, scores: Array) -> float:
    """Give the mean distance, over bins of equal width, of the mean score from the share of positives."""
    bins = np.minimum(scores * CALIBRATION_BINS, CALIBRATION_BINS - 1).astype(np.int64)
    apart = np.bincount(bins, scores - labels, minlength=CALIBRATION_BINS)
    return float(np.abs(apart).sum() / len(labels))


def metric(name: str, k: float) -> Callable[[Array, Array], float]:
    """Give the function of (labels, scores), both (n,), that computes a metric; NaN where it has no value."""
    known = {"auc": auc, "log_loss": log_loss, "rmse": rmse, "calibration_error": calibration_error}
    return precision_at(k) if name == "precision_at_k" else known[name]


def measure(task: str, labels: Array, predictions: Array, threshold: float) -> dict[str, float | None]:
    """Give the figures that an experiment keeps; None where there is none, for JSON has no NaN.

    Of a binary task: AUC, log loss, Brier score, and accuracy at the decision threshold. Of a regression:
    RMSE and the mean absolute error.
    """
    if task == BINARY:
        positive = labels > 0.5
        both = len(np.unique(positive)) == 2
        found = {
            "auc": auc(labels, predictions),
            "log_loss": log_loss(labels, predictions) if both else math.nan,
            "brier": float(np.mean((predictions - positive) ** 2)),
            "accuracy": float(np.mean((predictions >= threshold) == positive)),
        }
    else:
        found = {
            "rmse": rmse(labels, predictions),
            "mae": float(np.mean(np.abs(predictions - labels))),
        }
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
