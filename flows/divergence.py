"""How far a window's values are from a reference's, bin by bin, and what chance alone would make of it.

Both samples are taken as drawn independently, the reference as a sample too: with many rows on one side the
other still bounds what can be told. Values that depend on each other, as those of one busy entity do, make
false alarms more frequent than is stated here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import kolmogorov
from scipy.stats import chi2, fisher_exact, hypergeom

PSI, CHI_SQUARED, KS, WASSERSTEIN = "psi", "chi-squared", "ks", "wasserstein"
LEAST_EXPECTED = 5.0
"""Cells expected to hold less make a chi-squared limit unreliable (Cochran 1954)."""
_SPARSE = 0.005
_OUTER = 0.1
_EXCEEDANCES = 10
_MOST_AT_ONCE = 2_000
_SEED = 20_200_101  # the same counts have the same p value, however often they are compared

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Divergence:
    """What a comparison found: `p_value` is of the statistic where both samples are of one distribution.

    `effect_size` does not grow with the samples: the index itself (psi), Cramér's V (chi-squared), the
    largest difference of the distribution functions (ks), the distance in widths of the reference's middle
    80 % (wasserstein).
    """

    method: str
    statistic: float
    effect_size: float
    p_value: float


def compare(
    method: str,
    reference: ArrayLike,
    current: ArrayLike,
    edges: ArrayLike = (),
    *,
    beyond: int = 0,
    smallest: float = 1e-4,
) -> Divergence:
    """Compare counts by bin, of one shape (k,), the last bin of missing values.

    `edges` are the upper bounds of a number's bins, which only Wasserstein's distance needs; its p values
    are found down to about `smallest`. Of the current values in the outer bins `beyond` lie beyond all of the
    reference's, which PSI's p value goes by too. Raises ValueError where shapes differ or a side is empty.
    """
    held, seen = _counts(reference, current)
    widths = np.diff(np.asarray(edges, dtype=np.float64))
    if method == PSI:
        return _psi(held, seen, beyond)
    if method == CHI_SQUARED:
        return _chi_squared(held, seen)
    if method == KS:
        return _ks(held, seen)
    if method == WASSERSTEIN:
        return _wasserstein(held, seen, widths, smallest)
    known = ", ".join((PSI, CHI_SQUARED, KS, WASSERSTEIN))
    raise ValueError(f"counts are compared by one of {known}; nothing is known of {method!r}")


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Give the population stability index of two arrays of counts by bin, of one shape.

    Half a count is added to every bin that either side has used, so that a bin empty on one side stays
    finite; a bin that both leave empty adds nothing.
    """
    held, seen = _counts(reference, current)
    used = (held + seen) > 0
    return float(_index(held[used], seen[used]))


def psi_exceeded(threshold: float, bins: int, m: int, n: int) -> float:
    """Give the chance that PSI over `bins` bins exceeds a threshold without drift, for m and n values.

    PSI is about (1/m + 1/n) times a chi-squared variable with bins - 1 degrees of freedom: Yurdakul and
    Naranjo, Statistical properties of the population stability index, Journal of Risk Model Validation 14(4),
    2020.
    """
    return float(chi2.sf(threshold * m * n / (m + n), bins - 1))


def _psi(reference: Counts, current: Counts, beyond: int) -> Divergence:
    """Compare by the index over quantile bins, and by how many values lie beyond the reference.

    A bin that the reference leaves empty by its making would inflate the index. Its count has a law of its
    own, exact for every distribution: it takes a tenth of the level, the index the rest.
    """
    pooled = _pooled(reference, current)
    statistic = float(_index(*pooled)) * _scale(reference, current)
    p = _limit(statistic, pooled[0].size) / (1 - _OUTER)
    p = min(1.0, p, exceeded_by_chance(beyond, int(reference[:-1].sum()), int(current[:-1].sum())) / _OUTER)
    return Divergence(PSI, statistic, psi(reference, current), p)


def exceeded_by_chance(beyond: int, m: int, n: int) -> float:
    """Give the chance that so many of n values, or more, lie beyond all of m values of the same distribution.

    They do if at most one of the m is among the `beyond` + 1 that come first, where the values are dealt in
    random order: the law of exceedances (Gumbel and von Schelling, The distribution of the number of
    exceedances, Annals of Mathematical Statistics 21, 1950) for both ends at once. Of values that may be
    equal it is a bound.
    """
    return float(hypergeom.cdf(1, m + n, m, beyond + 1)) if beyond and m else 1.0


def _chi_squared(reference: Counts, current: Counts) -> Divergence:
    used = (reference + current) > 0
    reference, current = reference[used], current[used]
    statistic = float(_pearson(reference, current))
    effect = math.sqrt(statistic / float(reference.sum() + current.sum()))
    pooled = _pooled(reference, current)
    p = _limit(float(_pearson(*pooled)), pooled[0].size)
    if pooled[0].size < reference.size:
        # Pooling hides what happens among rare categories, and a permutation of few draws has no small
        # p values: each makes up for the other, and twice the smaller is a p value again.
        p = min(1.0, 2 * min(p, _permuted(_pearson, reference, current, _SPARSE)))
    return Divergence(CHI_SQUARED, statistic, effect, p)


def _limit(statistic: float, bins: int) -> float:
    return float(chi2.sf(statistic, bins - 1)) if bins > 1 else 1.0


def _pooled(reference: Counts, current: Counts) -> tuple[Counts, Counts]:
    """Make one bin of those expected to hold less than `LEAST_EXPECTED` on the smaller side.

    It goes by both samples together, so that the limit holds as for bins that were fixed before. A bin
    of rare ones that is itself rare joins the next in size.
    """
    m, n = float(reference.sum()), float(current.sum())
    both = reference + current
    order = np.argsort(both, kind="stable")
    expected = both[order] * min(m, n) / (m + n)
    rare = int((expected < LEAST_EXPECTED).sum())
    while 0 < rare < order.size and expected[:rare].sum() < LEAST_EXPECTED:
        rare += 1
    if rare < 2:
        return reference, current
    few, many = order[:rare], order[rare:]
    return (
        np.append(reference[many], reference[few].sum()),
        np.append(current[many], current[few].sum()),
    )


def _ks(reference: Counts, current: Counts) -> Divergence:
    """Compare at the edges alone, missing values as the largest.

    The difference at the edges is at most that over all values, so its p value is at least as large
    (Kolmogorov's limit is known to be conservative for discrete values: Noether 1963).
    """
    distance = float(np.abs(_cumulated(reference) - _cumulated(current)).max())
    statistic = distance * math.sqrt(_scale(reference, current))
    return Divergence(KS, statistic, distance, float(kolmogorov(statistic)))


def _wasserstein(reference: Counts, current: Counts, widths: Counts, smallest: float) -> Divergence:
    """Compare present values rounded up to the next edge, those beyond the last as that.

    What is missing has no place on that line: its share is compared beside it (Fisher's exact test), and
    twice the smaller p value holds.
    """
    held, seen = reference[:-1], current[:-1]
    missing = _p_missing(reference, current)
    if held.size - 1 != widths.size + 1 or not (held.sum() and seen.sum()):
        return Divergence(WASSERSTEIN, 0.0, 0.0, missing)

    def distance(one: ArrayLike, other: ArrayLike) -> Counts:
        apart = np.abs(_cumulated(one) - _cumulated(other))[..., :-2]
        return np.asarray((apart * widths).sum(-1))

    found = float(distance(held, seen))
    ends = np.concatenate(([0.0], widths.cumsum()))
    low, high = np.interp((0.1, 0.9), _cumulated(held)[:-1], ends)
    spread = float(high - low) or float(widths.sum()) or 1.0
    if not (reference[-1] or current[-1]):
        return Divergence(WASSERSTEIN, found, found / spread, _permuted(distance, held, seen, smallest))
    p = min(1.0, 2 * min(_permuted(distance, held, seen, smallest / 2), missing))
    return Divergence(WASSERSTEIN, found, found / spread, p)


def _p_missing(reference: Counts, current: Counts) -> float:
    table = [[int(side[:-1].sum()), int(side[-1])] for side in (reference, current)]
    return float(fisher_exact(table).pvalue)


def _permuted(
    statistic: Callable[[ArrayLike, ArrayLike], Counts], reference: Counts, current: Counts, smallest: float
) -> float:
    """Give the p value under permutation of all values, exact whatever the counts.

    Values are dealt anew to the two samples until ten statistics have come up that are as large (Besag and
    Clifford, Sequential Monte Carlo p-values, Biometrika 78, 1991), and `10 / smallest` times at most.
    """
    random = np.random.default_rng(_SEED)
    pooled = np.asarray(reference + current, dtype=np.int64)
    # of two equal statistics one may come out smaller by rounding
    bound = float(statistic(reference, current)) * (1 - 1e-9)
    most, exceeded, drawn = math.ceil(_EXCEEDANCES / smallest), 0, 0
    while drawn < most:
        size = min(max(drawn, 5 * _EXCEEDANCES), _MOST_AT_ONCE, most - drawn)
        dealt = random.multivariate_hypergeometric(pooled, int(current.sum()), size, method="marginals")
        larger = np.flatnonzero(statistic(pooled - dealt, dealt) >= bound)
        if exceeded + larger.size >= _EXCEEDANCES:
            return _EXCEEDANCES / float(drawn + larger[_EXCEEDANCES - exceeded - 1] + 1)
        exceeded += larger.size
        drawn += size
    return (exceeded + 1) / (drawn + 1)


def _index(reference: ArrayLike, current: ArrayLike) -> Counts:
    p, q = _smoothed(reference), _smoothed(current)
    return np.asarray(((q - p) * np.log(q / p)).sum(-1))


def _smoothed(counts: ArrayLike) -> Counts:
    raised = np.asarray(counts, dtype=np.float64) + 0.5
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def _pearson(reference: ArrayLike, current: ArrayLike) -> Counts:
    held, seen = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    m, n = held.sum(-1, keepdims=True), seen.sum(-1, keepdims=True)
    # both rows of the table at once: (o - e)^2 / e summed over them is this, bin by bin
    return np.asarray(((held * n - seen * m) ** 2 / (held + seen)).sum(-1) / (m * n)[..., 0])


def _counts(reference: ArrayLike, current: ArrayLike) -> tuple[Counts, Counts]:
    held, seen = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if held.shape != seen.shape:
        raise ValueError(
            f"counts to compare have the same bins (found {held.shape} and {seen.shape}); "
            "there is no distance between them"
        )
    if not (held.sum() and seen.sum()):
        raise ValueError(
            f"two samples have values (found {held.sum():.0f} and {seen.sum():.0f}); nothing is compared"
        )
    return held, seen


def _cumulated(counts: ArrayLike) -> Counts:
    running = np.asarray(counts, dtype=np.float64).cumsum(-1)
    return np.asarray(running / running[..., -1:])


def _scale(reference: Counts, current: Counts) -> float:
    m, n = float(reference.sum()), float(current.sum())
    return m * n / (m + n)
