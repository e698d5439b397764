"""A study: what a search for a model's parameters depends on, but for the training set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from features.search import Choice, Space, space_from_dict, space_to_dict
from features.training import BINARY, Parameter
from flows.recipe import Recipe
from flows.trainers import trainer
from inference.registry import Trial


class TuningError(RuntimeError):
    """A study cannot go on, or has found nothing."""


@dataclass(frozen=True)
class Study:
    """A search of `space` around a recipe, on `folds` blocks of rows that are known at `until` (ms).

    `present` are the parameters of the model's trainings so far: the first trial.
    """

    recipe: Recipe
    space: Space
    folds: int
    until: int
    present: Mapping[str, Parameter]

    @property
    def metric(self) -> str:
        """What is made small, as `flows.metrics` names it."""
        return "log_loss" if self.recipe.task == BINARY else "rmse"

    @property
    def first(self) -> dict[str, Parameter]:
        """The present parameters as far as they are searched and lie in the space."""
        complete = trainer(self.recipe.trainer).complete(self.present)
        return {n: complete[n] for n in self.space if n in complete and self._holds(n, complete[n])}

    def parameters(self, hyperparameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Give a trial's parameters: those of the definition, and what the trial states in their place."""
        return {**self.recipe.parameters, **hyperparameters}

    def recipe_of(self, hyperparameters: Mapping[str, Parameter]) -> Recipe:
        """Give the recipe of a trial."""
        return self.recipe.with_parameters(self.parameters(hyperparameters))

    def searches_as(self, other: "Study") -> bool:
        """Tell whether trials of the other are trials of this one; it may have begun at another moment."""
        return replace(other, until=self.until, present=self.present) == self

    def to_dict(self) -> dict[str, Any]:
        """Give the study as plain data, for JSON."""
        return {
            "recipe": self.recipe.to_dict(),
            "space": space_to_dict(self.space),
            "folds": self.folds,
            "until": self.until,
            "present": dict(self.present),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave."""
        recipe, space = Recipe.from_dict(data["recipe"]), space_from_dict(data["space"])
        return cls(**{**data, "recipe": recipe, "space": space})

    def _holds(self, name: str, value: Parameter) -> bool:
        dimension = self.space[name]
        if isinstance(dimension, Choice):
            return value in dimension.values
        return not isinstance(value, str) and dimension.low <= value <= dimension.high


def best(trials: Iterable[Trial]) -> tuple[int, Trial] | None:
    """Give the number of the trial with the smallest value, and the trial; None where none has a value."""
    valued = [(number, trial) for number, trial in enumerate(trials) if trial.value is not None]
    return min(valued, key=lambda found: found[1].value or 0.0, default=None)
