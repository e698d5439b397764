"""The units of a trial, read from the warehouse."""

from flows.contracts import Query
from flows.trial import Unit

# Each door loads the challenger in its own time, so a request counts from the moment at which the last door
# that shadows at all has begun; a door that never does shows as requests with one answer. The label is the
# first that came true within the horizon; the answer is the first that was logged, for a request that is
# delivered twice may be answered twice. An answer that is an error has no prediction.
_UNITS = """
WITH
  (SELECT maxOrNull(first) FROM (
     SELECT min(requested_at) AS first FROM augury.shadow_predictions
     WHERE model_name = {model:String} AND model_version_used = {challenger:Int32}
     GROUP BY door)) AS trial_start,
  fromUnixTimestamp64Milli({until:Int64} - {horizon:Int64}, 'UTC') AS trial_end
SELECT
  coalesce(served.request_id, shadow.request_id) AS request_id,
  served.prediction AS champion,
  shadow.prediction AS challenger,
  if(date_diff('millisecond', coalesce(served.requested, shadow.requested), truth.happened)
     BETWEEN 0 AND {horizon:Int64}, truth.label, NULL) AS label
FROM (
  SELECT request_id, argMin(prediction, predicted_at) AS prediction, min(requested_at) AS requested
  FROM augury.model_prediction_log
  WHERE model_name = {model:String} AND model_version_used = {champion:Int32} AND variant = 'champion'
    AND requested_at BETWEEN trial_start AND trial_end
  GROUP BY request_id
) AS served
FULL JOIN (
  SELECT request_id, argMin(prediction, predicted_at) AS prediction, min(requested_at) AS requested
  FROM augury.shadow_predictions
  WHERE model_name = {model:String} AND model_version_used = {challenger:Int32}
    AND requested_at BETWEEN trial_start AND trial_end
  GROUP BY request_id
) AS shadow ON served.request_id = shadow.request_id
LEFT JOIN (
  SELECT request_id, argMin(label, happened_at) AS label, min(happened_at) AS happened
  FROM augury.ground_truth
  WHERE model_name = {model:String}
  GROUP BY request_id
) AS truth ON truth.request_id = coalesce(served.request_id, shadow.request_id)
ORDER BY coalesce(served.requested, shadow.requested), request_id
SETTINGS join_use_nulls = 1
"""


def read_units(
    query: Query, model_name: str, *, champion: int, challenger: int, until: int, horizon: int
) -> list[Unit]:
    """Give the trial's requests whose label windows had closed at `until`, in the order of `requested_at`.

    `champion` and `challenger` are versions, `until` and `horizon` milliseconds. It reads what the
    warehouse holds: a look is complete once the sink has taken what the log held at `until`.
    """
    table = query(
        _UNITS,
        {
            "model": model_name,
            "champion": champion,
            "challenger": challenger,
            "until": until,
            "horizon": horizon,
        },
    )
    columns = (table.column(name).to_pylist() for name in ("request_id", "champion", "challenger", "label"))
    return [Unit(*row) for row in zip(*columns, strict=True)]
