"""Training rows: vectors and labels in order of prediction time, each with the moment its label arrived.

Vectors are rounded to float32, as serving rounds them, and missing values are NaN, as serving gives them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

PREDICTION_TIME = "prediction_time"
LABEL_TIME = "label_time"
LABEL = "label"


class TrainingDataError(ValueError):
    """The table cannot train a model; the text states the rule and what was found."""


@dataclass(frozen=True)
class Rows:
    """Rows in order of `predicted` (n,), in ms as `labelled` is; `vectors` float32 (n, k), `labels` (n,)."""

    predicted: NDArray[np.int64]
    labelled: NDArray[np.int64]
    vectors: NDArray[np.float32]
    labels: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.predicted)

    def take(self, kept: NDArray[np.bool_]) -> "Rows":
        """Give the rows that `kept` (n,) is true for."""
        return Rows(self.predicted[kept], self.labelled[kept], self.vectors[kept], self.labels[kept])


def read_rows(table: pa.Table, features: Sequence[str]) -> Rows:
    """Read a training set, whose order does not matter.

    `table` has `prediction_time` and `label_time` (integer or timestamp, ms), `label` (a number or boolean)
    and a column for each of `features`. Raises `TrainingDataError` where one is missing.
    """
    predicted, labelled = _milliseconds(table, PREDICTION_TIME), _milliseconds(table, LABEL_TIME)
    order = np.lexsort((labelled, predicted))  # rows that tie in both keep the table's order
    vectors = np.column_stack([_column(table, name) for name in features]).astype(np.float32)
    return Rows(predicted[order], labelled[order], vectors[order], _column(table, LABEL)[order])


def numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Give a column as floats (n,); missing values are NaN, times are ms."""
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", tz=column.type.tz)).cast(pa.int64())
    values = column.cast(pa.float64(), safe=False)
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _column(table: pa.Table, name: str) -> NDArray[np.float64]:
    if name not in table.column_names:
        raise TrainingDataError(
            f"a training table has a column for each feature, {PREDICTION_TIME}, {LABEL_TIME} and {LABEL} "
            f"(found no {name!r}); the vector could not be filled"
        )
    return numbers(table, name)


def _milliseconds(table: pa.Table, name: str) -> NDArray[np.int64]:
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", tz=column.type.tz))
    if column.null_count:
        raise TrainingDataError(
            f"every training row has a {name} (found {column.null_count} without); "
            "it could not be told whether the label was known in time"
        )
    return np.asarray(column.cast(pa.int64()).to_numpy(), dtype=np.int64)
