import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, mean_absolute_error, roc_auc_score, root_mean_squared_error
from sklearn.metrics import log_loss as sk_log_loss

from features.training import BINARY, REGRESSION
from flows.metrics import auc, concordance, log_loss, measure


def test_metrics_are_the_usual_ones() -> None:
    rng = np.random.default_rng(9)
    labels = (rng.random(500) < 0.3).astype(float)
    scores = np.round(rng.random(500), 2)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    assert log_loss(labels, np.clip(scores, 0.01, 0.99)) == pytest.approx(
        sk_log_loss(labels, np.clip(scores, 0.01, 0.99))
    )
    assert np.isnan(auc(np.ones(5), np.ones(5)))
    assert concordance(labels, scores) == pytest.approx(auc(labels, scores))


def test_a_concordance_is_the_chance_of_the_right_order() -> None:
    rng = np.random.default_rng(3)
    labels, scores = (rng.integers(0, 20, 200).astype(float) for _ in range(2))
    pairs = [(i, j) for i in range(200) for j in range(200) if labels[i] < labels[j]]
    right = sum((scores[i] < scores[j]) + (scores[i] == scores[j]) / 2 for i, j in pairs)
    assert concordance(labels, scores) == pytest.approx(right / len(pairs))
    assert concordance(labels, np.ones(200)) == 0.5
    assert np.isnan(concordance(np.ones(5), np.arange(5.0)))


def test_an_experiments_figures_are_the_usual_ones() -> None:
    rng = np.random.default_rng(9)
    labels, chances = (rng.random(500) < 0.3).astype(float), rng.uniform(0.01, 0.99, 500)
    assert measure(BINARY, labels, chances, 0.3) == pytest.approx(
        {
            "auc": roc_auc_score(labels, chances),
            "log_loss": sk_log_loss(labels, chances),
            "brier": brier_score_loss(labels, chances),
            "accuracy": np.mean((chances >= 0.3) == (labels == 1)),
        }
    )
    assert measure(REGRESSION, labels, chances, 0.5) == pytest.approx(
        {"rmse": root_mean_squared_error(labels, chances), "mae": mean_absolute_error(labels, chances)}
    )


def test_a_figure_that_is_none_is_told_as_none() -> None:
    found = measure(BINARY, np.ones(5), np.full(5, 0.5), 0.5)
    assert (found["auc"], found["log_loss"], found["accuracy"]) == (None, None, 1.0)
