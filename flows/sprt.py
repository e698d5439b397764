"""Wald's sequential probability ratio test of a chance that is p0 or less, against p1 or more.

The ratio of likelihoods, (p1/p0)^successes ((1-p1)/(1-p0))^failures, is a non-negative supermartingale where
the chance is p0 or less, and its inverse where it is p1 or more. So it ever reaches 1/alpha with a
probability of at most alpha in the first case, and ever falls to beta with at most beta in the second (Ville
1939). Wald's own bounds, (1-beta)/alpha and beta/(1-alpha), are approximations under which neither rate is
kept for certain ("Sequential tests of statistical hypotheses", Annals of Mathematical Statistics 16(2),
1945).

p0 is stated before the trial. One that is plugged in from the champion's own results is itself an estimate,
and the error rate no longer holds.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def log_likelihood_ratio(
    successes: ArrayLike, failures: ArrayLike, p0: float, p1: float
) -> NDArray[np.float64]:
    """Give the logarithm of the likelihood ratio of p1 to p0 for each pair of counts."""
    won, lost = np.asarray(successes, dtype=np.float64), np.asarray(failures, dtype=np.float64)
    return np.asarray(won * math.log(p1 / p0) + lost * math.log((1 - p1) / (1 - p0)))
