"""Small real models for the tests."""

import numpy as np
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LinearRegression, LogisticRegression


def classifier(width: int, weight: float = 1.0, zipmap: bool = False) -> bytes:
    """P(y) = sigmoid(weight * sum(x))."""
    model = LogisticRegression()
    model.classes_ = np.array([0, 1])
    model.coef_ = np.full((1, width), weight)
    model.intercept_ = np.zeros(1)
    return export(model, width, {id(model): {"zipmap": zipmap}})


def regressor(width: int, weight: float = 1.0) -> bytes:
    model = LinearRegression()
    model.coef_ = np.full(width, weight)
    model.intercept_ = 0.0
    return export(model, width, None)


def export(model: object, width: int | None, options: object) -> bytes:
    inputs = [("vector", FloatTensorType([None, width]))]
    found: bytes = convert_sklearn(model, initial_types=inputs, options=options).SerializeToString()
    return found
