"""LightGBM: gradient-boosted trees."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import lightgbm
import numpy as np
import onnx
from numpy.typing import NDArray
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from features.training import Parameter
from flows.trainers.contract import OPSETS, Examples, Fitted, Values, Vectors

_DEFAULTS: dict[str, Parameter] = {
    "num_iterations": 200,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 50,
}
_FIXED: dict[str, Parameter] = {
    "deterministic": True,  # with force_row_wise and a fixed number of threads: the same bits each time
    "force_row_wise": True,
    "verbosity": -1,
}


class LightGBM:
    """Trains LightGBM models by its own parameters, under any of their aliases."""

    framework = "lightgbm"
    libraries = ("lightgbm", "onnxmltools")

    def complete(self, parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Add defaults; one that is stated under an alias stands, where LightGBM would drop it."""
        defaults = {
            name: value
            for name, value in _DEFAULTS.items()
            if not lightgbm.basic._ConfigAliases.get(name) & parameters.keys()
        }
        return {**defaults, **parameters}

    def fit(
        self, examples: Examples, parameters: Mapping[str, Parameter], *, seed: int, threads: int
    ) -> Fitted:
        """Fit a booster, and round its splits to float32."""
        data = lightgbm.Dataset(
            examples.vectors.astype(np.float64), examples.labels, feature_name=list(examples.features)
        )
        fixed = {**_FIXED, "objective": examples.task, "seed": seed, "num_threads": threads}
        booster = lightgbm.train({**self.complete(parameters), **fixed}, data)
        return FittedTrees(portable(booster), threads)


@dataclass(frozen=True)
class FittedTrees:
    """A booster whose splits are of float32."""

    booster: lightgbm.Booster
    threads: int

    def predict(self, vectors: Vectors) -> Values:
        """Give chances or values (n,)."""
        return np.asarray(self.booster.predict(vectors.astype(np.float64), num_threads=self.threads))

    def graph(self) -> onnx.ModelProto:
        """Convert it by onnxmltools."""
        model: onnx.ModelProto = convert_lightgbm(
            self.booster,
            name="model",  # else a random one, and each export another hash
            initial_types=[("vector", FloatTensorType([None, self.booster.num_feature()]))],
            target_opset=OPSETS[""],
            zipmap=False,
        )
        return model


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
            rounded = not_above(thresholds)
            lines[at] = "threshold=" + " ".join(repr(float(t)) for t in rounded)
            kinds = [int(k) for k in lines[at + 1].removeprefix("decision_type=").split()]
            lines[at + 1] = "decision_type=" + " ".join(
                str(_missing_side(kind, float(t))) for kind, t in zip(kinds, rounded, strict=True)
            )
    text = "\n".join(lines)
    # The sizes were those of the trees as written before; without them LightGBM reads tree by tree.
    return lightgbm.Booster(model_str=re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE))


def not_above(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give the largest float32 that is not above each threshold."""
    rounded = thresholds.astype(np.float32)
    above = rounded.astype(np.float64) > thresholds
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded


_DEFAULT_LEFT, _MISSING_NAN = 2, 8


def _missing_side(kind: int, threshold: float) -> int:
    if kind & 12 == 0:  # LightGBM's "no missing value"
        return _MISSING_NAN | (_DEFAULT_LEFT if threshold >= 0 else 0)
    return kind
