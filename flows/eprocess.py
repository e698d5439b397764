"""The paired e-process: evidence, at any moment, that a challenger is right more often than the champion.

Both models answer the same requests. A pair is discordant where exactly one of them is right; it is a
win where that one is the challenger, else a loss. The null hypothesis says that each discordant pair,
given all before it, is a win with a probability of at most 1/2. For any q in [1/2, 1] the wealth of one
who always bets q,

    M_q = (2 q)^wins * (2 (1 - q))^losses,

is then a non-negative supermartingale that starts at 1: the expected factor of one pair is linear and
increasing in the chance of a win, and is 1 at 1/2. So is its mixture over q ~ Beta(1/2, 1/2) cut to
[1/2, 1], which needs no guess of how much better the challenger is:

    E(w, l) = 2^(w+l) * B(w + 1/2, l + 1/2) / B(1/2, 1/2) * 2 * P[Beta(w + 1/2, l + 1/2) > 1/2].

By Ville's inequality (Ville 1939) the chance that E ever reaches 1/alpha is at most alpha, whatever the
number of looks and the reason to stop. It needs no independence between pairs. The mixture is that of
Robbins ("Statistical methods related to the law of the iterated logarithm", 1970) with the prior of
Krichevsky and Trofimov ("The performance of universal encoding", 1981); for e-processes see Ramdas,
Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid inference" (2023).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaln

_A = 0.5  # both parameters of the mixing Beta
_LEAST_TAIL = 1e-200
_STEPS = 50


def log_e_value(wins: ArrayLike, losses: ArrayLike, against: ArrayLike = 0.5) -> NDArray[np.float64]:
    """Give log E for each pair of counts: non-negative whole numbers, arrays of one shape or scalars.

    `against` is the chance of a win under the null hypothesis, in (0, 1), which takes the place of 1/2.
    Relative error of E: below 1e-9 up to a million pairs.
    """
    w, loss, null = (
        np.asarray(part, dtype=np.float64) for part in np.broadcast_arrays(wins, losses, np.asarray(against))
    )
    tail = np.asarray(betainc(loss + _A, w + _A, 1 - null))  # I_{1-x}(l, w) = P[Beta(w, l) > x]
    far = tail < _LEAST_TAIL
    out = (
        betaln(w + _A, loss + _A)
        + np.log(np.where(far, 1.0, tail))
        - w * np.log(null)
        - loss * np.log1p(-null)
    )
    out = np.asarray(out)
    out[far] = _log_series(w[far], loss[far], null[far])
    log_e: NDArray[np.float64] = out - betaln(_A, _A) - np.log(betainc(_A, _A, 1 - null))
    return log_e


def _log_series(
    w: NDArray[np.float64], loss: NDArray[np.float64], null: NDArray[np.float64]
) -> NDArray[np.float64]:
    # The tail may be below the smallest double. Its series, I_x(a, b) = x^a (1-x)^b / (a B(a, b)) *
    # F(a+b, 1; a+1; x) at x = 1 - null, cancels the powers of the counts.
    term = np.ones_like(w)
    total = np.ones_like(w)
    k = 0
    while term.size and float(np.max(term / total)) > 1e-17:
        term = term * (1 - null) * (w + loss + 2 * _A + k) / (loss + _A + 1 + k)
        total = total + term
        k += 1
    log_e: NDArray[np.float64] = _A * (np.log(null) + np.log1p(-null)) - np.log(loss + _A) + np.log(total)
    return log_e


def win_share_bounds(
    wins: ArrayLike, losses: ArrayLike, alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the lower and the upper bounds of the chance of a win, each with an error of `alpha`.

    The lower bound is the least null hypothesis that E does not reject: above 1/2 where E itself rejects. It
    is a confidence sequence for a chance that stays the same.
    """
    w, loss = (np.asarray(part, dtype=np.float64) for part in np.broadcast_arrays(wins, losses))
    return _least_kept(w, loss, alpha), 1 - _least_kept(loss, w, alpha)


def _least_kept(w: NDArray[np.float64], loss: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    low, high = np.zeros_like(w), np.minimum(w / np.maximum(w + loss, 1), 1 - 1e-9)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        # Where nothing was won every null hypothesis is kept down to 0, which the formula does not take.
        kept = (w == 0) | (log_e_value(w, loss, np.where(w == 0, 0.5, middle)) < -math.log(alpha))
        low, high = np.where(kept, low, middle), np.where(kept, middle, high)
    return low


@dataclass(frozen=True)
class EProcess:
    """The state of one paired e-process: nothing but the two counts, so that it can be kept and resumed."""

    wins: int = 0
    losses: int = 0

    def update(self, challenger_right: bool, champion_right: bool) -> "EProcess":
        """Take one pair; a pair on which both are right or both wrong changes nothing."""
        if challenger_right == champion_right:
            return self
        return EProcess(self.wins + challenger_right, self.losses + champion_right)

    @property
    def log_e(self) -> float:
        """The logarithm of the evidence that the challenger is better."""
        return float(log_e_value(self.wins, self.losses))

    @property
    def log_e_worse(self) -> float:
        """The logarithm of the evidence that the champion is better (the same process, sides exchanged)."""
        return float(log_e_value(self.losses, self.wins))

    def rejects(self, alpha: float) -> bool:
        """Whether "the challenger is no better" is rejected at level `alpha`, in (0, 1)."""
        return self.log_e >= -math.log(alpha)
