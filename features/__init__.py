"""Definitions: what a user states once, and what every engine is compiled from."""

from features.aggregates import count, last, maximum, mean, minimum, share, total
from features.definitions import Entity, FeatureGroup, FeatureRef, Freshness, Label, Model, Source
from features.errors import DefinitionError
from features.policies import DriftPolicy, EvaluationPolicy, MonitoringPolicy
from features.types import DataType

__all__ = [
    "DataType",
    "DefinitionError",
    "DriftPolicy",
    "Entity",
    "EvaluationPolicy",
    "FeatureGroup",
    "FeatureRef",
    "Freshness",
    "Label",
    "Model",
    "MonitoringPolicy",
    "Source",
    "count",
    "last",
    "maximum",
    "mean",
    "minimum",
    "share",
    "total",
]
