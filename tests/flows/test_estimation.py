from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from scipy.special import expit

from features.policies import METRICS
from flows.estimation import Estimate, estimate, estimate_numbers
from flows.metrics import metric

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


def world(random: np.random.Generator, n: int, a: float = 2, b: float = 5) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels, and scores that are too sure of themselves."""
    chances = random.beta(a, b, n)
    return (random.random(n) < chances).astype(float), chances**1.5


def covered(name: str, draw: Draw, other: Draw, guess: Callable[..., Estimate | None]) -> int:
    """Count the intervals, of 100, that hold what came true of `other` requests, by a holdout of `draw`."""
    of, held = metric(name, 0.1), 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        labels, scores = draw(random, 2_000)
        truth, asked = other(random, 500)
        found = guess(labels, scores, asked, seed=seed)
        assert found is not None
        held += found.low <= of(truth, asked) <= found.high
    return held


@pytest.mark.parametrize("name", list(METRICS))
def test_what_comes_true_lies_in_the_interval_as_often_as_is_stated(name: str) -> None:
    # other requests are made, and scores mean the same
    found = covered(name, world, partial(world, a=3, b=4), partial(estimate, name))
    assert found >= 88  # of 100 at 95 %: fewer have a chance of 1 in 250


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


def numbers(random: np.random.Generator, n: int, centre: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels and predictions, which are too large by a half; the larger they are, the more they err."""
    predictions = random.normal(centre, 1, n)
    return predictions - 0.5 + random.normal(0, 1, n) * (0.5 + 3 * expit(2 * predictions)), predictions


def test_what_comes_true_of_numbers_lies_in_the_interval_as_often_as_is_stated() -> None:
    # other requests are made, and errors are as they were
    found = covered("rmse", numbers, partial(numbers, centre=0.5), estimate_numbers)
    assert found >= 88  # of 100 at 95 %: fewer have a chance of 1 in 250


def test_the_estimate_of_numbers_follows_what_is_asked() -> None:
    random = np.random.default_rng(1)
    labels, predictions = numbers(random, 4_000)
    truth, asked = numbers(random, 4_000, centre=1.0)
    found = estimate_numbers(labels, predictions, asked)
    assert found is not None
    of = metric("rmse", 0.0)
    before, now = of(labels, predictions), of(truth, asked)
    assert now > 1.2 * before
    assert abs(found.value - now) < 0.05 * now
    assert found == estimate_numbers(labels, predictions, asked)
    assert estimate_numbers(labels, predictions, asked[:0]) is None
    assert estimate_numbers(labels[:49], predictions[:49], asked) is None
