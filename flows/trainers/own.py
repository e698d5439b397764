"""A user's own function as a trainer."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from features.training import Parameter
from flows.trainers.contract import Examples, Fitted


@dataclass(frozen=True)
class Own:
    """Trains by the function at `path` (`module:function`), which takes what `Trainer.fit` takes.

    It is imported when it is first needed. Raises `LookupError` where there is none.
    """

    path: str
    framework = "own"
    libraries = ()

    def complete(self, parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Give the parameters as they are: defaults are the function's."""
        return dict(parameters)

    def fit(
        self, examples: Examples, parameters: Mapping[str, Parameter], *, seed: int, threads: int
    ) -> Fitted:
        """Call the function."""
        fitted: Fitted = self._function()(examples, parameters, seed=seed, threads=threads)
        return fitted

    def _function(self) -> Callable[..., Any]:
        module, _, name = self.path.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ModuleNotFoundError, AttributeError) as error:
            raise LookupError(
                f"a trainer of one's own is a function that can be imported, as module:function; nothing can "
                f"be trained by {self.path!r}: {error}"
            ) from error
        return found  # type: ignore[no-any-return]
