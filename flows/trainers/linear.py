"""scikit-learn's pipelines; the trainer of logistic and ridge regression is one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from features.training import BINARY, Parameter
from flows.trainers.contract import OPSETS, Examples, Fitted, Values, Vectors


class Linear:
    """Trains logistic regression, or ridge regression, on standardised features.

    Missing values take their feature's median. Parameters are those of scikit-learn's `LogisticRegression`
    or `Ridge`.
    """

    framework = "scikit-learn"
    libraries = ("scikit-learn", "skl2onnx")

    def complete(self, parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Add a number of iterations that is enough."""
        return {"max_iter": 1_000, **parameters}

    def fit(
        self, examples: Examples, parameters: Mapping[str, Parameter], *, seed: int, threads: int
    ) -> Fitted:
        """Fit the pipeline."""
        kind = LogisticRegression if examples.task == BINARY else Ridge
        pipeline = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            StandardScaler(),
            kind(**self.complete(parameters), random_state=seed),
        )
        with threadpool_limits(threads, user_api="blas"):  # another number may give another last bit
            pipeline.fit(examples.vectors.astype(np.float64), examples.labels)
        return FittedPipeline(pipeline, examples.vectors.shape[1])


@dataclass(frozen=True)
class FittedPipeline:
    """A fitted pipeline of scikit-learn over `width` features, of steps that skl2onnx knows.

    Its steps compute in float64 here and in float32 in ONNX: what does not bear that is refused at export.
    """

    pipeline: Pipeline
    width: int

    def predict(self, vectors: Vectors) -> Values:
        """Give the chance of the second class, or the value."""
        given = vectors.astype(np.float64)
        if hasattr(self.pipeline, "predict_proba"):
            return np.asarray(self.pipeline.predict_proba(given)[:, 1])
        return np.asarray(self.pipeline.predict(given))

    def graph(self) -> onnx.ModelProto:
        """Convert by skl2onnx."""
        options: dict[str, Any] = {"zipmap": False} if hasattr(self.pipeline, "predict_proba") else {}
        model: onnx.ModelProto = convert_sklearn(
            self.pipeline,
            name="model",  # else a random one, and each export another hash
            initial_types=[("vector", FloatTensorType([None, self.width]))],
            target_opset=OPSETS,
            options=options or None,
        )
        return model
