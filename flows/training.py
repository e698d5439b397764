"""Training: a table of vectors becomes a model, and its figures on the newest rows, which it never saw."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.training import BINARY
from flows.metrics import measure
from flows.recipe import Recipe
from flows.rows import Rows, TrainingDataError, read_rows
from flows.splits import newest
from flows.trainers import Examples, Fitted, Values, Vectors, calibrate, trainer

CALIBRATION_SHARE = 0.2


@dataclass(frozen=True)
class Holdout:
    """The last rows by prediction time, which training never saw.

    `vectors` float32 (n, k), `labels` (n,), `predictions` (n,) the model's own: chances, or values. `start`
    is the first prediction time (ms).
    """

    start: int
    vectors: Vectors
    labels: Values
    predictions: Values


@dataclass(frozen=True)
class Trained:
    """A model, the recipe that made it with all its parameters, and its holdout."""

    fitted: Fitted
    recipe: Recipe
    train_rows: int
    left_out_rows: int
    holdout: Holdout

    @property
    def metrics(self) -> dict[str, float | None]:
        """The figures that an experiment keeps."""
        held, recipe = self.holdout, self.recipe
        found = measure(recipe.task, held.labels, held.predictions, recipe.threshold)
        return {
            **{f"holdout_{name}": value for name, value in found.items()},
            "holdout_rows": float(len(held.labels)),
            "holdout_start": float(held.start),
            "train_rows": float(self.train_rows),
            "left_out_rows": float(self.left_out_rows),
        }


def train(table: pa.Table, recipe: Recipe) -> Trained:
    """Train on the earlier rows of `table` (see `read_rows`) and predict the later ones.

    The holdout are the rows from the first prediction time on that leaves `holdout_share` of them. A row
    whose label arrived at or after that moment is neither in the training set nor in the holdout: whoever
    trained at that moment would not have known it. The same table and recipe give the same model. Raises
    `TrainingDataError` where one side is empty or training has one class only.
    """
    rows = read_rows(table, recipe.features)
    split = newest(rows, recipe.holdout_share)
    known, held = rows.take(split.known), rows.take(split.held)
    fitted = fit(known, recipe, split.start)
    holdout = Holdout(split.start, held.vectors, held.labels, fitted.predict(held.vectors))
    left_out = int((~split.held & ~split.known).sum())
    complete = trainer(recipe.trainer).complete(recipe.parameters)
    return Trained(fitted, recipe.with_parameters(complete), len(known), left_out, holdout)


def fit(rows: Rows, recipe: Recipe, moment: int) -> Fitted:
    """Fit on what was known at `moment` (ms); a model that is calibrated keeps the newest rows for that.

    Raises `TrainingDataError` where there is one class only, or no row.
    """
    if not recipe.calibrate:
        return _learn(rows, recipe, moment)
    split = newest(rows, CALIBRATION_SHARE)
    corrects = rows.take(split.held)
    _require_classes(corrects, recipe, "calibration", moment)
    fitted = _learn(rows.take(split.known), recipe, split.start)
    return calibrate(fitted, corrects.vectors, corrects.labels)


def _learn(rows: Rows, recipe: Recipe, moment: int) -> Fitted:
    _require_classes(rows, recipe, "training", moment)
    return trainer(recipe.trainer).fit(
        Examples(rows.vectors, rows.labels, recipe.features, recipe.task),
        recipe.parameters,
        seed=recipe.seed,
        threads=recipe.threads,
    )


def _require_classes(rows: Rows, recipe: Recipe, what: str, moment: int) -> None:
    classes = np.unique(rows.labels)
    if recipe.task == BINARY and not np.array_equal(classes, (0, 1)):
        raise TrainingDataError(
            f"{what} needs both classes, 0 and 1, among the {len(rows)} rows whose labels were known at "
            f"{moment} ms (found {classes[:5].tolist()}); nothing could be learned"
        )
    if not len(rows):
        raise TrainingDataError(f"{what} needs rows whose labels were known at {moment} ms; there is none")
