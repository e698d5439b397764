"""Splits in time: what is learned from at a moment is what was known at that moment.

A row is learned from where both its prediction and the arrival of its label lie before the moment from which
rows are held out. One that was predicted before it, and labelled at it or after, is on neither side.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.rows import Rows, TrainingDataError


@dataclass(frozen=True)
class Split:
    """Masks (n,) over rows: `known` before `start` (ms), `held` out from it on."""

    start: int
    known: NDArray[np.bool_]
    held: NDArray[np.bool_]


def newest(rows: Rows, share: float) -> Split:
    """Hold out the rows from the first prediction time on that leaves `share` of them.

    Raises `TrainingDataError` where there are fewer than two rows.
    """
    if len(rows) < 2:
        raise TrainingDataError(f"training needs rows on both sides of the holdout (found {len(rows)})")
    first = min(int(len(rows) * (1 - share)), len(rows) - 1)
    start = int(rows.predicted[first])
    before = rows.predicted < start
    return Split(start, before & (rows.labelled < start), ~before)
