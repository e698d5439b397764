import numpy as np
import pytest

from features.policies import METRICS
from flows.estimation import estimate
from flows.metrics import metric


def world(random: np.random.Generator, n: int, a: float = 2, b: float = 5) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels, and scores that are too sure of themselves."""
    chances = random.beta(a, b, n)
    return (random.random(n) < chances).astype(float), chances**1.5


@pytest.mark.parametrize("name", list(METRICS))
def test_what_comes_true_lies_in_the_interval_as_often_as_is_stated(name: str) -> None:
    of, runs, covered = metric(name, 0.1), 100, 0
    for seed in range(runs):
        random = np.random.default_rng(seed)
        labels, scores = world(random, 2_000)
        truth, asked = world(random, 500, a=3, b=4)  # other requests are made, and scores mean the same
        found = estimate(name, labels, scores, asked, seed=seed)
        assert found is not None
        covered += found.low <= of(truth, asked) <= found.high
    assert covered >= 88  # of 100 at 95 %: fewer have a chance of 1 in 250


def test_it_follows_a_change_of_what_is_asked() -> None:
    random = np.random.default_rng(1)
    labels, scores = world(random, 4_000)
    truth, asked = world(random, 4_000, a=5, b=5)
    found = estimate("rmse", labels, scores, asked)
    assert found is not None
    of = metric("rmse", 0.1)
    before, now = of(labels, scores), of(truth, asked)
    assert now - before > 0.03
    assert abs(found.value - now) < 0.01


def test_it_cannot_see_a_change_of_what_scores_mean() -> None:
    random = np.random.default_rng(1)
    labels, scores = world(random, 4_000)
    truth, asked = world(random, 4_000)
    found = estimate("auc", labels, scores, asked)
    assert found is not None
    assert found.low > metric("auc", 0.1)(random.permutation(truth), asked) + 0.1


def test_there_is_none_without_anything_to_learn_from() -> None:
    random = np.random.default_rng(1)
    labels, scores = world(random, 100)
    assert estimate("rmse", labels, scores, scores[:0]) is None
    assert estimate("rmse", np.zeros(100), scores, scores) is None
    assert estimate("auc", labels, scores, scores[:1]) is None


def test_the_same_values_give_the_same_estimate() -> None:
    labels, scores = world(np.random.default_rng(1), 300)
    assert estimate("auc", labels, scores, scores) == estimate("auc", labels, scores, scores)
