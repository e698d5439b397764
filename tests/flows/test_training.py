from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features.training import REGRESSION
from flows.recipe import Recipe
from flows.rows import TrainingDataError
from flows.training import Trained, train
from tests.flows.tables import FEATURES, SMALL, table


def trained(data: pa.Table, **changes: Any) -> Trained:
    return train(data, Recipe(FEATURES, parameters=SMALL, **changes))


def test_learns_and_scores_the_later_rows() -> None:
    found = trained(table())
    metrics = found.metrics
    assert metrics["holdout_auc"] is not None
    assert metrics["holdout_auc"] > 0.8
    assert 0 < (metrics["holdout_log_loss"] or 0) < 0.6
    assert len(found.holdout.labels) == 800
    assert found.holdout.start == 1_000_000 + 3_200 * 1_000
    assert metrics["holdout_rows"] == 800
    assert found.recipe.parameters["num_iterations"] == 20


def test_no_label_that_came_after_the_holdout_began_is_learned_from() -> None:
    # Labels come 100 rows after their predictions, so that the last 100 before the holdout, and the one
    # whose label came at its very start, are left out.
    found = trained(table(label_lag=100_000))
    assert found.left_out_rows == 100
    assert found.train_rows == 3_200 - 100


def test_rows_that_tie_with_the_first_of_the_holdout_are_held_out() -> None:
    data = table(1_000)
    late = np.repeat(np.arange(10), 100) * 1_000  # ten moments; the cut at 75 % falls inside the eighth
    data = data.set_column(data.column_names.index("prediction_time"), "prediction_time", pa.array(late))
    data = data.set_column(data.column_names.index("label_time"), "label_time", pa.array(late))
    found = trained(data, holdout_share=0.25)
    assert found.holdout.start == 7_000
    assert len(found.holdout.labels) == 300
    assert found.train_rows == 700


@pytest.mark.parametrize("threads", [1, 2])
def test_is_the_same_bit_for_bit(threads: int) -> None:
    a, b = (trained(table(), seed=3, threads=threads) for _ in range(2))
    assert a.metrics == b.metrics
    assert np.array_equal(a.holdout.predictions, b.holdout.predictions)


def test_a_number_is_learned_too() -> None:
    found = trained(table(regression=True), task=REGRESSION)
    assert 0 < (found.metrics["holdout_rmse"] or 0) < 2
    assert "holdout_auc" not in found.metrics


@pytest.mark.parametrize("missing", ["gaps", "label_time"])
def test_a_missing_column_is_named(missing: str) -> None:
    with pytest.raises((TrainingDataError, KeyError), match=missing):
        trained(table().drop_columns([missing]))


def test_unusable_tables_are_refused() -> None:
    data = table()
    one_class = data.set_column(data.column_names.index("label"), "label", pa.array([True] * len(data)))
    with pytest.raises(TrainingDataError, match=r"both classes.*found \[1.0\]"):
        trained(one_class)
    with pytest.raises(TrainingDataError, match="calibration needs both classes"):
        trained(one_class, calibrate=True)
    with pytest.raises(TrainingDataError, match="found 0"):
        trained(data.slice(0, 0))
    number = table(regression=True)
    with pytest.raises(TrainingDataError, match="both classes, 0 and 1"):
        trained(number)
    with pytest.raises(TrainingDataError, match="there is none"):
        trained(table(regression=True, label_lag=10_000_000), task=REGRESSION)
    unknown = pa.array([None] * len(data), pa.timestamp("ms"))
    without = data.set_column(data.column_names.index("label_time"), "label_time", unknown)
    with pytest.raises(TrainingDataError, match="label_time"):
        trained(without)


def test_a_trainer_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(LookupError, match=r"nothing can be trained by 'no\.such:function'"):
        trained(table(), trainer="no.such:function")
