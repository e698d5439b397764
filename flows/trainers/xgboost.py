"""XGBoost: gradient-boosted trees."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from features.training import BINARY, Parameter
from flows.trainers.contract import OPSETS, Examples, Fitted, Values, Vectors

_ROUNDS = "n_estimators"


class XGBoost:
    """Trains XGBoost models by its own parameters, and `n_estimators`, the number of trees."""

    framework = "xgboost"
    libraries = ("xgboost-cpu", "onnxmltools")

    def complete(self, parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Add the number of trees; all else has XGBoost's own defaults."""
        return {_ROUNDS: 200, **parameters}

    def fit(
        self, examples: Examples, parameters: Mapping[str, Parameter], *, seed: int, threads: int
    ) -> Fitted:
        """Fit a booster on histograms, which split at float32 values."""
        given = self.complete(parameters)
        rounds = int(given.pop(_ROUNDS))
        fixed = {
            "objective": "binary:logistic" if examples.task == BINARY else "reg:squarederror",
            "tree_method": "hist",
            "seed": seed,
            "nthread": threads,
            "verbosity": 0,
        }
        data = xgboost.DMatrix(examples.vectors, examples.labels, nthread=threads)
        return _Booster(xgboost.train({**given, **fixed}, data, num_boost_round=rounds))


@dataclass(frozen=True)
class _Booster:
    booster: xgboost.Booster

    def predict(self, vectors: Vectors) -> Values:
        return np.asarray(self.booster.inplace_predict(vectors, missing=np.nan), dtype=np.float64)

    def graph(self) -> onnx.ModelProto:
        model: onnx.ModelProto = convert_xgboost(
            self.booster,
            name="model",  # else a random one, and each export another hash
            initial_types=[("vector", FloatTensorType([None, self.booster.num_features()]))],
            target_opset=OPSETS[""],
        )
        return model
