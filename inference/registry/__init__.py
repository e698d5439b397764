"""The registry of models: experiments, versions, what serves, and every change as an event."""

from inference.registry.cutovers import Cutover
from inference.registry.events import publish_events
from inference.registry.records import (
    ConflictError,
    Experiment,
    ModelStatus,
    ModelVersion,
    RegistryEvent,
    ServingConfig,
    TrainingConfig,
    UnknownModelError,
)
from inference.registry.registry import Registry

__all__ = [
    "ConflictError",
    "Cutover",
    "Experiment",
    "ModelStatus",
    "ModelVersion",
    "Registry",
    "RegistryEvent",
    "ServingConfig",
    "TrainingConfig",
    "UnknownModelError",
    "publish_events",
]
