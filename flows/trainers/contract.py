"""What a trainer is: it fits a model, and what it fitted predicts and exports itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from features.training import Parameter

Vectors = NDArray[np.float32]
Values = NDArray[np.float64]
OPSETS = {"": 15, "ai.onnx.ml": 3}
"""The versions of ONNX operators that every export is written in."""


@dataclass(frozen=True)
class Examples:
    """What is learned from: `vectors` (n, k), whose columns are `features`, and `labels` (n,).

    `task` is `binary` (labels are 0 and 1) or `regression`. A missing value is NaN.
    """

    vectors: Vectors
    labels: Values
    features: tuple[str, ...]
    task: str


class Fitted(Protocol):
    """A model that has learned."""

    def predict(self, vectors: Vectors) -> Values:
        """Give the chance of the positive class, or the value, for each row (n, k); shape (n,)."""

    def graph(self) -> onnx.ModelProto:
        """Give it as ONNX: input `vector` float32 (n, k), and one float output.

        That is (n, 2), the chances of both classes, or (n, 1), the prediction. Outputs of other types
        are dropped. The same model gives the same bytes.
        """


class Trainer(Protocol):
    """Fits models of one kind. The same examples, parameters, seed and threads give the same model.

    `framework` is the library that trains, as the registry names it; `libraries` are the distributions whose
    versions an experiment keeps. `parameters` are the trainer's own, on top of its `defaults`.
    """

    @property
    def framework(self) -> str:
        """The library that trains."""

    @property
    def libraries(self) -> Sequence[str]:
        """The distributions that the result depends on."""

    def complete(self, parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Give `parameters` with the trainer's own defaults for what they do not state."""

    def fit(
        self, examples: Examples, parameters: Mapping[str, Parameter], *, seed: int, threads: int
    ) -> Fitted:
        """Learn from `examples`; both classes are among them where the task is binary."""
