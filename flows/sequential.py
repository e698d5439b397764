"""A test of the loss against the holdout's that may be looked at however often.

Losses x lie in [0, 1]. Under the null hypothesis the expectation of each, given all before it, is at most
m. The wealth of one who bets b in [0, 1/m] on each, the product of 1 + b (x - m), is then a non-negative
supermartingale that begins at 1, and so is the mean of several such (Waudby-Smith and Ramdas, "Estimating
means of bounded random variables by betting", JRSS B 86, 2024). By Ville's inequality the chance that it ever
reaches 1/a is at most a. Bets that are fixed beforehand make a logarithm of wealth a sum over units, so that
nothing need be kept between looks.

m is not known, but bounded from the holdout: by Maurer and Pontil ("Empirical Bernstein bounds and sample
variance penalization", COLT 2009), with a chance of a/2 to be too low. The wealth is judged at a/2.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from warehouse.performance import Moments

_SHARES = tuple(2.0**-i for i in range(1, 10))
"""The bets, as shares of the largest allowed: one suits each size of harm within a factor of two."""


def upper_mean(holdout: Moments, alpha: float) -> float:
    """Bound the expected loss from above: it is larger with a chance of at most alpha / 2. At most 1."""
    if holdout.units < 2:
        return 1.0
    log = math.log(4 / alpha)
    spread = math.sqrt(2 * holdout.variance * log / holdout.units)
    return min(1.0, holdout.mean + spread + 7 * log / (3 * (holdout.units - 1)))


def bets(mean: float) -> list[float]:
    """Give the bets against an expected loss of at most `mean`, in (0, 1]."""
    return [share / mean for share in _SHARES]


def log_e_value(log_wealths: ArrayLike) -> NDArray[np.float64]:
    """Give the logarithm of the evidence, shape (...), from that of each bet's wealth, shape (bets, ...)."""
    held = np.asarray(log_wealths, dtype=np.float64)
    return np.asarray(logsumexp(held, axis=0) - math.log(len(held)))


def rejects(log_e: float, alpha: float) -> bool:
    """Whether "the loss is no larger than the holdout's" is rejected; wrong with at most chance alpha."""
    return log_e >= math.log(2 / alpha)
