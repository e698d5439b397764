"""Policies: definitions that land as rows which SQL can read."""

from dataclasses import dataclass

from features.definitions import FeatureGroup, Model
from features.errors import DefinitionError
from features.evaluation import EvaluationPolicy
from features.windows import milliseconds

__all__ = ["CLASSICAL", "METHODS", "DriftPolicy", "EvaluationPolicy", "MonitoringPolicy", "Policy"]

METHODS = ("psi", "ks", "wasserstein")
"""How the distributions of a number can be compared."""
VALUES = ("served", "rows")
CLASSICAL = (0.10, 0.20, 0.25)
"""The customary thresholds of PSI: moderate, significant and major change. They are no test:
`flows.discoveries.false_alarms_per_month` tells what each amounts to."""
MAX_BINS = 100
_MONTH_MS = 30 * 86_400_000


@dataclass(frozen=True)
class DriftPolicy:
    """How drift of a group's features from what `model` was trained on is found, and what an alert sets off.

    Without a group it is of the model's own predictions and labels. Windows of length `window` end each
    `every` on the log's clock. Numbers are compared by `method`, booleans, text and the features named in
    `categorical` by chi-squared. `bins` are the reference's quantile bins: 10 for PSI, 50 for KS and
    Wasserstein where it is not stated. `values` are those "served" in vectors, or all "rows" of the group,
    which include features that no vector holds.

    The calibrated rule, which is the default, allows `false_alarms_per_month` alerts of the policy in 30 days
    without drift, over all of its features. A `threshold` takes its place by the classical one, PSI above it,
    whose error rate depends on everything (see `CLASSICAL`). Windows of less than `min_rows` are not judged.

    Raises `DefinitionError`.
    """

    group: FeatureGroup | None
    model: Model
    method: str = "psi"
    categorical: tuple[str, ...] = ()
    bins: int | None = None
    values: str = "served"
    window: str = "1d"
    every: str = "1d"
    false_alarms_per_month: float = 0.5
    threshold: float | None = None
    min_rows: int = 200
    retrain: bool = False
    debounce: str = "1d"

    def __post_init__(self) -> None:
        place = f"drift policy {self.name}"
        if self.method not in METHODS:
            rule = f"numbers are compared by one of {', '.join(METHODS)}"
            raise DefinitionError(place, rule, "nothing could be computed", self.method)
        if self.values not in VALUES:
            rule = f"values are one of {', '.join(VALUES)}"
            raise DefinitionError(place, rule, "nothing could be read", self.values)
        if not 2 <= self.resolution <= MAX_BINS:
            rule = f"a reference has 2 to {MAX_BINS} bins"
            raise DefinitionError(place, rule, "there would be no distribution to compare", self.bins)
        if self.min_rows < 1:
            rule = "a window that is judged has at least one row"
            raise DefinitionError(place, rule, "nothing would be compared", self.min_rows)
        milliseconds(self.window, f"{place}, window")
        if not 0 < self.level <= 0.5:
            rule = "false alarms are allowed in at most half of the windows, and in some"
            consequence = "an alert would tell nothing, or there could be none"
            raise DefinitionError(place, rule, consequence, self.false_alarms_per_month)

    @property
    def name(self) -> str:
        """The name in alerts and reports: `<group>.v<version>/<model>`, or `outputs/<model>`."""
        return f"{self.subject}/{self.model.name}"

    @property
    def subject(self) -> str:
        """The group's label, or `outputs`."""
        return "outputs" if self.group is None else self.group.label

    @property
    def resolution(self) -> int:
        """How many bins the reference has, if its values are distinct enough."""
        return self.bins if self.bins is not None else (10 if self.method == "psi" else 50)

    @property
    def level(self) -> float:
        """The false discovery rate within a window, and so the chance of an alert without drift."""
        return (
            self.false_alarms_per_month
            * milliseconds(self.every, f"drift policy {self.name}, every")
            / _MONTH_MS
        )


@dataclass(frozen=True)
class MonitoringPolicy:
    """Which rolling metric of `model` is watched, and when it raises an alert."""

    model: Model
    metric: str = "auc"
    window: str = "7d"
    threshold: float = 0.05


Policy = EvaluationPolicy | DriftPolicy | MonitoringPolicy
