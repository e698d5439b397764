"""Policies: definitions that land as rows which SQL can read."""

from dataclasses import dataclass

from features.definitions import FeatureGroup, Model


@dataclass(frozen=True)
class EvaluationPolicy:
    """When a challenger replaces the champion of `model`.

    Challenger and champion answer the same requests (shadow mode); `alpha` bounds the probability
    that a challenger which is no better is ever promoted, however often one looks. The trial ends with
    a rejection after `max_units` matured labels. `look_every` is on the log's clock.
    """

    model: Model
    alpha: float = 0.05
    threshold: float = 0.5
    min_units: int = 100
    max_units: int = 20_000
    look_every: str = "1d"


@dataclass(frozen=True)
class DriftPolicy:
    """What an alert of drift in `group` sets off for `model`."""

    group: FeatureGroup
    model: Model
    psi_threshold: float = 0.2
    retrain: bool = False
    debounce: str = "1d"


@dataclass(frozen=True)
class MonitoringPolicy:
    """Which rolling metric of `model` is watched, and when it raises an alert."""

    model: Model
    metric: str = "auc"
    window: str = "7d"
    threshold: float = 0.05


Policy = EvaluationPolicy | DriftPolicy | MonitoringPolicy
