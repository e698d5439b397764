import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binomtest

from flows.eprocess import EProcess, log_e_value

counts = st.integers(min_value=0, max_value=60)


@given(counts, counts)
def test_is_the_mixture_that_its_docstring_states(wins: int, losses: int) -> None:
    # q = sin(x)^2 turns the Beta(1/2, 1/2) density into a constant, and [1/2, 1] into [pi/4, pi/2].
    def wealth(x: float) -> float:
        return (2 * math.sin(x) ** 2) ** wins * (2 * math.cos(x) ** 2) ** losses

    expected, _ = quad(wealth, math.pi / 4, math.pi / 2, epsabs=0, epsrel=1e-11, limit=500)
    assert float(log_e_value(wins, losses)) == pytest.approx(math.log(expected * 4 / math.pi), abs=1e-8)


@given(counts, counts)
def test_one_pair_more_is_a_fair_bet_at_one_half(wins: int, losses: int) -> None:
    now, win, loss = np.exp(log_e_value([wins, wins + 1, wins], [losses, losses, losses + 1]))
    assert (win + loss) / 2 == pytest.approx(now, rel=1e-9)
    assert win >= loss  # so any smaller chance of a win loses


def test_stays_finite_where_the_tail_is_below_the_smallest_double() -> None:
    values = log_e_value([0, 1, 900_000, 500_000, 0], [1_000_000, 3_000, 100_000, 500_001, 0])
    assert np.all(np.isfinite(values))
    assert values[0] < 0
    assert values[2] > 0
    assert values[4] == pytest.approx(0.0, abs=1e-12)


def test_both_branches_meet() -> None:
    # Near wins = losses either formula applies; a step of one pair changes E by little.
    values = log_e_value([4_999, 5_000, 5_001], [5_000, 5_000, 5_000])
    assert np.all(np.abs(np.diff(values)) < 0.05)


def test_update_counts_discordant_pairs_only() -> None:
    process = EProcess()
    for challenger, champion in [(True, True), (False, False), (True, False), (True, False), (False, True)]:
        process = process.update(challenger, champion)
    assert process == EProcess(wins=2, losses=1)
    assert process.log_e > process.log_e_worse
    assert not process.rejects(0.05)
    assert EProcess(wins=30, losses=2).rejects(0.05)


def _ever_rejects(rng: np.random.Generator, chance: float, alpha: float, runs: int, pairs: int) -> int:
    wins = np.cumsum(rng.random((runs, pairs)) < chance, axis=1)
    losses = np.arange(1, pairs + 1) - wins
    return int((log_e_value(wins, losses) >= -math.log(alpha)).any(axis=1).sum())


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_false_promotions_stay_below_alpha_with_a_look_after_every_pair(alpha: float) -> None:
    runs = 2_000
    false = _ever_rejects(np.random.default_rng(20130101), 0.5, alpha, runs, 1_000)
    # More than alpha would show: the count is that of a binomial with at most alpha.
    assert binomtest(false, runs, alpha, alternative="greater").pvalue > 0.01
    assert false > 0  # a look after every pair does find its chances


def test_dependence_between_pairs_does_not_break_the_bound() -> None:
    # The chance of a win hangs on the past, but never exceeds one half given it.
    rng, runs, pairs, alpha = np.random.default_rng(7), 2_000, 500, 0.05
    wins = np.zeros(runs)
    rejected = np.zeros(runs, dtype=bool)
    for n in range(1, pairs + 1):
        wins += rng.random(runs) < np.where(2 * wins > n - 1, 0.5, 0.3)
        rejected |= log_e_value(wins, n - wins) >= -math.log(alpha)
    assert binomtest(int(rejected.sum()), runs, alpha, alternative="greater").pvalue > 0.01


def test_a_better_challenger_is_found() -> None:
    rng, runs = np.random.default_rng(11), 500
    assert _ever_rejects(rng, 0.6, 0.05, runs, 500) > 0.9 * runs
    assert _ever_rejects(rng, 0.55, 0.05, runs, 3_000) > 0.9 * runs
