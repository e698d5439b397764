"""Metrics of units with their standard errors, for all of them and by segment, each by one query."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from warehouse.outcomes import Units

_EPSILON = 1e-15
CALIBRATION_BINS = 10
"""Of equal width between 0 and 1."""


@dataclass(frozen=True)
class Measure:
    """A metric of a segment's units; None where it has no value, such as the AUC of one class alone."""

    by: str
    segment: str
    units: int
    value: float | None
    error: float | None


def measure(client: Client, metric: str, units: Units, k: float = 0.1) -> list[Measure]:
    """Give a metric of `features.policies.METRICS` for each segment of `units`, the largest first.

    Standard errors are those of large samples: of a mean; for RMSE by the delta method; for AUC DeLong's
    (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988); for precision at k binomial, as if the bound
    were fixed; for the calibration error (Naeini, Cooper and Hauskrecht, AAAI 2015) at most that of its bins.
    """
    rows = _METRICS[metric].format(units=_spread(units), k=repr(k))
    found = client.query(
        f"SELECT by, segment, units, value, error FROM ({rows}) ORDER BY by != '', units DESC, by, segment",
        units.parameters,
    )
    return [
        Measure(by, segment, int(n), _number(v), _number(e)) for by, segment, n, v, e in found.result_rows
    ]


@dataclass(frozen=True)
class Moments:
    """Squared errors of units, each at most `bound` and divided by it: their number, mean and variance."""

    units: int
    mean: float
    variance: float
    bound: float


def moments(client: Client, units: Units) -> Moments:
    """Give the moments of squared errors, bounded by the largest; of probabilities of 0 or 1 by 1."""
    of_chances = "countIf(prediction < 0 OR prediction > 1 OR label NOT IN (0, 1)) = 0"
    largest = f"SELECT if({of_chances}, 1, max(pow(prediction - label, 2))) FROM ({units.sql})"
    n, mean, variance, bound = client.query(
        f"WITH ({largest}) AS bound SELECT count(), avg(x), varSamp(x), any(bound) "
        f"FROM (SELECT pow(prediction - label, 2) / bound AS x FROM ({units.sql}))",
        units.parameters,
    ).result_rows[0]
    return Moments(int(n), _number(mean) or 0.0, _number(variance) or 0.0, _number(bound) or 1.0)


def log_wealth(
    client: Client, units: Units, bound: float, mean: float, bets: Sequence[float]
) -> tuple[int, list[float]]:
    """Give the number of units, and of each bet b the sum of ln(1 + b (x - mean)) over their losses x.

    A loss is a squared error of at most `bound`, divided by it.
    """
    sums = ", ".join(f"sum(log1p({bet!r} * (x - {mean!r})))" for bet in bets)
    row = client.query(
        f"SELECT count(), {sums} "
        f"FROM (SELECT least(pow(prediction - label, 2) / {bound!r}, 1) AS x FROM ({units.sql}))",
        units.parameters,
    ).result_rows[0]
    return int(row[0]), [float(v) for v in row[1:]]


class Distance(NamedTuple):
    """How far the squared errors of two samples are apart.

    Statistic and p value are those of the two-sided test of Kolmogorov and Smirnov; `larger` is the one-sided
    statistic, by which those of the second sample are larger.
    """

    statistic: float
    p_value: float
    larger: float


def ks(client: Client, one: Units, other: Units) -> Distance | None:
    """Compare the squared errors of two samples; None where one of them has none."""
    losses = " UNION ALL ".join(
        f"SELECT pow(prediction - label, 2) AS loss, {side} AS side FROM ({units.sql})"
        for side, units in enumerate((one, other))
    )
    held = one.parameters | other.parameters
    if client.query(f"SELECT uniqExact(side) FROM ({losses})", held).result_rows[0][0] < 2:
        return None  # the test refuses an empty side
    statistic, p_value, larger = client.query(
        "SELECT kolmogorovSmirnovTest('two-sided', 'asymptotic')(loss, side) AS two, two.1, two.2, "
        f"kolmogorovSmirnovTest('greater', 'asymptotic')(loss, side).1 FROM ({losses})",
        held,
    ).result_rows[0][1:]
    return Distance(float(statistic), float(p_value), float(larger))


def predictions(client: Client, units: Units, at_most: int) -> pa.Table:
    """Read `prediction` and `label` of at most so many units, those whose ids have the least hashes."""
    return client.query_arrow(
        f"SELECT prediction, label FROM ({units.sql}) ORDER BY cityHash64(request_id), request_id "
        f"LIMIT {at_most:d}",
        parameters=units.parameters,
    )


def _spread(units: Units) -> str:
    return (
        "SELECT request_id, toFloat64(prediction) AS prediction, toFloat64(label) AS label, "
        f"arrayJoin(segments) AS _in, _in.1 AS by, _in.2 AS segment FROM ({units.sql})"
    )


def _number(value: Any) -> float | None:  # noqa: ANN401
    return None if value is None or value != value or abs(value) == float("inf") else float(value)


_CHANCE = f"greatest(least(prediction, 1 - {_EPSILON!r}), {_EPSILON!r})"
_LOG_LOSS = f"-if(label > 0.5, log({_CHANCE}), log1p(-{_CHANCE}))"
_BELOW = "PARTITION BY by, segment ORDER BY prediction ROWS UNBOUNDED PRECEDING"

_METRICS = {
    "log_loss": f"SELECT by, segment, count() AS units, avg({_LOG_LOSS}) AS value, "
    f"stddevSamp({_LOG_LOSS}) / sqrt(units) AS error FROM ({{units}}) GROUP BY by, segment",
    "rmse": "SELECT by, segment, count() AS units, sqrt(avg(pow(prediction - label, 2))) AS value, "
    "stddevSamp(pow(prediction - label, 2)) / sqrt(units) / (2 * value) AS error "
    "FROM ({units}) GROUP BY by, segment",
    # Of units with equal predictions at the bound, as many positives as there are on average.
    "precision_at_k": "SELECT by, segment, toInt64(any(total)) AS units, "
    "sum(positives * taken / n) / any(top) AS value, "
    "sqrt(value * (1 - value) / any(top)) AS error FROM ("
    "SELECT by, segment, n, positives, total, ceil({k} * total) AS top, "
    "greatest(0, least(n, top - (upto - n))) AS taken FROM ("
    "SELECT by, segment, n, positives, sum(n) OVER (PARTITION BY by, segment) AS total, "
    "sum(n) OVER (PARTITION BY by, segment ORDER BY prediction DESC ROWS UNBOUNDED PRECEDING) AS upto FROM ("
    "SELECT by, segment, prediction, toFloat64(count()) AS n, sum(label) AS positives "
    "FROM ({units}) GROUP BY by, segment, prediction))) GROUP BY by, segment",
    "calibration_error": "SELECT by, segment, sum(n) AS units, "
    "sum(abs(expected - came_true)) / units AS value, "
    "sqrt(sum(came_true * (1 - came_true / n))) / units AS error FROM ("
    "SELECT by, segment, count() AS n, sum(prediction) AS expected, sum(label) AS came_true "
    "FROM ({units}) GROUP BY by, segment, "
    f"least(floor(prediction * {CALIBRATION_BINS}), {CALIBRATION_BINS - 1})"
    ") GROUP BY by, segment",
    # Of each prediction: how many negatives lie below it, and positives above it, ties by half.
    "auc": "SELECT by, segment, toInt64(any(p) + any(n)) AS units, sum(positives * below) / any(p) AS value, "
    "sqrt((sum(positives * pow(below, 2)) / any(p) - pow(value, 2)) / (any(p) - 1) "
    "+ (sum(negatives * pow(above, 2)) / any(n) - pow(value, 2)) / (any(n) - 1)) AS error FROM ("
    "SELECT by, segment, positives, negatives, p, n, "
    "(upto_n - negatives / 2) / n AS below, (p - upto_p + positives / 2) / p AS above FROM ("
    "SELECT by, segment, positives, negatives, "
    "sum(positives) OVER (PARTITION BY by, segment) AS p, "
    "sum(negatives) OVER (PARTITION BY by, segment) AS n, "
    f"sum(positives) OVER ({_BELOW}) AS upto_p, sum(negatives) OVER ({_BELOW}) AS upto_n FROM ("
    "SELECT by, segment, prediction, toFloat64(countIf(label > 0.5)) AS positives, "
    "toFloat64(countIf(label <= 0.5)) AS negatives FROM ({units}) GROUP BY by, segment, prediction"
    "))) GROUP BY by, segment",
}
