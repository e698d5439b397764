"""Confidence sequences for a mean: bounds that hold at every moment at once, and the evidence behind them.

S is a sum of observations less their means, v its intrinsic time. Both tests mix exp(lambda S - psi(lambda)
v) over lambda > 0: a non-negative supermartingale that starts at 1, so by Ville's inequality it ever reaches
1/alpha with a probability of at most alpha. Formulas of both mixtures are from Howard, Ramdas, McAuliffe and
Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences" (Annals of Statistics 49(2), 2021),
propositions 5 and 9.

- The normal mixture, psi = lambda^2 / 2. With v the number of observations and their estimated deviation as
  the unit, its bounds are the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and
  Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences" (Annals of Statistics 52(6),
  2024), one-sided. It needs no more than a central limit theorem does, of the running mean where that moves,
  and a first look that is not too early.
- The gamma-exponential mixture, psi_E = (-log(1 - c lambda) - c lambda) / c^2. With v the sum of squared
  distances from predictions (here the mean before) of observations that lie within a range of width c, it is
  exact at every size, and of the running mean where that moves (their theorem 4; for two forecasters Choe and
  Ramdas, "Comparing sequential forecasters", Operations Research 72(4), 2024).
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, gammaln, log_ndtr

Array = NDArray[np.float64]
_STEPS = 60


def best_rho(v: float, alpha: float) -> float:
    """Give the mixtures' parameter whose one-sided bound is about the tightest at intrinsic time `v`."""
    level = 2 * math.log(1 / (2 * min(alpha, 0.499)))
    return v / (level + math.log1p(level))


def log_normal_mixture(total: ArrayLike, v: ArrayLike, rho: float) -> Array:
    """Give the logarithm of the one-sided normal mixture at S = `total` and time `v`, elementwise."""
    s, time = np.asarray(total, dtype=np.float64), np.asarray(v, dtype=np.float64) + rho
    root = np.sqrt(time)
    value = math.log(2) + 0.5 * np.log(rho / time) + s * s / (2 * time) + log_ndtr(s / root)
    return np.asarray(value, dtype=np.float64)


def normal_mixture_bound(v: ArrayLike, alpha: float, rho: float) -> Array:
    """Give the S at which the one-sided normal mixture is 1/alpha, for each intrinsic time."""
    time = np.asarray(v, dtype=np.float64) + rho
    wanted = math.log(1 / (2 * alpha)) + 0.5 * np.log(time / rho)
    # x = S / root solves x^2 / 2 + log Phi(x) = wanted; log Phi is between -log 2 and 0, so this contracts.
    x = np.sqrt(2 * np.maximum(wanted + math.log(2), 0.0))
    for _ in range(_STEPS):
        x = np.sqrt(np.maximum(2 * (wanted - log_ndtr(x)), 0.0))
    return np.asarray(x * np.sqrt(time), dtype=np.float64)


def log_gamma_exponential_mixture(total: ArrayLike, v: ArrayLike, rho: float, c: float) -> Array:
    """Give the logarithm of the gamma-exponential mixture of scale `c`, elementwise; -inf far below zero."""
    s, time = np.asarray(total, dtype=np.float64), np.asarray(v, dtype=np.float64)
    least, most = rho / c**2, (time + rho) / c**2
    shifted = (c * s + time + rho) / c**2
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (
            least * math.log(least)
            - gammaln(least)
            - math.log(gammainc(least, least))
            + gammaln(most)
            + np.log(gammainc(most, np.maximum(shifted, 0.0)))
            - most * np.log(shifted)
            + shifted
            - least
        )
    return np.where(shifted > 0, value, -np.inf)


def gamma_exponential_bound(v: ArrayLike, alpha: float, rho: float, c: float) -> Array:
    """Give the S at which the gamma-exponential mixture is 1/alpha, for each intrinsic time."""
    time = np.asarray(v, dtype=np.float64)
    level = math.log(1 / alpha)
    low, high = np.zeros_like(time), 2 * normal_mixture_bound(time, alpha, rho) + 4 * c * level
    while np.any(short := log_gamma_exponential_mixture(high, time, rho, c) < level):
        high = np.where(short, 2 * high, high)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        above = log_gamma_exponential_mixture(middle, time, rho, c) >= level
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return high
