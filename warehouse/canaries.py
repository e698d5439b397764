"""What a canary is judged by: answers of the champion and of the challenger, counted in one query."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from warehouse.labels import on_time

QUANTILES = (0.5, 0.99)
"""The quantiles of latency that are compared."""


@dataclass(frozen=True)
class Side:
    """One variant's answers: how many, with an error, and without one; of these those that were slow.

    An answer is slow, by each of `QUANTILES`, where it took longer than this quantile of both variants'
    answers together, with the champion's times multiplied by what is tolerated. `latency_ms` are the
    variant's own quantiles, None where it has no answers.
    """

    requests: int = 0
    errors: int = 0
    timed: int = 0
    slow: tuple[int, ...] = (0,) * len(QUANTILES)
    latency_ms: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Traffic:
    """Both variants' answers in one stretch of time, to what was asked before `until` (ms)."""

    champion: Side = Side()
    challenger: Side = Side()
    until: int = 0


@dataclass(frozen=True)
class Variants:
    """Whose answers are compared: versions of a model, as champion and as challenger."""

    model_name: str
    champion: int
    challenger: int

    @property
    def parameters(self) -> dict[str, Any]:
        """The typed parameters of the queries."""
        return {"model": self.model_name, "champion": self.champion, "challenger": self.challenger}


def asked(client: Client, variants: Variants, since: int) -> tuple[int, int] | None:
    """Give when the first and the last was asked of what was answered since `since`; None where nothing was.

    All in ms, `since` on the wall clock, what is given on that of requests: the same, but in a replay.
    """
    first, last = client.query(_ASKED, variants.parameters | {"since": since}).result_rows[0]
    return None if first is None else (int(first), int(last))


def traffic(client: Client, variants: Variants, since: int, until: int, ratio: float) -> Traffic:
    """Count what was answered since `since` and asked before `until`, the champion's times by `ratio` longer.

    Both in ms, on the clocks of `asked`. Of an answer that was given twice the first counts. Whose request
    named its version or variant is no part of the split, and not counted.
    """
    held = variants.parameters | {"since": since, "until": until, "ratio": ratio}
    sides = {
        bool(new): Side(
            int(n), int(errors), int(timed), tuple(map(int, slow)), tuple(took) if timed else None
        )
        for new, n, errors, timed, slow, took in client.query(_TRAFFIC, held).result_rows
    }
    return Traffic(sides.get(False, Side()), sides.get(True, Side()), until)


def labelled(client: Client, variants: Variants, since: int, until: int, horizon: int) -> pa.Table:
    """Read the labelled answers since `since` whose label windows had closed at `until`, in order of request.

    All in ms, on the clocks of `asked`. Columns: `challenger` (whose it is), `prediction` and `label`, the
    last that the log took within `horizon` of the request.
    """
    held = variants.parameters | {"since": since, "until": until, "horizon": horizon}
    return client.query_arrow(_LABELLED, parameters=held)


_UNTIL = "fromUnixTimestamp64Milli({until:Int64}, 'UTC')"
_SPLIT = (
    "model_name = {model:String} AND predicted_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') "
    "AND (variant, model_version_used) "
    "IN (('champion', {champion:Int32}), ('challenger', {challenger:Int32}))"
)
_ASKED = (
    "SELECT toUnixTimestamp64Milli(minOrNull(requested_at)), toUnixTimestamp64Milli(maxOrNull(requested_at)) "
    f"FROM model_prediction_log WHERE {_SPLIT}"
)
_SCALED = "took * if(new, 1, {ratio:Float64})"
_LEVELS = ", ".join(map(str, QUANTILES))
_SLOW = ", ".join(f"countIf(NOT failed AND {_SCALED} > bounds[{i}])" for i in range(1, len(QUANTILES) + 1))
_TRAFFIC = f"""
WITH
  answers AS (
    SELECT argMin(variant = 'challenger', log.predicted_at) AS new,
      argMin(isNotNull(error), log.predicted_at) AS failed,
      argMin(latency_total_ms, log.predicted_at) AS took
    FROM model_prediction_log AS log
    WHERE {_SPLIT} AND requested_at < {_UNTIL}
    GROUP BY deduplication_key
  ),
  (SELECT quantilesExact({_LEVELS})({_SCALED}) FROM answers WHERE NOT failed) AS bounds
SELECT new, count(), countIf(failed), countIf(NOT failed), [{_SLOW}],
  quantilesExactIf({_LEVELS})(took, NOT failed)
FROM answers GROUP BY new
"""
_ANSWERS = f"""
SELECT request_id, argMin(variant = 'challenger', log.predicted_at) AS challenger,
  argMin(assumeNotNull(log.prediction), log.predicted_at) AS prediction, min(requested_at) AS requested
FROM model_prediction_log AS log
WHERE {_SPLIT} AND isNotNull(log.prediction)
  AND requested_at <= addMilliseconds({_UNTIL}, -{{horizon:Int64}})
GROUP BY request_id
"""
_CARRIED = ("challenger", "prediction", "requested")
_LABELLED = (
    "SELECT challenger, prediction, label FROM ("
    + on_time(_ANSWERS, _CARRIED, until=f"addMilliseconds({_UNTIL}, 1)", horizon="{horizon:Int64}")
    + ") ORDER BY requested, request_id"
)
