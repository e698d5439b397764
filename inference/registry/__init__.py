"""The registry of models: experiments, versions, what serves, and every change as an event."""

from inference.registry.canaries import Canary
from inference.registry.cutovers import Cutover
from inference.registry.events import publish_events
from inference.registry.gates import GateResult
from inference.registry.records import (
    ConflictError,
    Experiment,
    Lineage,
    ModelStatus,
    ModelVersion,
    RegistryEvent,
    Reign,
    ServingConfig,
    TrainingConfig,
    UnknownModelError,
)
from inference.registry.registry import Registry

__all__ = [
    "Canary",
    "ConflictError",
    "Cutover",
    "Experiment",
    "GateResult",
    "Lineage",
    "ModelStatus",
    "ModelVersion",
    "Registry",
    "RegistryEvent",
    "Reign",
    "ServingConfig",
    "TrainingConfig",
    "UnknownModelError",
    "publish_events",
]
