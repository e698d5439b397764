import math

import numpy as np
import pytest

from flows.sequential import bets, log_e_value, rejects, upper_mean
from warehouse.performance import Moments

ALPHA = 0.1


def moments(losses: np.ndarray) -> Moments:
    return Moments(len(losses), float(losses.mean()), float(losses.var(ddof=1)), 1.0)


def path(losses: np.ndarray, mean: float) -> np.ndarray:
    """Give the logarithm of the evidence after each of some losses."""
    wealths = np.array([np.cumsum(np.log1p(bet * (losses - mean))) for bet in bets(mean)])
    return log_e_value(wealths)


def briers(random: np.random.Generator, n: int, shift: float = 0.0) -> np.ndarray:
    """Draw squared errors of probabilities that are calibrated, but for a shift of the true ones."""
    chances = random.beta(2, 5, n)
    labels = random.random(n) < np.clip(chances + shift, 0, 1)
    return (chances - labels) ** 2


def test_it_errs_no_more_than_is_stated_with_a_look_after_every_unit() -> None:
    runs, wrong = 200, 0
    for seed in range(runs):
        random = np.random.default_rng(seed)
        mean = upper_mean(moments(briers(random, 2_000)), ALPHA)
        wrong += rejects(path(briers(random, 1_500), mean).max(), ALPHA)
    assert wrong / runs <= ALPHA


def test_evidence_against_a_known_mean_errs_at_most_at_its_level() -> None:
    # Without the holdout's bound the wealth itself is on trial, at the worst null: losses of mean m.
    runs, wrong = 400, 0
    for seed in range(runs):
        random = np.random.default_rng(seed)
        losses = (random.random(500) < 0.2).astype(float)
        wrong += path(losses, 0.2).max() >= math.log(1 / ALPHA)
    assert 0 < wrong / runs <= ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def test_harm_is_found_soon() -> None:
    random = np.random.default_rng(1)
    mean = upper_mean(moments(briers(random, 5_000)), ALPHA)
    looks = path(briers(random, 4_000, shift=0.25), mean)
    assert rejects(looks[-1], ALPHA)
    assert int(np.argmax(looks >= math.log(2 / ALPHA))) < 2_000


def test_a_holdout_of_nothing_bounds_nothing() -> None:
    assert upper_mean(Moments(1, 0.1, 0.0, 1.0), ALPHA) == 1.0
    assert upper_mean(Moments(10, 0.9, 0.3, 1.0), ALPHA) == 1.0


def test_the_bound_is_rarely_too_low() -> None:
    expected = float(np.mean([briers(np.random.default_rng(s), 1_000).mean() for s in range(500)]))
    low = sum(
        upper_mean(moments(briers(np.random.default_rng(10_000 + s), 500)), ALPHA) < expected
        for s in range(400)
    )
    assert low / 400 <= ALPHA / 2


@pytest.mark.parametrize("mean", [0.01, 0.3, 1.0])
def test_no_bet_loses_more_than_there_is(mean: float) -> None:
    assert all(1 + bet * (0 - mean) > 0 for bet in bets(mean))
