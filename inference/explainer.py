"""What made a prediction: the contributions of the features to a model of trees."""

import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType
from typing import Any

import numpy as np

from inference.artifacts import ArtifactStore
from inference.runtime import Matrix, UnfitModelError

SIGNATURE = "explainer"
"""The key of a registered signature under which an explainer's artifact is named."""
_LIGHTGBM = "lightgbm"


def explainer_entry(uri: str, sha256: str) -> dict[str, Any]:
    """Give what a signature says of an explainer: the artifact is a LightGBM booster as text."""
    return {SIGNATURE: {"format": _LIGHTGBM, "uri": uri, "sha256": sha256}}


class Explainer:
    """The trees of one model version, loaded when somebody asks for the first time. For any thread."""

    def __init__(self, artifacts: ArtifactStore, uri: str, sha256: str, width: int) -> None:
        self._artifacts = artifacts
        self._uri = uri
        self._sha256 = sha256
        self._width = width
        self._mutex = threading.Lock()
        self._booster: Any = None

    def explain(self, vectors: Matrix, classes: Sequence[int]) -> Matrix:
        """Give for each of n vectors (n, k) the contributions of its features and the bias, last (n, k + 1).

        Each row adds up to the raw score, of the class at the place that `classes` says where the trees know
        more than two. They are the SHAP values of Lundberg, Erion and Lee, "Consistent Individualized Feature
        Attribution for Tree Ensembles" (2018), as LightGBM computes them. Raises `UnfitModelError`,
        `ArtifactMismatchError`, and whatever the artifacts' store does in an outage.
        """
        with self._mutex:
            if self._booster is None:
                self._booster = self._load()
            rows = vectors.astype(np.float32).astype(np.float64)  # the values that the model has decided by
            try:
                found = self._booster.predict(rows, pred_contrib=True, num_threads=1)
            except Exception as error:
                raise UnfitModelError(f"the trees of {self._uri} cannot be run: {error}") from error
        by_class = np.asarray(found, np.float64).reshape(len(vectors), -1, vectors.shape[1] + 1)
        if by_class.shape[1] == 1:
            return by_class[:, 0]
        return by_class[np.arange(len(vectors)), classes]

    def _load(self) -> Any:  # noqa: ANN401
        text = self._artifacts.get(self._uri, self._sha256)
        try:
            booster = _lightgbm.Booster(model_str=text.decode())
        except Exception as error:
            raise UnfitModelError(
                f"an explainer is a LightGBM booster as text; {self._uri} cannot be read: {error}"
            ) from error
        if booster.num_feature() != self._width:
            raise UnfitModelError(
                f"an explainer takes its model's vector ({self._width} values), or its contributions would "
                f"be others'; {self._uri} takes {booster.num_feature()}"
            )
        return booster


def explainer_of(signature: Mapping[str, Any], artifacts: ArtifactStore, width: int) -> Explainer | None:
    """Give the explainer that a signature names; raises `UnfitModelError` for one of another format."""
    named = signature.get(SIGNATURE)
    if named is None:
        return None
    if named["format"] != _LIGHTGBM:
        raise UnfitModelError(
            f"an explainer is of the format {_LIGHTGBM}, so this one cannot be read ({named['format']!r})"
        )
    return Explainer(artifacts, named["uri"], named["sha256"], width)


def _lazily(name: str) -> ModuleType:
    """Import a module when it is first used, as Python's documentation of importlib has it.

    LightGBM brings pandas and scikit-learn along: a second and 80 MB that a door without explanations spares.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_lightgbm = _lazily(_LIGHTGBM)
