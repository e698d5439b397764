"""Figures of predictions against labels, by task."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from features.training import BINARY

Values = NDArray[np.float64]


def auc(labels: Values, scores: Values) -> float:
    """Give the chance that a positive outscores a negative, ties counting half; NaN without both."""
    positive = labels > 0.5
    n, m = int(positive.sum()), int((~positive).sum())
    if n == 0 or m == 0:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def log_loss(labels: Values, scores: Values) -> float:
    """Give the mean negative log-likelihood in nats; NaN where one class is absent."""
    if len(np.unique(labels > 0.5)) < 2:
        return float("nan")
    p = np.clip(scores, 1e-15, 1 - 1e-15)
    return float(-np.mean(np.where(labels > 0.5, np.log(p), np.log1p(-p))))


def rmse(labels: Values, values: Values) -> float:
    """Give the root of the mean squared error, in the label's unit."""
    return float(np.sqrt(np.mean((values - labels) ** 2)))


def measure(task: str, labels: Values, predictions: Values, threshold: float) -> dict[str, float | None]:
    """Give the figures that an experiment keeps; None where there is none, for JSON has no NaN.

    Of a binary task: AUC, log loss, Brier score, and accuracy at the decision threshold. Of a regression:
    RMSE and the mean absolute error.
    """
    if task == BINARY:
        positive = labels > 0.5
        found = {
            "auc": auc(labels, predictions),
            "log_loss": log_loss(labels, predictions),
            "brier": float(np.mean((predictions - positive) ** 2)),
            "accuracy": float(np.mean((predictions >= threshold) == positive)),
        }
    else:
        found = {
            "rmse": rmse(labels, predictions),
            "mae": float(np.mean(np.abs(predictions - labels))),
        }
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
