"""What a drifted feature looks like: the world has changed, or what computes the feature has broken.

Each rule is a statement about counts and quantiles of a window beside its reference's; a feature may show
several. None is a test: they are asked of features that a test has found.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from warehouse.references import Reference

NULLS, BEYOND, CONSTANT, NEW_CATEGORY, SCALED, STALE, SILENT, DATA = (
    "missing values",
    "beyond its range",
    "constant",
    "new category",
    "scaled",
    "stale group",
    "silent",
    "data",
)
NULLS_JUMP = 0.05
"""Missing values jumped where their share rose by this much, and at least doubled."""
BEYOND_SHARE = 0.01
"""A number is beyond its range where so many of its values are impossible by the group's contract: another
unit, offset or meaning, whatever the shape of the distribution says."""
CONSTANT_BEFORE = 0.95
"""A category became constant where all values are one that this share at most were before."""
NUMBER_BEFORE = 0.25
"""A number became constant where all values are one that this share at most were before, and half of them or
more are there: a dry day is no broken gauge, where most days are dry."""
NEW_SHARE = 0.01
"""There is a new category where so many values are of none of the reference's, and thrice as many as were."""
SCALED_BEYOND = 1.25
SCALED_WITHIN = 0.1
"""Values were scaled, as by a change of unit, where half of them lie beyond all that the reference held, and
one factor, beyond 1.25 or below its inverse, leads from its deciles to theirs: but for a tenth of their
length, and no worse than one number added to all does. Weather adds, a unit multiplies; and a factor that
leaves values where others have been is one that a windy day has too."""
STALE_SHARE = 0.1
"""A group is stale where at least this share of vectors were served with a row of it that was stale."""
SILENT_SHARE = 0.1
"""Entities are silent where at least this share of vectors were of some of which nothing had come for more
than twice as long as at any time in the month before."""
_NAMED = 3


def causes(
    reference: Reference,
    counts: Sequence[int],
    deciles: Sequence[float],
    stale_share: float,
    silent: Mapping[str, float] = MappingProxyType({}),
    beyond: float = 0.0,
) -> tuple[str, ...]:
    """Name what a drifted feature shows; `data` where no rule speaks of a broken pipeline.

    `counts` and `deciles` are the window's, as the reference has its own; `silent` has the entities that are,
    each with the share of vectors that it had then, and `beyond` is the share of values beyond the range that
    the contract states.
    """
    rows = max(sum(counts), 1)
    before, after = reference.counts[-1] / max(reference.rows, 1), counts[-1] / rows
    found = []
    if after - before >= NULLS_JUMP and after >= 2 * before:
        found.append(NULLS)
    if beyond >= BEYOND_SHARE:
        found.append(BEYOND)
    if reference.bins.levels is None:
        if 2 * counts[-1] <= rows and _became_constant(reference.deciles, deciles):
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
    if sum(silent.values()) >= SILENT_SHARE:
        found.append(_silent(silent))
    return tuple(found) or (DATA,)


def broken(found: Sequence[str]) -> bool:
    """Tell whether a feature that shows these causes looks broken."""
    return tuple(found) not in ((), (DATA,))


def spoilt(found: Sequence[str]) -> bool:
    """Tell whether a feature's values are wrong for all entities: of silent ones the others are right."""
    return any(cause != DATA and not cause.startswith(SILENT) for cause in found)


def scale(reference: Sequence[float], current: Sequence[float]) -> float | None:
    """Give the factor by which values were scaled, where they were; both are deciles."""
    held, seen = np.asarray(reference[1:-1]), np.asarray(current[1:-1])  # extremes are no estimate
    if held.shape != seen.shape or not (np.isfinite(held).all() and np.isfinite(seen).all()):
        return None
    if not (held.any() and seen.any()) or reference[0] <= seen[seen.size // 2] <= reference[-1]:
        return None
    factor = float(held @ seen / (held @ held))
    if factor <= 0 or 1 / SCALED_BEYOND <= factor <= SCALED_BEYOND:
        return None
    apart = np.linalg.norm(seen - factor * held)
    added = np.linalg.norm(seen - held - np.mean(seen - held))
    return factor if apart <= min(SCALED_WITHIN * np.linalg.norm(seen), added) else None


def _became_constant(reference: Sequence[float], current: Sequence[float]) -> bool:
    if not (reference and current) or current[0] != current[-1]:
        return False
    held = reference[1:-1]
    return reference[0] != reference[-1] and held.count(current[0]) <= NUMBER_BEFORE * len(held)


def _silent(shares: Mapping[str, float]) -> str:
    """Name who is silent, those with the most vectors first."""
    names = sorted(shares, key=lambda name: (-shares[name], name))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{SILENT}: {', '.join(names[:_NAMED])}{more}"
