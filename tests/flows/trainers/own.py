"""A trainer of one's own: a decision tree."""

from collections.abc import Mapping

from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from flows.trainers import Examples, Fitted, FittedPipeline


def fit(examples: Examples, parameters: Mapping[str, int], *, seed: int, threads: int) -> Fitted:
    kind = DecisionTreeClassifier if examples.task == "binary" else DecisionTreeRegressor
    pipeline = make_pipeline(SimpleImputer(), kind(**parameters, random_state=seed))
    return FittedPipeline(pipeline.fit(examples.vectors, examples.labels), examples.vectors.shape[1])
