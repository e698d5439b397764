import numpy as np
import pytest

from flows.folds import Folds
from flows.metrics import log_loss
from flows.rows import TrainingDataError, read_rows
from flows.splits import newest
from flows.training import fit
from tests.flows.searching import study
from tests.flows.tables import FEATURES, SMALL, table


def test_a_folds_loss_is_of_a_model_of_what_was_known_as_it_began() -> None:
    begun = study(folds=2)
    rows = read_rows(table(2_000, label_lag=300_000), FEATURES)
    cut = newest(rows, 0.2).start
    known = rows.take((rows.predicted < cut) & (rows.labelled < cut))
    middle, last = (int(known.predicted[int(len(known) * share)]) for share in (0.5, 0.75))
    held = known.take((known.predicted >= middle) & (known.predicted < last))
    recipe = begun.recipe.with_parameters({**SMALL, "num_leaves": 4})
    fitted = fit(known.take(known.labelled < middle), recipe, middle)
    assert Folds(begun, rows).loss({"num_leaves": 4}, 0) == log_loss(
        held.labels, fitted.predict(held.vectors)
    )


def test_no_fold_has_a_row_of_the_holdout() -> None:
    begun, rows = study(), read_rows(table(2_000), FEATURES)
    held = newest(rows, 0.2).held
    rows.labels[held] = 1 - rows.labels[held]
    rows.vectors[held] = np.nan
    changed = [Folds(begun, rows).loss({}, fold) for fold in range(3)]
    whole = Folds(begun, read_rows(table(2_000), FEATURES))
    assert changed == [whole.loss({}, fold) for fold in range(3)]


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(TrainingDataError, match="blocks of prediction times"):
        Folds(study(), read_rows(table(4), FEATURES))
