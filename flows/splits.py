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
    return _split(rows, int(rows.predicted[first]), None)


def rolling(rows: Rows, folds: int, share: float = 0.5) -> list[Split]:
    """Validate on the newest `share` of the rows in `folds` blocks, each by what was known as it began.

    Rolling origin (L. Tashman, Out-of-sample tests of forecasting accuracy, 2000): the training side grows
    from fold to fold. Raises `TrainingDataError` where the rows have too few prediction times for that.
    """
    positions = [int(len(rows) * (1 - share + share * fold / folds)) for fold in range(folds)]
    starts = [int(rows.predicted[position]) for position in positions] if len(rows) > folds else []
    if len(set(starts)) < folds:
        raise TrainingDataError(
            f"tuning validates on {folds} blocks of prediction times, one after another (found "
            f"{len(set(starts))} among {len(rows)} rows); nothing could be compared"
        )
    return [_split(rows, start, end) for start, end in zip(starts, [*starts[1:], None], strict=True)]


def _split(rows: Rows, start: int, end: int | None) -> Split:
    before = rows.predicted < start
    held = ~before if end is None else ~before & (rows.predicted < end)
    return Split(start, before & (rows.labelled < start), held)
