from dataclasses import dataclass

import numpy as np
import onnx
import pytest

from flows.metrics import log_loss
from flows.recipe import Recipe
from flows.rows import TrainingDataError, read_rows
from flows.splits import newest
from flows.trainers import Values, Vectors, calibrate
from flows.training import CALIBRATION_SHARE, fit, train
from tests.flows.tables import FEATURES, table


@dataclass(frozen=True)
class Told:
    """A model that takes its only feature for log-odds, times `scale`."""

    scale: float

    def predict(self, vectors: Vectors) -> Values:
        return 1 / (1 + np.exp(-self.scale * vectors[:, 0].astype(np.float64)))

    def graph(self) -> onnx.ModelProto:
        raise NotImplementedError


def rows(n: int = 20_000) -> tuple[Vectors, Values]:
    rng = np.random.default_rng(3)
    odds = rng.normal(size=(n, 1)).astype(np.float32)
    return odds, (rng.random(n) < 1 / (1 + np.exp(-odds[:, 0]))).astype(np.float64)


@pytest.mark.parametrize("scale", [1.0, 2.0, 0.5])
def test_it_takes_back_what_a_model_is_too_sure_of(scale: float) -> None:
    found = calibrate(Told(scale), *rows())
    assert found.slope == pytest.approx(1 / scale, rel=0.05)
    assert found.intercept == pytest.approx(0, abs=0.05)


def test_it_lowers_the_loss_of_a_model_that_is_too_sure() -> None:
    vectors, labels = rows()
    found = calibrate(Told(4.0), vectors[:10_000], labels[:10_000])
    before, after = (log_loss(labels[10_000:], m.predict(vectors[10_000:])) for m in (Told(4.0), found))
    assert after < before - 0.1


def test_the_order_of_chances_stays() -> None:
    vectors, labels = rows()
    given = np.linspace(-4, 4, 100, dtype=np.float32)[:, None]
    assert (np.diff(calibrate(Told(2.0), vectors, labels).predict(given)) > 0).all()


def test_what_would_turn_it_round_is_refused() -> None:
    vectors, labels = rows()
    with pytest.raises(TrainingDataError, match="keeps the order of chances"):
        calibrate(Told(-1.0), vectors, labels)


def test_what_is_corrected_on_is_not_learned_from() -> None:
    # Of the newest rows the labels are turned round: a model that had learned from them would know.
    recipe = Recipe(FEATURES, "linear", calibrate=True)
    known = read_rows(table(), FEATURES)
    split = newest(known, CALIBRATION_SHARE)
    plain = fit(known.take(split.known), Recipe(FEATURES, "linear"), split.start)
    corrected = fit(known, recipe, int(known.predicted[-1]) + 1)
    order = [np.argsort(model.predict(known.vectors[:500])).tolist() for model in (plain, corrected)]
    assert order[0] == order[1]


def test_a_calibrated_model_is_calibrated_in_the_holdout() -> None:
    sure = {"num_iterations": 300, "num_leaves": 63, "min_data_in_leaf": 5}
    losses = [
        train(table(), Recipe(FEATURES, parameters=sure, calibrate=on)).metrics["holdout_log_loss"]
        for on in (False, True)
    ]
    assert losses[1] is not None
    assert losses[0] is not None
    assert losses[1] < losses[0]
