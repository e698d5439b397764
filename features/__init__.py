"""Definitions: what a user states once, and what every engine is compiled from."""

from features.aggregates import (
    count,
    count_distinct,
    decayed_count,
    decayed_total,
    first,
    last,
    maximum,
    mean,
    minimum,
    mode,
    mode_share,
    quantile,
    share,
    skewness,
    stddev,
    total,
    variance,
)
from features.definitions import Entity, FeatureGroup, FeatureRef, Freshness, Label, Lookup, Model, Source
from features.errors import DefinitionError
from features.evaluation import EvaluationPolicy, Guard, Sprt
from features.on_demand import decayed
from features.policies import CanaryPolicy, DriftPolicy, GatePolicy, MonitoringPolicy
from features.search import Choice, Integer, Real, Search
from features.types import DataType

__all__ = [
    "CanaryPolicy",
    "Choice",
    "DataType",
    "DefinitionError",
    "DriftPolicy",
    "Entity",
    "EvaluationPolicy",
    "FeatureGroup",
    "FeatureRef",
    "Freshness",
    "GatePolicy",
    "Guard",
    "Integer",
    "Label",
    "Lookup",
    "Model",
    "MonitoringPolicy",
    "Real",
    "Search",
    "Source",
    "Sprt",
    "count",
    "count_distinct",
    "decayed",
    "decayed_count",
    "decayed_total",
    "first",
    "last",
    "maximum",
    "mean",
    "minimum",
    "mode",
    "mode_share",
    "quantile",
    "share",
    "skewness",
    "stddev",
    "total",
    "variance",
]
