"""Small real models for the tests."""

import json
from collections.abc import Sequence

import lightgbm
import numpy as np
from onnx import load_model_from_string
from onnx.helper import set_model_props
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType as Floats
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LinearRegression, LogisticRegression

from inference.runtime import VECTOR


def classifier(width: int, weight: float = 1.0, zipmap: bool = False) -> bytes:
    """P(y) = sigmoid(weight * sum(x))."""
    model = LogisticRegression()
    model.classes_ = np.array([0, 1])
    model.coef_ = np.full((1, width), weight)
    model.intercept_ = np.zeros(1)
    return export(model, width, {id(model): {"zipmap": zipmap}})


def naming(payload: bytes, names: Sequence[str]) -> bytes:
    """The same file, which states the names of its vector."""
    model = load_model_from_string(payload)
    set_model_props(model, {VECTOR: json.dumps(list(names))})
    found: bytes = model.SerializeToString()
    return found


def regressor(width: int, weight: float = 1.0) -> bytes:
    model = LinearRegression()
    model.coef_ = np.full(width, weight)
    model.intercept_ = 0.0
    return export(model, width, None)


def classes(width: int, names: Sequence[object]) -> bytes:
    """The raw score of the class at place i is i * sum(x): the last one wins where the sum is positive."""
    model = LogisticRegression()
    model.classes_ = np.array(names)
    model.coef_ = np.outer(np.arange(len(names)), np.ones(width))
    model.intercept_ = np.zeros(len(names))
    return export(model, width, {id(model): {"zipmap": False}})


def targets(width: int, count: int) -> bytes:
    """The target at place i is i + 1 times sum(x)."""
    model = LinearRegression()
    model.coef_ = np.outer(np.arange(1, count + 1), np.ones(width))
    model.intercept_ = np.zeros(count)
    return export(model, width, None)


def trees(width: int, objective: str = "binary", kinds: int = 2) -> tuple[bytes, lightgbm.Booster]:
    """A small model of trees that has learned from random rows, some values missing; and its export."""
    random = np.random.default_rng(7)
    rows = random.normal(size=(400, width)).astype(np.float32).astype(np.float64)
    score = rows @ np.arange(1, width + 1)
    rows[random.random(rows.shape) < 0.1] = np.nan
    edges = np.quantile(score, np.linspace(0, 1, kinds + 1)[1:-1])
    label = score if objective == "regression" else np.digitize(score, edges).astype(np.float64)
    stated = {"objective": objective, "num_leaves": 7, "num_threads": 1, "verbosity": -1}
    if objective == "multiclass":
        stated["num_class"] = kinds
    booster = lightgbm.train(stated, lightgbm.Dataset(rows, label), num_boost_round=10)
    shape = [("vector", Floats([None, width]))]
    exported = convert_lightgbm(booster, name="trees", initial_types=shape, target_opset=15, zipmap=False)
    return exported.SerializeToString(), booster


def export(model: object, width: int | None, options: object) -> bytes:
    inputs = [("vector", FloatTensorType([None, width]))]
    found: bytes = convert_sklearn(model, initial_types=inputs, options=options).SerializeToString()
    return found
