"""The policy by which challengers are judged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from features.definitions import Model
from features.errors import DefinitionError
from features.expressions import Expression, parse
from features.types import DataType
from features.windows import milliseconds

PER_UNIT = ("accuracy", "log_loss", "brier", "rmse", "mae", "value")
"""Metrics that each labelled unit has by itself."""
PER_BLOCK = ("auc", "precision_at_k", "calibration_error")
"""Metrics of many units, which are taken in blocks."""
METRICS = (*PER_UNIT, *PER_BLOCK)
E_PROCESS, BERNSTEIN, ASYMPTOTIC, SPRT = "e-process", "bernstein", "asymptotic", "sprt"
METHODS = (E_PROCESS, BERNSTEIN, ASYMPTOTIC, SPRT)
SHADOW, SPLIT = "shadow", "split"
VALUE_COLUMNS = {"prediction": DataType.DOUBLE, "label": DataType.DOUBLE, "decision": DataType.BOOLEAN}
"""What a value reads; `decision` is whether the prediction reached the decision threshold."""
LEAST_OBSERVATIONS = 30
"""What a confidence sequence that is asymptotic begins with: so many units, or blocks of units."""
_LEAST_BLOCK = 10


@dataclass(frozen=True)
class Guard:
    """A metric by which a challenger must not be worse than the champion, but for `margin` (its units)."""

    metric: str
    margin: float


@dataclass(frozen=True)
class Sprt:
    """Wald's sequential test of a chance: of p0 or less against p1 or more, both stated beforehand.

    In shadow mode it is the chance that the challenger wins a pair of which exactly one model is right; in
    split traffic the chance that the challenger is right, so p0 is the champion's own, known from elsewhere.
    `beta` bounds the probability that a challenger of p1 is turned down by it.
    """

    p0: float
    p1: float
    beta: float = 0.2


@dataclass(frozen=True)
class EvaluationPolicy:
    """When a challenger replaces the champion of `model`: its metric must be better, and nothing else worse.

    `alpha` bounds the probability that a challenger whose improvement is `minimum_improvement` or less (in
    the metric's units) is ever promoted, however often one looks. The trial ends with a rejection after
    `max_units` labelled units; before `min_units` none is promoted. Looks are `look_every` on the log's
    clock. A label counts that the log took within `horizon` of the request, the label's own where it is not
    stated. A unit whose label is missing then is dropped, or has the outcome `missing` where that is stated.
    `effect` is an improvement that is worth finding, above the minimum; a plan tells the power at it.

    In `shadow` mode both models answer the same requests; in `split` mode a `share` of the entities is the
    challenger's, and an entity is one unit. `method` is how the evidence is weighed: for accuracy in shadow
    mode the "e-process", else "asymptotic" where it is not stated; "bernstein" is exact for metrics of a
    known range; "sprt" needs `sprt`.

    Each of `guards` must be shown to be worse by less than its margin; so must the metric itself within each
    segment, a value of one of the `segments` (names of entities or inputs), by less than `segment_margin`.
    Segments of less than `min_units` labelled units are not judged. `block` is how many units a metric of
    many is computed from, `k` how many of those are acted upon. `value` is what a decision is worth, an
    expression over `prediction`, `label` and `decision`; `value_range` its least and its greatest. A
    decision is a prediction of `threshold` or more, of the model's own where it is not stated.

    Raises `DefinitionError`.
    """

    model: Model
    alpha: float = 0.05
    threshold: float | None = None
    min_units: int = 100
    max_units: int = 20_000
    look_every: str = "1d"
    metric: str = "accuracy"
    minimum_improvement: float = 0.0
    method: str | None = None
    mode: str = SHADOW
    share: float = 0.05
    horizon: str | None = None
    missing: float | None = None
    effect: float | None = None
    guards: Sequence[Guard] = ()
    segments: Sequence[str] = ()
    segment_margin: float = 0.01
    block: int = 100
    k: int = 10
    value: str | None = None
    value_range: tuple[float, float] | None = None
    sprt: Sprt | None = None

    def __post_init__(self) -> None:
        metrics = (self.metric, *(g.metric for g in self.guards))
        unknown = [m for m in metrics if m not in METRICS]
        self._require(
            not unknown, f"a metric is one of {', '.join(METRICS)}", "nothing could be judged", unknown
        )
        self._require(
            0 < self.alpha <= 0.5,
            "an error rate is above 0 and at most 0.5",
            "a promotion would say nothing, or none could be",
            self.alpha,
        )
        self._require(
            1 <= self.min_units <= self.max_units,
            "a trial has from min_units to max_units units",
            "it could not end",
            (self.min_units, self.max_units),
        )
        self._require(
            self.minimum_improvement >= 0
            and self.segment_margin >= 0
            and all(g.margin >= 0 for g in self.guards),
            "improvements and margins are 0 or more",
            "a worse challenger would be promoted",
            (self.minimum_improvement, self.segment_margin, *(g.margin for g in self.guards)),
        )
        self._require(
            self.effect is None or self.effect > self.minimum_improvement,
            "an effect worth finding is above the minimum improvement",
            "no trial could find it",
            self.effect,
        )
        self._require(
            self.missing is None or math.isfinite(self.missing),
            "the outcome that stands for a missing label is a finite number",
            "no metric could be computed",
            self.missing,
        )
        self._require(
            self.mode in (SHADOW, SPLIT),
            "a trial is in shadow or in split mode",
            "it could not start",
            self.mode,
        )
        self._require(
            self.mode == SHADOW or 0 < self.share <= 0.5,
            "a challenger has more than none and at most half of the entities",
            "requests could not be split",
            self.share,
        )
        self._require(
            self.mode == SHADOW or not set(metrics) & set(PER_BLOCK),
            f"{', '.join(PER_BLOCK)} need both models' answers to the same requests, as shadow mode has",
            "they could not be compared",
            metrics,
        )
        self._require(
            self.block >= _LEAST_BLOCK and 1 <= self.k < self.block,
            f"a block has {_LEAST_BLOCK} units or more, and less than all are acted upon",
            "a metric of it would be one of nothing",
            (self.block, self.k),
        )
        self._require(
            not set(metrics) & set(PER_BLOCK) or self.max_units >= LEAST_OBSERVATIONS * self.block,
            f"a metric of blocks is judged after {LEAST_OBSERVATIONS} of them",
            "the trial would end before",
            (self.block, self.max_units),
        )
        self._require(
            ("value" in metrics) == (self.value is not None),
            "a value of decisions is stated where a metric or a guard is one, and only there",
            "it would not be known, or not used",
            self.value,
        )
        if self.value is not None:
            _ = self.worth
        if self.horizon is not None:
            own = milliseconds(self.model.label.horizon, f"label of {self.model.name}")
            self._require(
                milliseconds(self.horizon, f"{self._place}, horizon") >= own,
                "labels are awaited at least as long as they may take",
                f"some would be lost (the label's horizon is {self.model.label.horizon})",
                self.horizon,
            )
        self._check_method()

    def _check_method(self) -> None:
        method, paired = self.weighed_by, self.mode == SHADOW
        self._require(
            method in METHODS, f"a method is one of {', '.join(METHODS)}", "nothing could be judged", method
        )
        self._require(
            (method == SPRT) == (self.sprt is not None),
            "a sequential probability ratio test states its p0 and p1, and only it does",
            "there is nothing to test against",
            self.sprt,
        )
        if method in (E_PROCESS, SPRT):
            self._require(
                self.metric == "accuracy" and self.minimum_improvement == 0 and (paired or method == SPRT),
                f"the {method} is of accuracy without a minimum improvement, the e-process in shadow mode",
                "it could not be computed",
                (self.metric, self.minimum_improvement, self.mode),
            )
        if method == BERNSTEIN:
            known = self.metric in ("accuracy", "log_loss", "brier") or (
                self.metric == "value" and self.value_range is not None
            )
            self._require(
                known and paired,
                "an exact confidence sequence is of a per-unit metric with a known range, in shadow mode",
                "its error rate would not hold",
                (self.metric, self.mode),
            )
        if self.sprt is not None:
            self._require(
                0 < self.sprt.p0 < self.sprt.p1 < 1 and 0 < self.sprt.beta < 1,
                "chances are above 0 and below 1, and p0 is below p1",
                "nothing could be told apart",
                (self.sprt.p0, self.sprt.p1, self.sprt.beta),
            )

    @property
    def weighed_by(self) -> str:
        """The method, the stated one or that of the metric and the mode."""
        if self.method is not None:
            return self.method
        exact = self.metric == "accuracy" and self.mode == SHADOW and self.minimum_improvement == 0
        return E_PROCESS if exact else ASYMPTOTIC

    @property
    def decision_threshold(self) -> float:
        """From which prediction on a decision is made: the stated threshold, or the model's."""
        return self.model.threshold if self.threshold is None else self.threshold

    @property
    def horizon_ms(self) -> int:
        """How long after its request (ms) a label is awaited."""
        return milliseconds(self.horizon or self.model.label.horizon, f"{self._place}, horizon")

    @property
    def look_every_ms(self) -> int:
        """How far apart looks are (ms)."""
        return milliseconds(self.look_every, f"{self._place}, look every")

    @cached_property
    def worth(self) -> Expression:
        """The value of a decision, parsed."""
        place = f"{self._place}, value"
        parsed = parse(self.value or "0", VALUE_COLUMNS, place)
        if not parsed.type.numeric:
            raise DefinitionError(place, "a value is a number", "decisions could not be added up", self.value)
        return parsed

    @property
    def _place(self) -> str:
        return f"evaluation policy of {self.model.name}"

    def _require(self, holds: bool, rule: str, consequence: str, value: object) -> None:
        if not holds:
            raise DefinitionError(self._place, rule, consequence, value)
