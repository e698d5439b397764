"""The units of a trial, read from the warehouse."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.contracts import Query


@dataclass(frozen=True)
class Unit:
    """One request whose label window has closed; a part that never came is None.

    Predictions are the models' scores. `segments` are its values of the policy's segments. In split traffic
    `assigned` says whether it went to the challenger.
    """

    request_id: str
    champion: float | None
    challenger: float | None
    label: float | None
    segments: tuple[str, ...] = ()
    assigned: bool | None = None

    @property
    def answered(self) -> bool:
        """Whether it has all the predictions that its mode calls for."""
        if self.assigned is None:
            return self.champion is not None and self.challenger is not None
        return (self.challenger if self.assigned else self.champion) is not None


_SEGMENTS = (
    "arrayMap(s -> if(mapContains(entity_keys, s), entity_keys[s], JSONExtractString(inputs, s)), "
    "{segments:Array(String)})"
)
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
     BETWEEN 0 AND {horizon:Int64}, truth.label, NULL) AS label,
  if(empty(served.segments), shadow.segments, served.segments) AS segments
FROM (
  SELECT request_id, argMin(prediction, predicted_at) AS prediction, min(requested_at) AS requested,
    any(@segments@) AS segments
  FROM augury.model_prediction_log
  WHERE model_name = {model:String} AND model_version_used = {champion:Int32} AND variant = 'champion'
    AND requested_at BETWEEN trial_start AND trial_end
  GROUP BY request_id
) AS served
FULL JOIN (
  SELECT request_id, argMin(prediction, predicted_at) AS prediction, min(requested_at) AS requested,
    any(@segments@) AS segments
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
""".replace("@segments@", _SEGMENTS)
_COLUMNS = ("request_id", "champion", "challenger", "label", "segments")


def read_units(
    query: Query,
    model_name: str,
    *,
    champion: int,
    challenger: int,
    until: int,
    horizon: int,
    segments: Sequence[str] = (),
) -> list[Unit]:
    """Give the trial's requests whose label windows had closed at `until`, in the order of `requested_at`.

    `champion` and `challenger` are versions, `until` and `horizon` milliseconds; `segments`
    name entities or inputs. It reads what the
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
            "segments": list(segments),
        },
    )
    columns = (table.column(name).to_pylist() for name in _COLUMNS)
    return [Unit(r, old, new, label, tuple(s)) for r, old, new, label, s in zip(*columns, strict=True)]
