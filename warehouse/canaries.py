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
    """Both variants' answers to what was asked in [begun, until) (ms)."""

    champion: Side = Side()
    challenger: Side = Side()
    begun: int = 0
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


def asked(client: Client, variants: Variants, since: int, clock: int) -> tuple[int, int] | None:
    """Give the step's stretch of time by its requests; None where nothing was asked.

    It begins with the last request of the model that was answered before `since` (the wall clock's), or with
    the first after it where none was, and ends with the newest. What was asked beyond `clock` does not count:
    in a replay a request may bring the wall's time, or any other. All in ms.
    """
    held = variants.parameters | {"since": since, "clock": clock}
    before, first, last = client.query(_ASKED, held).result_rows[0]
    if first is None:
        return None
    return int(first if before is None else before), int(last)


def traffic(client: Client, variants: Variants, since: int, begun: int, until: int, ratio: float) -> Traffic:
    """Count what was answered since `since` and asked in [begun, until), the champion's times `ratio` longer.

    All in ms, on the clocks of `asked`. Of an answer that was given twice the first counts. Whose request
    named its version or variant is no part of the split, and not counted.
    """
    held = variants.parameters | {"since": since, "begun": begun, "until": until, "ratio": ratio}
    sides = {
        bool(new): Side(
            int(n), int(errors), int(timed), tuple(map(int, slow)), tuple(took) if timed else None
        )
        for new, n, errors, timed, slow, took in client.query(_TRAFFIC, held).result_rows
    }
    return Traffic(sides.get(False, Side()), sides.get(True, Side()), begun, until)


def labelled(client: Client, variants: Variants, since: int, until: int, horizon: int) -> pa.Table:
    """Read the labelled answers since `since` whose label windows had closed at `until`, in order of request.

    All in ms, on the clocks of `asked`. Columns: `challenger` (whose it is), `prediction` and `label`, the
    last that the log took within `horizon` of the request.
    """
    held = variants.parameters | {"since": since, "until": until, "horizon": horizon}
    return client.query_arrow(_LABELLED, parameters=held)


_UNTIL = "fromUnixTimestamp64Milli({until:Int64}, 'UTC')"
_KNOWN = "requested_at <= fromUnixTimestamp64Milli({clock:Int64}, 'UTC')"
_SPLIT = (
    "model_name = {model:String} AND predicted_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') "
    "AND (variant, model_version_used) "
    "IN (('champion', {champion:Int32}), ('challenger', {challenger:Int32}))"
)
_ASKED = f"""
SELECT
  (SELECT maxOrNull(toUnixTimestamp64Milli(requested_at)) FROM model_prediction_log
    WHERE model_name = {{model:String}} AND {_KNOWN}
      AND predicted_at < fromUnixTimestamp64Milli({{since:Int64}}, 'UTC')) AS before,
  minOrNull(toUnixTimestamp64Milli(requested_at)), maxOrNull(toUnixTimestamp64Milli(requested_at))
FROM model_prediction_log WHERE {_SPLIT} AND {_KNOWN}
  AND (before IS NULL OR toUnixTimestamp64Milli(requested_at) >= before)
"""
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
      AND requested_at >= fromUnixTimestamp64Milli({{begun:Int64}}, 'UTC')
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
