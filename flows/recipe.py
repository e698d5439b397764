"""The recipe of a model: all that its training depends on but the training set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from features.training import BINARY, Parameter


@dataclass(frozen=True)
class Recipe:
    """How a model is trained from a table.

    `features` are the vector's columns in order. The newest `holdout_share` of the rows is never
    learned from; with `calibrate`, the newest of what is left correct the chances alone.
    """

    features: tuple[str, ...]
    trainer: str = "lightgbm"
    task: str = BINARY
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    calibrate: bool = False
    threshold: float = 0.5
    seed: int = 1
    threads: int = 1
    holdout_share: float = 0.2

    def with_parameters(self, parameters: Mapping[str, Parameter]) -> Self:
        """Give the recipe with other parameters."""
        return replace(self, parameters=dict(parameters))

    def to_dict(self) -> dict[str, Any]:
        """Give the recipe as plain data, for JSON."""
        return {**asdict(self), "features": list(self.features), "parameters": dict(self.parameters)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave."""
        return cls(**{**data, "features": tuple(data["features"])})
