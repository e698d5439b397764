"""The sample-ratio check: whether units go to the variants in the shares that were stated, at every moment.

The counts n of units by variant are compared by a Bayes factor: multinomial with chances of a Dirichlet
prior, against the stated shares,

    BF = B(a + n) / B(a) / prod shares^n,    a = concentration * shares.

Where the shares hold it is a non-negative martingale that starts at 1, so it ever reaches 1/alpha with a
probability of at most alpha. Source: Lindon and Malek, "Anytime-valid inference for multinomial count data"
(NeurIPS 2022; first as "Sequential testing of multinomial hypotheses with applications to detecting
implementation errors and missing data in randomized experiments", arXiv 2011.03567, 2020).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

RATIO_ALPHA = 0.001
"""The probability that a check ever stops a trial whose shares are as stated."""
CONCENTRATION = 100.0


def log_bayes_factor(counts: ArrayLike, prior: ArrayLike, shares: ArrayLike) -> NDArray[np.float64]:
    """Give the logarithm of the Bayes factor of counts, shape (..., variants), against `shares` (variants).

    `prior` are the Dirichlet's parameters, by variant.
    """
    n, a = np.asarray(counts, dtype=np.float64), np.asarray(prior, dtype=np.float64)
    evidence = _log_beta(a + n) - _log_beta(a)
    return np.asarray(evidence - (n * np.log(np.asarray(shares, dtype=np.float64))).sum(-1))


def log_ratio_evidence(challenger: ArrayLike, champion: ArrayLike, share: float) -> NDArray[np.float64]:
    """Give the logarithm of the evidence against `share`, the challenger's, for each pair of counts."""
    counts = np.stack(np.broadcast_arrays(np.asarray(challenger), np.asarray(champion)), axis=-1)
    shares = np.array([share, 1 - share])
    return log_bayes_factor(counts, CONCENTRATION * shares, shares)


def _log_beta(a: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(gammaln(a).sum(-1) - gammaln(a.sum(-1)))
