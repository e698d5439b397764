"""Drift of one feature: reference bins frozen at training, and the population stability index.

PSI is a distance with customary thresholds (0.1, 0.2), not a test: under no drift its expectation is
about (k - 1) (1/n + 1/m) for k bins, n reference and m current values, and its tail depends on all
three. So a fixed threshold has no fixed error rate: with 11 bins and two independent samples of 500
values, PSI beyond 0.2 under no drift is rarer than one in a million, with 50 values it is the rule.
`psi` therefore refuses samples below `MIN_VALUES`. Values that depend on each other, as those of one
busy entity do, make false alarms more frequent than that, and each feature tested is one more chance
for one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_VALUES = 500
"""The fewest values on either side for which a PSI is given."""


@dataclass(frozen=True)
class ReferenceBins:
    """Quantile bins of a feature, with the reference's counts; the last count is of missing values.

    `edges` (ascending, at most bins - 1 of them) are the inner bounds: bin i holds
    edges[i-1] < value <= edges[i].
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: ArrayLike, bins: int = 10) -> "ReferenceBins":
        """Freeze the bins on reference values, shape (n,), NaN where missing."""
        array = np.asarray(values, dtype=np.float64)
        present = array[~np.isnan(array)]
        inner = np.arange(1, bins) / bins
        # Observed values as bounds ("lower"), so that equal values never straddle one; the largest value
        # bounds nothing.
        edges = np.unique(np.quantile(present, inner, method="lower")) if present.size else np.empty(0)
        edges = edges[edges < present.max()] if present.size else edges
        reference = cls(tuple(float(e) for e in edges), ())
        return cls(reference.edges, tuple(int(c) for c in reference.count(array)))

    def count(self, values: ArrayLike) -> NDArray[np.int64]:
        """Count values, shape (n,), by bin; shape (len(edges) + 2,), missing values last."""
        array = np.asarray(values, dtype=np.float64)
        missing = np.isnan(array)
        where = np.searchsorted(np.asarray(self.edges), array[~missing], side="left")
        counts = np.bincount(where, minlength=len(self.edges) + 1)
        return np.append(counts, missing.sum()).astype(np.int64)


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Give the population stability index between two arrays of counts by bin, of one shape.

    Half a count is added to every bin that either side has used, so that a bin empty on one side stays
    finite; a bin that both leave empty adds nothing. Raises ValueError below `MIN_VALUES` on a side.
    """
    expected, actual = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if expected.shape != actual.shape:
        raise ValueError(
            f"counts to compare have the same bins (found {expected.shape} and {actual.shape}); "
            "there is no index between them"
        )
    smallest = int(min(expected.sum(), actual.sum()))
    if smallest < MIN_VALUES:
        raise ValueError(
            f"an index needs at least {MIN_VALUES} values on either side (found {smallest}); "
            "a smaller one would mostly measure chance"
        )
    used = (expected + actual) > 0
    p = (expected[used] + 0.5) / (expected[used] + 0.5).sum()
    q = (actual[used] + 0.5) / (actual[used] + 0.5).sum()
    return float(np.sum((q - p) * np.log(q / p)))
