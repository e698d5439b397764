import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binomtest, norm

from flows.sequences import (
    best_rho,
    gamma_exponential_bound,
    log_gamma_exponential_mixture,
    log_normal_mixture,
    normal_mixture_bound,
)

RHO = best_rho(100, 0.05)


def test_the_values_that_the_authors_of_the_boundaries_publish() -> None:
    # Howard's confseq, test/test_uniform_boundaries.cpp, from a reference implementation in R; v_opt = 100.
    assert log_normal_mixture(10, 100, RHO) == pytest.approx(-0.06502391, abs=1e-5)
    assert normal_mixture_bound(100, 0.05, RHO) == pytest.approx(27.66071, abs=1e-5)
    assert log_gamma_exponential_mixture(10, 100, RHO, 2) == pytest.approx(-0.2490165, abs=1e-5)
    assert gamma_exponential_bound(100, 0.05, RHO, 2) == pytest.approx(33.02017, abs=1e-5)
    assert best_rho(100, 0.025) == pytest.approx(12.60056, abs=1e-5)  # two-sided at 0.05


@pytest.mark.parametrize(("total", "v"), [(-5.0, 3.0), (0.0, 40.0), (25.0, 60.0)])
def test_the_normal_mixture_is_the_one_that_it_states(total: float, v: float) -> None:
    def wealth(rate: float) -> float:
        return math.exp(rate * total - rate**2 * v / 2) * 2 * float(norm.pdf(rate, scale=RHO**-0.5))

    expected, _ = quad(wealth, 0, np.inf)
    assert float(log_normal_mixture(total, v, RHO)) == pytest.approx(math.log(expected), abs=1e-6)


def test_a_bound_is_where_the_evidence_is_one_in_alpha() -> None:
    v = np.array([1.0, 30.0, 1_000.0, 50_000.0])
    level = math.log(20)
    assert log_normal_mixture(normal_mixture_bound(v, 0.05, RHO), v, RHO) == pytest.approx(level)
    exact = gamma_exponential_bound(v, 0.05, RHO, 2)
    assert log_gamma_exponential_mixture(exact, v, RHO, 2) == pytest.approx(level)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_error_rate_holds_with_a_look_after_every_value(alpha: float) -> None:
    # Skewed values of mean 0, and the z-test that is looked at as often.
    runs, length, first = 1_000, 1_500, 100
    values = np.random.default_rng(5).exponential(1.0, (runs, length)) - 1
    n = np.arange(1, length + 1)
    total = values.cumsum(1)
    deviation = np.sqrt((values**2).cumsum(1) / n - (total / n) ** 2)
    bound = normal_mixture_bound(n, alpha, best_rho(400, alpha)) * deviation
    false = int((total > bound)[:, first:].any(1).sum())
    assert false > 0
    assert binomtest(false, runs, alpha, alternative="greater").pvalue > 0.01
    peeked = int((total > norm.isf(alpha) * deviation * np.sqrt(n))[:, first:].any(1).sum())
    assert binomtest(peeked, runs, alpha, alternative="greater").pvalue < 1e-6


def test_the_exact_sequence_holds_where_the_mean_moves() -> None:
    # Values in [-1, 1] whose mean swings but whose running mean is never above 0.
    alpha, runs, length = 0.05, 500, 1_000
    rng, n = np.random.default_rng(9), np.arange(1, length + 1)
    drift = -0.4 * np.sin(n / 50)
    drift -= np.maximum(np.maximum.accumulate(np.cumsum(drift) / n), 0).max()
    drift = np.clip(drift, -1, 1)
    values = np.where(rng.random((runs, length)) < (1 + drift) / 2, 1.0, -1.0)
    total = values.cumsum(1)
    before = np.hstack([np.zeros((runs, 1)), (total / n)[:, :-1]])
    v = ((values - before) ** 2).cumsum(1)
    assert (np.cumsum(drift) / n <= 1e-9).all()
    evidence = log_gamma_exponential_mixture(total, v, best_rho(400, alpha), 2.0)
    false = int((evidence >= -math.log(alpha)).any(1).sum())
    assert binomtest(false, runs, alpha, alternative="greater").pvalue > 0.01


def test_looking_again_errs_as_armitages_table_says_and_a_confidence_sequence_does_not() -> None:
    # Armitage, McPherson and Rowe, Repeated significance tests on accumulating data, Journal of the Royal
    # Statistical Society A 132, 1969, table 2: of a normal mean, two-sided, each look at the 5 % level.
    published = {1: 0.05, 2: 0.083, 3: 0.107, 4: 0.126, 5: 0.142, 10: 0.193, 20: 0.248, 50: 0.320}
    published |= {100: 0.374, 200: 0.424}
    runs, n = 20_000, np.arange(1, 201)
    total = np.abs(np.random.default_rng(6).normal(size=(runs, 200)).cumsum(1))
    peeked = np.logical_or.accumulate(total > norm.isf(0.025) * np.sqrt(n), axis=1).mean(0)
    for looks, rate in published.items():
        assert peeked[looks - 1] == pytest.approx(rate, abs=0.0005 + 3.1 * (rate * (1 - rate) / runs) ** 0.5)
    bound = normal_mixture_bound(n, 0.025, best_rho(100, 0.025))
    assert 0.005 < (total > bound).any(1).mean() <= 0.05
