"""Training: a table of vectors in order of prediction time becomes a gradient-boosted model and its holdout.

Inputs are rounded to float32, as serving rounds them, and missing values are NaN, as serving gives them.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flows import metrics

PREDICTION_TIME = "prediction_time"
LABEL_TIME = "label_time"
LABEL = "label"

_DEFAULTS: dict[str, float | int | str] = {
    "num_iterations": 200,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 50,
}
_FIXED: dict[str, float | int | str | bool] = {
    "objective": "binary",
    "deterministic": True,  # with force_row_wise and a fixed number of threads: the same bits each time
    "force_row_wise": True,
    "verbosity": -1,
}


class TrainingDataError(ValueError):
    """The table cannot train a model; the text states the rule and what was found."""


@dataclass(frozen=True)
class Holdout:
    """The last rows by prediction time, which training never saw.

    `vectors` float32 (n, k), `labels` (n,) of 0 and 1, `scores` (n,) the model's own probabilities.
    `start` is the first prediction time (ms). `auc` and `log_loss` are NaN where one class is absent.
    """

    start: int
    vectors: NDArray[np.float32]
    labels: NDArray[np.float64]
    scores: NDArray[np.float64]
    auc: float
    log_loss: float


@dataclass(frozen=True)
class Trained:
    """A model, the parameters that made it, the rows it learned from and its holdout."""

    booster: lightgbm.Booster
    features: tuple[str, ...]
    parameters: dict[str, float | int | str]
    train_rows: int
    left_out_rows: int
    holdout: Holdout

    @property
    def metrics(self) -> dict[str, float | None]:
        """The figures that an experiment keeps; None where there is none, for JSON has no NaN."""
        return {
            "holdout_auc": _number(self.holdout.auc),
            "holdout_log_loss": _number(self.holdout.log_loss),
            "holdout_rows": float(len(self.holdout.labels)),
            "holdout_start": float(self.holdout.start),
            "train_rows": float(self.train_rows),
            "left_out_rows": float(self.left_out_rows),
        }


def train(
    table: pa.Table,
    features: Sequence[str],
    *,
    parameters: Mapping[str, float | int | str],
    seed: int,
    holdout_share: float = 0.2,
    threads: int = 1,
) -> Trained:
    """Train on the earlier rows of `table` and score the later ones.

    `table` has `prediction_time` and `label_time` (integer or timestamp, ms), `label` (boolean or 0/1)
    and a column for each of `features`; its order does not matter. The holdout are the rows from the
    first prediction time on that leaves `holdout_share` of them. A row whose label arrived at or after
    that moment is neither in the training set nor in the holdout: whoever trained at that moment would
    not have known it. The same table, parameters, seed and number of threads give the same model.
    Raises `TrainingDataError` where one side is empty or training has one class only.
    """
    predicted, labelled = _milliseconds(table, PREDICTION_TIME), _milliseconds(table, LABEL_TIME)
    order = np.lexsort((labelled, predicted))  # rows that tie in both keep the table's order
    predicted, labelled = predicted[order], labelled[order]
    labels = _column(table, LABEL)[order]
    vectors = _vectors(table, features)[order]
    if len(predicted) < 2:
        raise TrainingDataError(f"training needs rows on both sides of the holdout (found {len(predicted)})")
    first = min(int(len(predicted) * (1 - holdout_share)), len(predicted) - 1)
    start = int(predicted[first])
    held = predicted >= start
    known = ~held & (labelled < start)
    classes = np.unique(labels[known])
    if len(classes) < 2:
        raise TrainingDataError(
            f"training needs both classes among the {int(known.sum())} rows whose labels were known at "
            f"{start} ms, the start of the holdout (found {classes.tolist()}); nothing could be learned"
        )
    chosen = {**_DEFAULTS, **parameters}
    data = lightgbm.Dataset(vectors[known].astype(np.float64), labels[known], feature_name=list(features))
    booster = lightgbm.train({**chosen, **_FIXED, "seed": seed, "num_threads": threads}, data)
    booster = portable(booster)
    scores = np.asarray(booster.predict(vectors[held].astype(np.float64), num_threads=threads))
    holdout = Holdout(
        start=start,
        vectors=vectors[held],
        labels=labels[held],
        scores=scores,
        auc=metrics.auc(labels[held], scores),
        log_loss=log_loss(labels[held], scores),
    )
    left_out = int((~held & ~known).sum())
    return Trained(booster, tuple(features), chosen, int(known.sum()), left_out, holdout)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def portable(booster: lightgbm.Booster) -> lightgbm.Booster:
    """Give the same model with splits that a float32 runtime decides alike.

    A threshold becomes the largest float32 that is not above it: no float32 value changes sides. A split
    that saw no missing value in training takes NaN for 0 in LightGBM; ONNX has no such rule, so the side
    on which 0 falls is written down as the side of missing values.
    """
    lines = booster.model_to_string().split("\n")
    for at, line in enumerate(lines):
        if line.startswith("threshold="):
            thresholds = np.array(line.removeprefix("threshold=").split(), dtype=np.float64)
            rounded = thresholds.astype(np.float32)
            above = rounded.astype(np.float64) > thresholds
            rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
            lines[at] = "threshold=" + " ".join(repr(float(t)) for t in rounded)
            kinds = [int(k) for k in lines[at + 1].removeprefix("decision_type=").split()]
            lines[at + 1] = "decision_type=" + " ".join(
                str(_missing_side(kind, float(t))) for kind, t in zip(kinds, rounded, strict=True)
            )
    text = "\n".join(lines)
    # The sizes were those of the trees as written before; without them LightGBM reads tree by tree.
    return lightgbm.Booster(model_str=re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE))


_DEFAULT_LEFT, _MISSING_NAN = 2, 8


def _missing_side(kind: int, threshold: float) -> int:
    if kind & 12 == 0:  # LightGBM's "no missing value"
        return _MISSING_NAN | (_DEFAULT_LEFT if threshold >= 0 else 0)
    return kind


def log_loss(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Give the mean negative log-likelihood in nats; NaN where one class is absent."""
    return metrics.log_loss(labels, scores) if len(np.unique(labels > 0.5)) == 2 else float("nan")


def _vectors(table: pa.Table, features: Sequence[str]) -> NDArray[np.float32]:
    return np.column_stack([_column(table, name) for name in features]).astype(np.float32)


def _column(table: pa.Table, name: str) -> NDArray[np.float64]:
    if name not in table.column_names:
        raise TrainingDataError(
            f"a training table has a column for each feature, {PREDICTION_TIME}, {LABEL_TIME} and {LABEL} "
            f"(found no {name!r}); the vector could not be filled"
        )
    values = table.column(name).cast(pa.float64(), safe=False)
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)  # null is NaN


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
