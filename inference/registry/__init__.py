"""The registry of models: experiments, versions, what serves, and every change as an event."""

from inference.registry.canaries import Canary
from inference.registry.cutovers import Cutover
from inference.registry.events import publish_events
from inference.registry.gates import GateResult
from inference.registry.records import (
    ConflictError,
    Experiment,
    ExperimentKind,
    Freeze,
    Lineage,
    ModelStatus,
    ModelVersion,
    RegistryEvent,
    Reign,
    ServingConfig,
    TrainingConfig,
    Trial,
    TrialState,
    UnknownModelError,
)
from inference.registry.registry import Registry

__all__ = [
    "Canary",
    "ConflictError",
    "Cutover",
    "Experiment",
    "ExperimentKind",
    "Freeze",
    "GateResult",
    "Lineage",
    "ModelStatus",
    "ModelVersion",
    "Registry",
    "RegistryEvent",
    "Reign",
    "ServingConfig",
    "TrainingConfig",
    "Trial",
    "TrialState",
    "UnknownModelError",
    "publish_events",
]
