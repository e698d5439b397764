from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.rows import Rows, TrainingDataError
from flows.splits import Split, newest, rolling

times = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), min_size=2, max_size=80)


def rows(moments: list[tuple[int, int]]) -> Rows:
    """Make rows of predictions and the lags of their labels."""
    predicted, lag = (np.array(part, dtype=np.int64) for part in zip(*sorted(moments), strict=True))
    n = len(predicted)
    return Rows(predicted, predicted + lag, np.zeros((n, 1), np.float32), np.zeros(n))


def check(split: Split, given: Rows) -> None:
    """No row is learned from whose label had not arrived as the held-out rows began."""
    assert (given.predicted[split.known] < split.start).all()
    assert (given.labelled[split.known] < split.start).all()
    assert (given.predicted[split.held] >= split.start).all()
    assert split.held.any()


@given(times, st.floats(0.05, 0.95))
def test_no_holdout_sees_a_label_that_had_not_arrived(moments: list[tuple[int, int]], share: float) -> None:
    made = rows(moments)
    split = newest(made, share)
    check(split, made)
    early = ~split.known & ~split.held
    assert (made.labelled[early] >= split.start).all()


@given(times, st.integers(1, 5), st.floats(0.1, 0.9))
def test_no_fold_sees_a_label_that_had_not_arrived(
    moments: list[tuple[int, int]], folds: int, share: float
) -> None:
    made = rows(moments)
    try:
        splits = rolling(made, folds, share)
    except TrainingDataError:
        return
    assert len(splits) == folds
    for split in splits:
        check(split, made)
    assert sum(split.held.astype(int) for split in splits).max() == 1
    for before, after in pairwise(splits):
        assert before.start < after.start
        assert (after.known | ~before.known).all()
        assert (made.predicted[before.held] < after.start).all()


def test_blocks_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(TrainingDataError, match="3 blocks of prediction times"):
        rolling(rows([(5, 1)] * 50), 3)
