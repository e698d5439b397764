"""Policies: definitions that land as rows which SQL can read."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from features.definitions import FeatureGroup, Model
from features.errors import DefinitionError
from features.evaluation import EvaluationPolicy
from features.training import BINARY
from features.windows import milliseconds

__all__ = [
    "CLASSICAL",
    "METHODS",
    "CanaryPolicy",
    "DriftPolicy",
    "EvaluationPolicy",
    "MonitoringPolicy",
    "Policy",
]

METHODS = ("psi", "ks", "wasserstein")
"""How the distributions of a number can be compared."""
VALUES = ("served", "rows")
CLASSICAL = (0.10, 0.20, 0.25)
"""The customary thresholds of PSI: moderate, significant and major change. They are no test:
`flows.discoveries.false_alarms_per_month` tells what each amounts to."""
MAX_BINS = 100
METRICS = {"auc": 1, "precision_at_k": 1, "log_loss": -1, "calibration_error": -1, "rmse": -1}
"""What performance can be measured by: 1 where more is better, -1 where less is."""
ON_HARM = ("tell", "retrain", "fall_back")
ON_BROKEN = ("tell", "freeze")
MONTH_MS = 30 * 86_400_000
LOOKS = 10
"""How many looks at a step of a canary there are while it has to hold."""


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

    Where windows are longer than `every`, the newest stretch of each, `every` long, is looked at by itself
    for what looks broken: a long window finds a season, and a fault only when that has filled much of it.

    With `retrain` an alert sets off a retraining, unless it looks like a broken pipeline. Then `on_broken`
    says what follows: "tell", or "freeze" the features that look broken at their defaults. Of the one and of
    the other there is at most one in each `debounce`; and of all the retrainings of a model that drift and
    harm ask for by themselves at most `actions_per_day` a day.

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
    on_broken: str = "tell"
    actions_per_day: int = 1

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
        if self.on_broken not in ON_BROKEN:
            rule = f"what a broken pipeline sets off is one of {', '.join(ON_BROKEN)}"
            raise DefinitionError(place, rule, "nobody would know what follows", self.on_broken)
        if self.on_broken == "freeze" and not (self.group is not None and self.group.defaults):
            rule = "a feature is frozen at its default, which its group states"
            raise DefinitionError(place, rule, "nothing could be frozen", self.subject)
        _check_actions(self.actions_per_day, place)
        milliseconds(self.window, f"{place}, window")
        _check_level(self.level, place, self.false_alarms_per_month)

    @property
    def name(self) -> str:
        """The name in alerts and reports: `<group>.v<version>/<model>`, or `outputs/<model>`."""
        return f"{self.subject}/{self.model.name}"

    @property
    def subject(self) -> str:
        """The group's label, or `outputs`."""
        return "outputs" if self.group is None else self.group.label

    def vector_name(self, feature: str) -> str:
        """Name a feature, or an output, as the model's vectors do."""
        return feature if self.group is None else f"{self.group.name}.{feature}"

    @property
    def resolution(self) -> int:
        """How many bins the reference has, if its values are distinct enough."""
        return self.bins if self.bins is not None else (10 if self.method == "psi" else 50)

    @property
    def every_ms(self) -> int:
        """How often a window ends."""
        return milliseconds(self.every, f"drift policy {self.name}, every")

    @property
    def newest_ms(self) -> int | None:
        """How long the newest stretch of a window is; None where that is all of it."""
        longer = milliseconds(self.window, f"drift policy {self.name}, window") > self.every_ms
        return self.every_ms if longer else None

    @property
    def level(self) -> float:
        """The false discovery rate within a look, and so the chance of an alert without drift.

        There are two looks where the newest stretch of a window has its own.
        """
        looks = 1 if self.newest_ms is None else 2
        return self.false_alarms_per_month * self.every_ms / MONTH_MS / looks


@dataclass(frozen=True)
class MonitoringPolicy:
    """How the performance of `model`'s champion is watched, and what harm sets off.

    In windows of length `window`, which end each `every` on the log's clock, `metric` of the answers whose
    labels arrived is set beside that of the champion's holdout; `k` is the share of requests that precision
    at k takes, those with the largest predictions. Harm is a metric that is worse than the holdout's by more
    than `threshold`: by a test that allows `false_alarms_per_month`, on what is measured; by the interval of
    what is estimated while labels are missing; or by a sequential test of the loss against the holdout's,
    which errs with a probability of at most `alpha` in the champion's whole life.

    With `losses` it is harm, too, that the losses are larger than the holdout's: that their distributions
    are apart, on that side, by a Kolmogorov-Smirnov distance beyond `losses`. A metric's mean may hide that.

    `segments` are entities, inputs or features of the model: requests with one value are a segment, which
    alarms where it is worse than the others of its kind by more than `gap` (`threshold` where it is not
    stated). Windows and segments of less than `min_units` are reported and not judged.

    `on_harm` is "retrain", "tell" or "fall_back" to the champion before: each at most `actions_per_day` times
    a day, with retrainings that drift asks for, and never where the alert looks like a broken pipeline.
    It follows harm that labels show; `on_estimated` is what follows where harm is estimated alone, the same
    where it is not stated.

    Raises `DefinitionError`.
    """

    model: Model
    metric: str = "auc"
    window: str = "7d"
    every: str = "1d"
    threshold: float = 0.05
    k: float = 0.1
    segments: tuple[str, ...] = ()
    gap: float | None = None
    losses: float | None = None
    alpha: float = 0.05
    false_alarms_per_month: float = 0.5
    min_units: int = 200
    on_harm: str = "retrain"
    on_estimated: str | None = None
    actions_per_day: int = 1

    def __post_init__(self) -> None:
        place = f"monitoring policy {self.name}"
        if self.metric not in METRICS:
            rule = f"performance is one of {', '.join(METRICS)}"
            raise DefinitionError(place, rule, "nothing could be measured", self.metric)
        if self.on_estimated is None:
            object.__setattr__(self, "on_estimated", self.on_harm)
        for named in ("on_harm", "on_estimated"):
            if getattr(self, named) not in ON_HARM:
                rule = f"what harm sets off is one of {', '.join(ON_HARM)}"
                consequence = "nobody would know what follows"
                raise DefinitionError(f"{place}, {named}", rule, consequence, getattr(self, named))
        if not 0 < self.k <= 1:
            rule = "k is a share of the requests"
            raise DefinitionError(place, rule, "none would be taken, or more than there are", self.k)
        if self.threshold < 0 or (self.gap is not None and self.gap < 0):
            rule = "a difference that is tolerated is 0 or more"
            raise DefinitionError(place, rule, "a better model would be called worse", self.threshold)
        if self.losses is not None and not 0 <= self.losses < 1:
            rule = "a distance of distributions that is tolerated lies between 0 and 1"
            raise DefinitionError(place, rule, "no losses could be beyond it", self.losses)
        if not 0 < self.alpha < 1:
            rule = "the error rate of a test lies between 0 and 1"
            raise DefinitionError(
                place, rule, "an alert would tell nothing, or there could be none", self.alpha
            )
        if self.min_units < 2:
            rule = "what is judged has at least two units"
            raise DefinitionError(place, rule, "its error could not be told", self.min_units)
        _check_actions(self.actions_per_day, place)
        milliseconds(self.window, f"{place}, window")
        _check_level(self.level, place, self.false_alarms_per_month)
        known = {e.name for e in self.model.entities} | {*self.model.inputs, *self.model.on_demand}
        known |= {f"{ref.group.name}.{ref.feature}" for ref in self.model.features}
        for name in self.segments:
            if name not in known:
                rule = "a segment is by an entity, an input or a feature of its model"
                raise DefinitionError(place, rule, "no request could be told to be in it", name)

    @property
    def acts(self) -> bool:
        """Whether harm may set anything off."""
        return (self.on_harm, self.on_estimated) != ("tell", "tell")

    @property
    def name(self) -> str:
        """The name in alerts and reports: `<metric>/<model>`."""
        return f"{self.metric}/{self.model.name}"

    @property
    def every_ms(self) -> int:
        """How often a window ends."""
        return milliseconds(self.every, f"monitoring policy {self.name}, every")

    @property
    def level(self) -> float:
        """The chance of an alert of one window whose metric is worse by no more than the threshold."""
        return self.false_alarms_per_month * self.every_ms / MONTH_MS

    @property
    def tolerated_gap(self) -> float:
        """By how much a segment may be worse than the others."""
        return self.threshold if self.gap is None else self.gap


@dataclass(frozen=True)
class GatePolicy:
    """What a training set and a new version of `model` must be like before the version is registered.

    Of the training set: `min_rows` labelled vectors; a feature is missing in at most `max_missing_share` of
    them, and in no more than `max_missing_rise` more than in the champion's training set; at most
    `max_anomalous_share` of its values lie beyond the range that its group states, or else further outside
    the range they had there than that range is wide.
    `max_feature_auc` is how well one feature alone may rank the label, and `max_changed_share` the share of
    requests of which training may read another value than was known at the request, or a label that was
    known already.

    Of the model: on the same holdout it is better than the champion by `min_improvement`, in the units of
    `metric` (below 0: it may be so much worse, for the trial has the last word); one vector takes at most
    `max_latency_ms` at the 99th percentile of runs on the machine that trains; its file has at most
    `max_size_mb` (10^6 bytes).

    Of a regression, whose metrics are "auc" and "rmse", the AUC is the concordance: the chance that the
    larger label has the larger value.

    Raises `DefinitionError`.
    """

    model: Model
    min_rows: int = 500
    max_missing_share: float = 0.99
    max_missing_rise: float = 0.2
    max_anomalous_share: float = 0.01
    max_feature_auc: float = 0.98
    max_changed_share: float = 0.01
    metric: str = "auc"
    min_improvement: float = -0.02
    max_latency_ms: float = 5.0
    max_size_mb: float = 100.0

    def __post_init__(self) -> None:
        place = f"gate policy of {self.model.name}"
        known = list(METRICS) if self.model.task == BINARY else ["auc", "rmse"]
        if self.metric not in known:
            rule = f"an improvement of such a model is in one of {', '.join(known)}"
            raise DefinitionError(f"{place}, metric", rule, "no model could be registered", self.metric)
        for name in ("max_missing_share", "max_missing_rise", "max_anomalous_share", "max_changed_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise DefinitionError(
                    f"{place}, {name}",
                    "a share lies between 0 and 1",
                    "it could bound nothing",
                    getattr(self, name),
                )
        if not 0.5 < self.max_feature_auc <= 1:
            rule = "an AUC that a feature may have lies above 0.5, up to 1"
            raise DefinitionError(place, rule, "every feature would be a leak", self.max_feature_auc)
        if self.min_rows < 2 or self.max_latency_ms <= 0 or self.max_size_mb <= 0:
            rule = "a gate lets something through: at least two rows, and some time and size"
            found = (self.min_rows, self.max_latency_ms, self.max_size_mb)
            raise DefinitionError(place, rule, "no version could be registered", found)


@dataclass(frozen=True)
class CanaryPolicy:
    """How a challenger that has won its trial takes over the requests of `model`, and when it is taken back.

    It has each of the shares `steps` of the entities in turn, and is promoted behind the last. A step is over
    when requests have been made for `hold` since it began, and `min_requests` of them of the challenger.
    Looks are `LOOKS` in each `hold`, the last of them at its end.

    It is rolled back on evidence that its rate of errors exceeds the champion's by more than
    `max_error_rate_rise`; that its answers take longer than `max_latency_ratio` times as long, by the median
    or by the 99th percentile; or that it is worse by more than `max_harm` in the metric of the model's
    evaluation policy (in its units), by labels whose windows have closed. `alpha` bounds the probability that
    a challenger within all three limits is rolled back in any of its steps.

    Raises `DefinitionError`.
    """

    model: Model
    steps: Sequence[float] = (0.01, 0.05, 0.25, 0.5)
    hold: str = "1h"
    min_requests: int = 500
    max_error_rate_rise: float = 0.01
    max_latency_ratio: float = 1.5
    max_harm: float = 0.02
    alpha: float = 0.01

    def __post_init__(self) -> None:
        self._require(
            bool(self.steps) and all(a < b for a, b in pairwise((0.0, *self.steps))) and self.steps[-1] < 1,
            "the steps of a canary are shares above 0 and below 1, each larger than the one before",
            "the challenger could not grow, or there would be no champion to compare it with",
            self.steps,
        )
        self._require(
            self.min_requests >= 1,
            "a step has at least one request",
            "a challenger that never answered would be promoted",
            self.min_requests,
        )
        self._require(
            0 <= self.max_error_rate_rise < 1 and self.max_harm >= 0 and self.max_latency_ratio >= 1,
            "what is tolerated leaves room for a challenger that is like the champion, and not for all",
            "every canary would be rolled back, or none",
            (self.max_error_rate_rise, self.max_latency_ratio, self.max_harm),
        )
        self._require(
            0 < self.alpha <= 0.5,
            "an error rate is above 0 and at most 0.5",
            "a rollback would say nothing, or none could be",
            self.alpha,
        )
        self._require(
            self.look_ms >= 1,
            f"there are {LOOKS} looks in each step",
            "they could not be told apart",
            self.hold,
        )

    @property
    def name(self) -> str:
        """The name in alerts: `canary/<model>`."""
        return f"canary/{self.model.name}"

    @property
    def look_ms(self) -> int:
        """How long it is from one look to the next."""
        return milliseconds(self.hold, f"canary policy of {self.model.name}, hold") // LOOKS

    def after(self, share: float) -> float | None:
        """Give the share of the step behind one of `share`; None where that was the last."""
        return next((step for step in self.steps if step > share), None)

    def _require(self, holds: bool, rule: str, consequence: str, value: object) -> None:
        if not holds:
            raise DefinitionError(f"canary policy of {self.model.name}", rule, consequence, value)


Policy = EvaluationPolicy | DriftPolicy | MonitoringPolicy | GatePolicy | CanaryPolicy


def _check_level(level: float, place: str, false_alarms_per_month: float) -> None:
    if not 0 < level <= 0.5:
        rule = "false alarms are allowed in at most half of the windows, and in some"
        consequence = "an alert would tell nothing, or there could be none"
        raise DefinitionError(place, rule, consequence, false_alarms_per_month)


def _check_actions(per_day: int, place: str) -> None:
    if not 1 <= per_day <= 24:
        rule = "a policy sets off 1 to 24 actions a day"
        raise DefinitionError(place, rule, "nothing would follow, or too much", per_day)
