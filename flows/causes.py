"""What a drifted feature looks like: the world has changed, or what computes the feature has broken.

Each rule is a statement about counts and quantiles of a window beside its reference's; a feature may show
several. None is a test: they are asked of features that a test has found.
"""

from collections.abc import Sequence

import numpy as np

from warehouse.references import Reference

NULLS, CONSTANT, NEW_CATEGORY, SCALED, STALE, DATA = (
    "missing values",
    "constant",
    "new category",
    "scaled",
    "stale group",
    "data",
)
NULLS_JUMP = 0.05
"""Missing values jumped where their share rose by this much, and at least doubled."""
CONSTANT_BEFORE = 0.95
"""A category became constant where all values are one that this share at most were before."""
NEW_SHARE = 0.01
"""There is a new category where so many values are of none of the reference's, and thrice as many as were."""
SCALED_BEYOND = 1.25
SCALED_WITHIN = 0.1
"""Values were scaled, as by a change of unit, where one factor, beyond 1.25 or below its inverse, leads from
the reference's deciles to the window's, but for a tenth of their length. A spread around 0 that widens looks
the same."""
STALE_SHARE = 0.1
"""A group is stale where at least this share of vectors were served with a row of it that was stale."""


def causes(
    reference: Reference, counts: Sequence[int], deciles: Sequence[float], stale_share: float
) -> tuple[str, ...]:
    """Name what a drifted feature shows; `data` where no rule speaks of a broken pipeline.

    `counts` and `deciles` are the window's, as the reference has its own.
    """
    rows = max(sum(counts), 1)
    before, after = reference.counts[-1] / max(reference.rows, 1), counts[-1] / rows
    found = []
    if after - before >= NULLS_JUMP and after >= 2 * before:
        found.append(NULLS)
    if reference.bins.levels is None:
        if _became_constant(reference.deciles, deciles):
            found.append(CONSTANT)
        elif (factor := scale(reference.deciles, deciles)) is not None:
            found.append(f"{SCALED} by {factor:.3g}")
    else:
        present = sum(counts[:-1])
        largest = int(np.argmax(counts[:-1]))
        held = reference.counts[largest] / max(sum(reference.counts[:-1]), 1)
        if present and counts[largest] == present and held <= CONSTANT_BEFORE:
            found.append(CONSTANT)
        others = counts[-2] / rows
        if others >= NEW_SHARE and others >= 3 * reference.counts[-2] / max(reference.rows, 1):
            found.append(NEW_CATEGORY)
    if stale_share >= STALE_SHARE:
        found.append(STALE)
    return tuple(found) or (DATA,)


def broken(found: Sequence[str]) -> bool:
    """Tell whether a feature that shows these causes looks broken."""
    return tuple(found) != (DATA,)


def scale(reference: Sequence[float], current: Sequence[float]) -> float | None:
    """Give the factor by which values were scaled, where they were."""
    held, seen = np.asarray(reference[1:-1]), np.asarray(current[1:-1])  # extremes are no estimate
    if held.shape != seen.shape or not (np.isfinite(held).all() and np.isfinite(seen).all()):
        return None
    if not (held.any() and seen.any()):
        return None
    factor = float(held @ seen / (held @ held))
    if factor <= 0 or 1 / SCALED_BEYOND <= factor <= SCALED_BEYOND:
        return None
    apart = float(np.linalg.norm(seen - factor * held) / np.linalg.norm(seen))
    return factor if apart <= SCALED_WITHIN else None


def _became_constant(reference: Sequence[float], current: Sequence[float]) -> bool:
    if not (reference and current):
        return False
    return current[0] == current[-1] and reference[0] != reference[-1]
