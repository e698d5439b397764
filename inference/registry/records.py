"""What the registry gives back, and how it refuses."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from features.types import Value


class ModelStatus(StrEnum):
    """Where a model version stands."""

    STAGING = "staging"
    CHALLENGER = "challenger"
    CHAMPION = "champion"
    RETIRED = "retired"
    REJECTED = "rejected"


class UnknownModelError(LookupError):
    """The registry has no such model, or no such version of it.

    `latest` is the highest version that the model has, 0 where it has none, `models` what is registered,
    where that is known.
    """

    def __init__(
        self, model_name: str, version: int | None = None, latest: int = 0, models: Sequence[str] = ()
    ) -> None:
        if version is not None and latest:
            there = "1 alone" if latest == 1 else f"1 to {latest}"
            text = f"{model_name}: there is no version {version}; it has {there}"
        else:
            known = f" (there are {', '.join(models)})" if models else ""
            text = f"no version is registered of a model {model_name!r}{known}"
        super().__init__(f"{text}, so nothing was done")


class ConflictError(RuntimeError):
    """The registry's state does not allow the change, usually because somebody else changed it first."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of one model: its artifact, its contract (`ModelPlan.to_dict()`) and its status.

    `created_at` is in milliseconds since the epoch; `sha256` is the artifact's, in hexadecimal.
    """

    model_name: str
    version: int
    status: ModelStatus
    artifact_uri: str
    sha256: str
    framework: str
    serving_flavour: str
    signature: dict[str, Any]
    experiment_id: str
    created_at: int


@dataclass(frozen=True)
class ServingConfig:
    """How requests are routed: `challenger_share` (0 to 1) of the entities go to the challenger."""

    model_name: str
    challenger_version: int | None = None
    challenger_share: float = 0.0
    shadow_model_version: int | None = None
    canary: bool = False

    @property
    def on_trial(self) -> int | None:
        """The version on trial: the shadow, or else whoever has a share of the entities, but as a canary."""
        if self.shadow_model_version is not None:
            return self.shadow_model_version
        return None if self.canary else self.challenger_version


@dataclass(frozen=True)
class RegistryEvent:
    """One change of one model version; the fields are those of the record `registry_event`.

    `position` counts up over all events of a registry. `evidence` is JSON: the figures that it was decided
    by, None where there are none. `shadow_model_version` and what follows are the model's routing after the
    event; all are None in one of before routing was kept.
    """

    event_id: str
    model_name: str
    version: int
    kind: str
    status: str
    by: str
    why: str
    at: int
    sha256: str | None
    artifact_uri: str | None
    position: int
    evidence: str | None
    experiment_id: str | None
    shadow_model_version: int | None
    challenger_version: int | None
    challenger_share: float | None
    canary: bool | None


@dataclass(frozen=True)
class Reign:
    """When one version was the champion of a model, [valid_from, valid_to) in ms; None: it still is.

    `by`, `why` and `evidence` are of the decision that began it, `kind` is `promoted` or `rolled_back`;
    `ended_by` and `ended_why` are of the one that ended it.
    """

    model_name: str
    version: int
    valid_from: int
    valid_to: int | None
    kind: str
    by: str
    why: str
    evidence: dict[str, Any] | None
    ended_by: str | None
    ended_why: str | None


@dataclass(frozen=True)
class Freeze:
    """When a model had a feature (`<group>.<feature>`) frozen, [since, until) in ms; None: it still has.

    `value` is its default, by the champion of the moment. `by`, `why` and `alert_id` are of who froze it, no
    alert where somebody did; `thawed_by` and `thawed_why` of who thawed it.
    """

    model_name: str
    feature: str
    value: Value
    since: int
    until: int | None
    by: str
    why: str
    alert_id: str | None
    thawed_by: str | None
    thawed_why: str | None


@dataclass(frozen=True)
class Lineage:
    """Where a model version comes from: the experiment, and the data and the code behind that."""

    experiment_id: str
    parent_experiment_id: str | None
    training_dataset_version: str
    feature_group_versions: dict[str, int]
    code_version: str
    environment: dict[str, Any]
    seed: int


class ExperimentKind(StrEnum):
    """What an experiment is: a training, a study of many trials, or a training done again."""

    TRAINING = "training"
    TUNING = "tuning"
    RERUN = "rerun"


@dataclass(frozen=True)
class Experiment:
    """A run as it was recorded; `trained_at` is in ms since the epoch, of a study the moment it began.

    `recipe` is all that the run depended on but the training set, which
    `training_dataset_version` (`name@version`) names and `training_dataset_hash` tells. A study has no
    artifact and no metrics of its own: it has trials.
    """

    experiment_id: str
    parent_experiment_id: str | None
    model_name: str | None
    model_type: str
    hyperparameters: dict[str, Any]
    recipe: dict[str, Any]
    training_dataset_version: str
    training_dataset_hash: str | None
    feature_group_versions: dict[str, int]
    evaluation_metrics: dict[str, float | None]
    artifact_path: str
    code_version: str
    environment: dict[str, str]
    seed: int
    trained_at: int
    kind: ExperimentKind


class TrialState(StrEnum):
    """How a trial of a study ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True)
class Trial:
    """A trial that has ended: its hyperparameters, the losses of the folds it came to, and their mean.

    A pruned trial has losses and no value, a failed one a `reason`. `seconds` is how long it took, None where
    that is not known; two that differ in it alone are the same.
    """

    hyperparameters: dict[str, Any]
    state: TrialState
    losses: tuple[float, ...] = ()
    value: float | None = None
    reason: str = ""
    seconds: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class TrainingConfig:
    """The hyperparameters that the next training starts from; `provenance` says where they come from."""

    hyperparameters: dict[str, Any]
    provenance: dict[str, Any]
