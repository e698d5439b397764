"""Where tuning searches for a model's parameters, as its definition states it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from features.errors import DefinitionError
from features.training import Parameter
from features.windows import milliseconds

MAX_FOLDS = 20


@dataclass(frozen=True)
class Integer:
    """Whole numbers from `low` to `high`, both included; evenly on a logarithmic scale with `log`."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Real:
    """Numbers from `low` to `high`; evenly on a logarithmic scale with `log`."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of `values`, which have no order."""

    values: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))


Dimension = Integer | Real | Choice
Space = Mapping[str, Dimension]


@dataclass(frozen=True)
class Search:
    """A search of a trainer's parameters: each in a dimension of `space`, under the trainer's own name.

    It ends with `trials` trials, or after `minutes`, when no further fold of one begins. A trial is judged on
    `folds` blocks of newer rows, each by what was known as it began. With `every`, a retraining searches
    first where what was found last is that much older, on the log's clock; without it, only `augury tune`
    searches.
    """

    space: Space
    trials: int = 50
    minutes: float | None = None
    folds: int = 4
    every: str | None = None

    @property
    def every_ms(self) -> int | None:
        """How old what was found may become, in ms."""
        return None if self.every is None else milliseconds(self.every, "search, every")


def check_search(place: str, search: Search) -> None:
    """Check what a model's definition says of its search. Raises `DefinitionError`."""
    place = f"{place}, search"
    if not search.space:
        raise DefinitionError(place, "a search has a space of one parameter or more", "it would find none")
    for name, dimension in search.space.items():
        _check_dimension(f"{place} {name}", dimension)
    if search.trials < 1:
        raise DefinitionError(place, "a search has one trial or more", "it would find none", search.trials)
    if search.minutes is not None and not 0 < search.minutes < math.inf:
        rule = "minutes are a number above 0, or None"
        raise DefinitionError(place, rule, "no trial could begin", search.minutes)
    if not 1 <= search.folds <= MAX_FOLDS:
        rule = f"a trial has 1 to {MAX_FOLDS} folds"
        raise DefinitionError(place, rule, "nothing could be compared", search.folds)
    if search.every is not None:
        milliseconds(search.every, f"{place}, every")


def space_to_dict(space: Space) -> dict[str, dict[str, Any]]:
    """Give a space as plain data, for JSON."""
    return {
        name: {"kind": type(dimension).__name__.lower(), **asdict(dimension)}
        for name, dimension in space.items()
    }


def space_from_dict(data: Mapping[str, Mapping[str, Any]]) -> dict[str, Dimension]:
    """Read what `space_to_dict` gave."""
    kinds: dict[str, type[Dimension]] = {"integer": Integer, "real": Real, "choice": Choice}
    return {
        name: kinds[stated["kind"]](**{k: v for k, v in stated.items() if k != "kind"})
        for name, stated in data.items()
    }


def _check_dimension(place: str, dimension: Dimension) -> None:
    if isinstance(dimension, Choice):
        if len(set(dimension.values)) < 2:
            rule = "a choice has two values or more"
            raise DefinitionError(place, rule, "there would be nothing to search", dimension.values)
        return
    low, high = dimension.low, dimension.high
    if not -math.inf < low < high < math.inf:
        rule = "a range goes from a number to a larger one"
        raise DefinitionError(place, rule, "there would be nothing to search", (low, high))
    if isinstance(dimension, Integer) and not (isinstance(low, int) and isinstance(high, int)):
        rule = "whole numbers lie between whole numbers"
        raise DefinitionError(place, rule, "the bounds could not be tried", (low, high))
    if dimension.log and low <= 0:
        rule = "a logarithmic range begins above 0"
        raise DefinitionError(place, rule, "its scale would have no beginning", low)
