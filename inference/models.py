"""The set of loaded models: what serves now, swapped whole when the registry changes."""

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import zip_longest
from time import monotonic
from typing import NamedTuple

from features.cutover import CutoverError, Routes, reroute
from features.freezing import Frozen, freeze
from features.vector import ModelPlan
from inference.artifacts import ArtifactMismatchError, ArtifactStore
from inference.explainer import Explainer, explainer_of
from inference.records import RequestError
from inference.registry import ModelVersion, Registry, UnknownModelError
from inference.runtime import OnnxModel, UnfitModelError
from inference.vector import VectorReader

_PINNED = 16
_TOLD, _TOLD_SECONDS = 1_000, 1.0
UNLOADABLE = (UnfitModelError, ArtifactMismatchError, FileNotFoundError, PermissionError, CutoverError)
_LOG = logging.getLogger(__name__)


class OutageError(RuntimeError):
    """The registry or the artifact store does not answer: what was asked is asked again later."""


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model version that can answer. Whoever holds it can finish with it, swapped out or not.

    `signed` is the plan that it was trained on, `plan` the same with the group versions that it reads and the
    features that are frozen; `explainer` what the version was registered with, if it was.
    """

    name: str
    version: int
    sha256: str
    signed: ModelPlan
    plan: ModelPlan
    reader: VectorReader
    onnx: OnnxModel
    explainer: Explainer | None


@dataclass(frozen=True)
class Variants:
    """Who answers for one model name; `outage` where one of them waits for the artifact store."""

    champion: LoadedModel | None = None
    challenger: LoadedModel | None = None
    challenger_share: float = 0.0
    shadow: LoadedModel | None = None
    problems: tuple[str, ...] = ()
    outage: bool = False

    @property
    def served(self) -> tuple[LoadedModel | None, LoadedModel | None, LoadedModel | None]:
        """The champion, the challenger and the shadow."""
        return self.champion, self.challenger, self.shadow

    def version(self, version: int) -> LoadedModel | None:
        """Give the one of them that is of a version, if there is one."""
        return next((m for m in self.served if m is not None and m.version == version), None)


class Serving(dict[str, Variants]):
    """Who answers for each model name at one moment."""

    def of(self, model_name: str) -> Variants:
        """Give who answers; raises `RequestError` (unknown-model)."""
        found = self.get(model_name)
        if found is None:
            raise RequestError(
                "unknown-model",
                f"a request names a registered model ({', '.join(sorted(self)) or 'there is none'}); nothing "
                f"can answer for {model_name!r}",
            )
        return found


class _Reading(NamedTuple):
    """What is read otherwise than signatures say: other versions of groups, defaults for frozen features."""

    routes: Routes
    frozen: Frozen


class Models:
    """Models by name, loaded from the registry's artifacts.

    A version that cannot be loaded, or whose vector does not fit its contract, leaves the old one serving,
    in a process that starts anew the champion that it replaced; `Variants.problems` says so. All models go
    over to another version of a group at once.
    """

    def __init__(self, registry: Registry, artifacts: ArtifactStore) -> None:
        self._registry = registry
        self._artifacts = artifacts
        self._serving = Serving()
        self._pinned: OrderedDict[tuple[str, int], LoadedModel] = OrderedDict()
        self._failed: dict[tuple[str, int], tuple[float, RequestError | OutageError]] = {}
        self._reading = _Reading({}, {})
        self.swaps: Counter[str] = Counter()  # by model: how often others answer than before
        self._mutex = threading.Lock()

    def names(self) -> list[str]:
        """Give the names of all models, sorted."""
        return sorted(self._serving)

    def serving(self) -> Serving:
        """Give who answers now; it stays as it is, whatever is swapped meanwhile."""
        return self._serving

    def variants(self, model_name: str) -> Variants:
        """Give who answers for one model now; raises `RequestError` (unknown-model)."""
        return self._serving.of(model_name)

    def version(self, model_name: str, version: int) -> LoadedModel:
        """Give one version, loaded on its first use.

        Raises `RequestError` (unknown or unloadable), and `OutageError`, which says nothing of the version.
        """
        model = self.variants(model_name).version(version)
        if model is not None:
            return model
        known = self._pinned.get((model_name, version))
        if known is not None:  # without the lock, which a refresh holds while it loads
            with suppress(KeyError):  # it may be dropped meanwhile
                self._pinned.move_to_end((model_name, version))
            return known
        until, failed = self._failed.get((model_name, version), (0.0, None))
        if failed is not None and monotonic() < until:
            raise failed.with_traceback(None)
        with self._mutex:
            model = self._pinned.get((model_name, version))
            if model is None:
                try:
                    model = self._load(self._registry.get(model_name, version), self._reading)
                except UnknownModelError as error:
                    raise RequestError("unknown-version", str(error)) from None
                except UNLOADABLE as error:
                    raise RequestError(
                        "unloadable-version", f"{model_name} version {version} cannot answer: {error}"
                    ) from error
                except Exception as error:  # the stores' clients share no base
                    raise OutageError(
                        f"{model_name} version {version} waits, for a store does not answer: {error}"
                    ) from error
            self._pinned[model_name, version] = model
            self._pinned.move_to_end((model_name, version))
            if len(self._pinned) > _PINNED:
                self._pinned.popitem(last=False)
            return model

    def fetch(self, model_name: str, version: int) -> None:
        """Load a version ahead, in a thread that may wait; for a second `version` tells what failed."""
        self._failed.pop((model_name, version), None)
        try:
            self.version(model_name, version)
        except (RequestError, OutageError) as error:
            if len(self._failed) >= _TOLD:
                self._failed.clear()
            self._failed[model_name, version] = monotonic() + _TOLD_SECONDS, error

    def holds(self, model_name: str, version: int) -> bool:
        """Tell whether `version` would give a version without loading it first."""
        found = self._serving.get(model_name, Variants())
        return (model_name, version) in self._pinned or found.version(version) is not None

    def refresh(self) -> None:
        """Bring all models to what the registry says."""
        with self._mutex:
            self._bring(self._registry.models(), self._asked())

    def refresh_one(self, model_name: str) -> None:
        """Bring one model to what the registry says, and all where groups were cut over."""
        with self._mutex:
            reading = self._asked()
            moved = reading.routes != self._reading.routes
            self._bring(self._registry.models() if moved else [model_name], reading)

    def _asked(self) -> _Reading:
        return _Reading(self._registry.cutovers.routes(), self._registry.freezes.frozen())

    def _bring(self, names: Iterable[str], reading: _Reading) -> None:
        new = {name: self._now(name, reading) for name in names}
        serving = Serving(self._serving | new)
        if reading != self._reading:
            self._pinned.clear()
        for name, now in new.items():
            before = self._serving.get(name)
            if before is not None and before.served != now.served:
                self.swaps[name] += 1
        self._serving, self._reading = serving, reading

    def _now(self, model_name: str, reading: _Reading) -> Variants:
        """Give who answers by what the registry says; what is loaded already is kept."""
        old = self._serving.get(model_name, Variants())
        config = self._registry.serving_config(model_name)
        champion = self._registry.champion(model_name)
        problems: dict[str, bool] = {}

        def bring(version: int | None) -> LoadedModel | None:
            return self._next(old, model_name, version, reading, problems)

        serving = None if champion is None else bring(champion.version) or old.champion
        if champion is not None and serving is None and not any(problems.values()):
            # A process that starts now never had the one before, whom an unloadable champion would have left.
            serving = bring(self._registry.replaced(model_name, champion.version))
        new = Variants(
            serving,
            bring(config.challenger_version),
            config.challenger_share,
            bring(config.shadow_model_version),
            tuple(problems),
            any(problems.values()),
        )
        if new.problems != old.problems:
            for problem in new.problems:
                _LOG.error("%s", problem)
        return new

    def _next(
        self,
        old: Variants,
        model_name: str,
        version: int | None,
        reading: _Reading,
        problems: dict[str, bool],
    ) -> LoadedModel | None:
        if version is None:
            return None
        try:
            held = old.version(version)
            if held is not None:
                return _read_by(held, reading)
            return self._load(self._registry.get(model_name, version), reading)
        except Exception as error:  # whatever is wrong with a new model must not end the old one
            text = f"{model_name} version {version} was not loaded, the rest goes on serving: {error}"
            problems[text] = not isinstance(error, UNLOADABLE)
            return None

    def _load(self, version: ModelVersion, reading: _Reading) -> LoadedModel:
        onnx = OnnxModel(self._artifacts.get(version.artifact_uri, version.sha256))
        try:
            plan = ModelPlan.from_dict(version.signature)
            reader = VectorReader(plan)
            explainer = explainer_of(version.signature, self._artifacts, len(plan.names))
        except Exception as error:  # nothing outside is asked, so it is the signature's
            raise UnfitModelError(
                f"a signature is a model's plan; this one cannot be read: {error!r}"
            ) from error
        if onnx.width != len(plan.names):
            raise UnfitModelError(
                f"a model takes the vector of its contract ({len(plan.names)} values); it would be filled "
                f"wrongly (the file takes {onnx.width})"
            )
        if onnx.vector not in (None, plan.names):
            raise UnfitModelError(
                "a model takes the vector of its contract, name by name; it would be filled wrongly "
                f"({_difference(onnx.vector or (), plan.names)})"
            )
        signed = LoadedModel(
            version.model_name, version.version, version.sha256, plan, plan, reader, onnx, explainer
        )
        return _read_by(signed, reading)


def _difference(file: Sequence[str], contract: Sequence[str]) -> str:
    """Tell where two lists that differ do so first."""
    pairs = enumerate(zip_longest(file, contract, fillvalue="nothing"))
    place, (found, wanted) = next((place, pair) for place, pair in pairs if pair[0] != pair[1])
    return f"at place {place} the file has {found}, the contract {wanted}"


def _read_by(model: LoadedModel, reading: _Reading) -> LoadedModel:
    """Give the model as it reads now: itself where that is how it reads already."""
    plan = freeze(reroute(model.signed, reading.routes), reading.frozen.get(model.name, frozenset()))
    return model if plan == model.plan else replace(model, plan=plan, reader=VectorReader(plan))
