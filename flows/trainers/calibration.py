"""Calibration of chances: Platt's, on the log-odds, as a part of the model and of its ONNX graph."""

from dataclasses import dataclass

import numpy as np
import onnx
from sklearn.linear_model import LogisticRegression

from flows.rows import TrainingDataError
from flows.trainers.contract import Fitted, Values, Vectors
from flows.trainers.graph import Chain

LEAST, MOST = 1e-9, 0.9999
"""Chances beyond are taken for these: near 1, float32 no longer tells how far it is."""


@dataclass(frozen=True)
class Calibrated:
    """A model whose chances p are given as sigmoid(slope * log(p / (1 - p)) + intercept).

    J. Platt, Probabilistic outputs for support vector machines (1999), on the log-odds in place of margins: a
    model that is calibrated already has slope 1 and intercept 0.
    """

    fitted: Fitted
    slope: float
    intercept: float

    def predict(self, vectors: Vectors) -> Values:
        """Give calibrated chances (n,)."""
        odds = self.slope * _log_odds(self.fitted.predict(vectors)) + self.intercept
        return np.asarray(1 / (1 + np.exp(-odds)))

    def graph(self) -> onnx.ModelProto:
        """Append the formula to the model's graph."""
        chain = Chain(self.fitted.graph(), "calibrated")
        chance = chain.add("Clip", chain.prediction, chain.number(LEAST), chain.number(MOST))
        against = chain.add("Log", chain.add("Sub", chain.number(1.0), chance))
        odds = chain.add("Sub", chain.add("Log", chance), against)
        scaled = chain.add(
            "Add", chain.add("Mul", odds, chain.number(self.slope)), chain.number(self.intercept)
        )
        return chain.end([(chain.add("Sigmoid", scaled), onnx.TensorProto.FLOAT, [None, 1])])


def calibrate(fitted: Fitted, vectors: Vectors, labels: Values) -> Calibrated:
    """Fit the two numbers on rows that `fitted` has not learned from.

    Raises `TrainingDataError` where the rows say that a higher chance is a lower one.
    """
    odds = _log_odds(fitted.predict(vectors))
    found = LogisticRegression(C=np.inf, max_iter=1_000).fit(odds[:, None], labels)
    slope, intercept = float(found.coef_[0, 0]), float(found.intercept_[0])
    if slope <= 0:
        raise TrainingDataError(
            f"calibration keeps the order of chances (found slope {slope:g} on {len(labels)} rows); what the "
            "model has learned does not hold in the newest rows"
        )
    return Calibrated(fitted, slope, intercept)


def _log_odds(chances: Values) -> Values:
    within = np.clip(chances, LEAST, MOST)
    return np.asarray(np.log(within) - np.log(1 - within))
