import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from features.evaluation import EvaluationPolicy
from flows.improvement import Labelled, gains, improvement, of_block, series
from tests.definitions import late

RNG = np.random.default_rng(1)
LABEL = (RNG.random(400) < 0.4).astype(float)
OLD, NEW = np.clip(RNG.normal(0.4, 0.2, (2, 400)) + 0.2 * (LABEL - 0.4), 0.01, 0.99).round(2)
UNITS = Labelled(OLD, NEW, LABEL)


def test_per_unit_metrics_end_at_the_difference_of_the_wholes() -> None:
    policy = EvaluationPolicy(late, metric="rmse")
    root = np.sqrt(np.mean((OLD - LABEL) ** 2)) - np.sqrt(np.mean((NEW - LABEL) ** 2))
    assert improvement("rmse", policy, UNITS).estimate[-1] == pytest.approx(root)

    def loss(p: np.ndarray) -> float:
        return float(-np.mean(LABEL * np.log(p) + (1 - LABEL) * np.log(1 - p)))

    found = improvement("log_loss", policy, UNITS)
    assert found.estimate[-1] == pytest.approx(loss(OLD) - loss(NEW))
    assert found.n[-1] == 400


def test_the_deviation_of_a_root_mean_square_is_that_of_resampled_ones() -> None:
    policy = EvaluationPolicy(late, metric="rmse")
    stated = improvement("rmse", policy, UNITS).deviation[-1] / np.sqrt(400)
    drawn = []
    for _ in range(800):
        at = RNG.integers(0, 400, 400)
        errors = [np.sqrt(np.mean((s[at] - LABEL[at]) ** 2)) for s in (OLD, NEW)]
        drawn.append(errors[0] - errors[1])
    assert np.std(drawn) == pytest.approx(stated, rel=0.15)


def test_blocks_are_ranked_as_scikit_learn_ranks_them() -> None:
    policy = EvaluationPolicy(late, metric="auc")
    blocks = [slice(i, i + 100) for i in range(0, 400, 100)]
    wanted = [roc_auc_score(LABEL[b], NEW[b]) - roc_auc_score(LABEL[b], OLD[b]) for b in blocks]
    found = improvement("auc", policy, UNITS)
    assert found.estimate[-1] == pytest.approx(np.mean(wanted))
    assert found.n.tolist() == [i // 100 for i in range(1, 401)]


def test_precision_at_k_counts_equal_scores_in_proportion() -> None:
    label = np.array([True, False, True, False, False])
    assert of_block("precision_at_k", 2, np.array([0.9, 0.8, 0.7, 0.1, 0.1]), label) == 0.5
    assert of_block("precision_at_k", 2, np.array([0.9, 0.5, 0.5, 0.1, 0.1]), label) == pytest.approx(0.75)


def test_the_calibration_error_is_unbiased() -> None:
    rng = np.random.default_rng(3)
    right, wrong = [], []
    for _ in range(400):
        score = rng.random(50)
        right.append(of_block("calibration_error", 5, score, rng.random(50) < score))
        wrong.append(of_block("calibration_error", 5, score, rng.random(50) < score / 2))
    assert abs(np.mean(right)) < 4 * np.std(right) / 20
    assert np.mean(wrong) < -0.005


def test_a_value_is_that_of_the_decision() -> None:
    policy = EvaluationPolicy(
        late, metric="value", value="case when decision then 100 * label - 20 else 0 end", threshold=0.5
    )
    assert gains("value", policy, np.array([0.9, 0.9, 0.1]), np.array([1.0, 0.0, 1.0])).tolist() == [
        80,
        -20,
        0,
    ]


def test_split_traffic_gives_unbiased_gains_of_both_variants() -> None:
    rng, n = np.random.default_rng(4), 40_000
    policy = EvaluationPolicy(late, mode="split", share=0.1, metric="brier")
    assigned, label = rng.random(n) < 0.1, (rng.random(n) < 0.5).astype(float)
    score = np.where(assigned, 0.5, 0.4)
    old, new = series("brier", policy, Labelled(score, score, label, assigned))
    assert new.mean() == pytest.approx(-0.25, abs=0.003)
    assert old.mean() == pytest.approx(-0.26, abs=0.003)
