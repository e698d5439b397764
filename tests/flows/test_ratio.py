import math

import numpy as np
import pytest
from scipy.stats import binomtest

from flows.ratio import log_bayes_factor, log_ratio_evidence


def test_the_bayes_factor_of_the_authors_example() -> None:
    # Optimizely's ssrm, test_sequential_posteriors: log marginal likelihoods under a uniform prior.
    found = log_bayes_factor([60, 63, 32], [1, 1, 1], [0.4, 0.4, 0.2])
    assert found == pytest.approx(-19.96484521090386 + 15.781031228536165)


def test_a_true_share_is_kept_and_a_wrong_one_found() -> None:
    rng, runs, length, alpha = np.random.default_rng(2), 1_000, 3_000, 0.05
    n = np.arange(1, length + 1)
    right = (rng.random((runs, length)) < 0.05).cumsum(1)
    stopped = int((log_ratio_evidence(right, n - right, 0.05) >= -math.log(alpha)).any(1).sum())
    assert binomtest(stopped, runs, alpha, alternative="greater").pvalue > 0.01
    wrong = (rng.random((100, length)) < 0.09).cumsum(1)
    assert (log_ratio_evidence(wrong, n - wrong, 0.05) >= math.log(1_000)).any(1).mean() > 0.9
