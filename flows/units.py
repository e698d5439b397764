"""The units of a trial, read from the warehouse."""

from collections.abc import Sequence
from dataclasses import dataclass

from features.evaluation import SPLIT
from flows.contracts import Query


@dataclass(frozen=True)
class Unit:
    """One unit whose label window has closed; a part that never came is None.

    In shadow mode it is a request, in split traffic an entity, by the first of its requests in the trial.
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


@dataclass(frozen=True)
class Report:
    """A label as reported: when the log first took it (ms), when it came true (ms), and what it says."""

    arrived: int
    happened: int
    label: float


@dataclass(frozen=True)
class Assignment:
    """A request as it was put into the trial, with all that was reported of it, in order of arrival.

    `unit` is its entity's text, or the request's id where it has none; `requested` is in ms.
    """

    unit: str
    requested: int
    answers: Unit
    reports: tuple[Report, ...]


_SEGMENTS = (
    "arrayMap(s -> if(mapContains(entity_keys, s), entity_keys[s], JSONExtractString(inputs, s)), "
    "{segments:Array(String)})"
)
# An answer that was logged twice counts once: the first. One that is an error has no prediction.
_REQUEST = """request_id, argMin(prediction, predicted_at) AS prediction, min(requested_at) AS requested,
    any(if(empty(entity_keys), request_id, toString(arraySort(arrayZip(mapKeys(entity_keys),
      mapValues(entity_keys)))))) AS unit,
    any(@segments@) AS segments"""
_UNTIL = "requested_at <= fromUnixTimestamp64Milli({until:Int64}, 'UTC')"
_REPORTS = """(
  SELECT request_id,
    arraySort(groupArray((toUnixTimestamp64Milli(taken), toUnixTimestamp64Milli(happened_at), label)))
      AS reports
  FROM (
    SELECT request_id, happened_at, label, min(log_time) AS taken
    FROM ground_truth
    WHERE model_name = {model:String} AND log_time <= fromUnixTimestamp64Milli({until:Int64}, 'UTC')
    GROUP BY request_id, happened_at, label
  )
  GROUP BY request_id
)"""
_REPORTED = """arrayMap(r -> r.1, truth.reports) AS arrived,
  arrayMap(r -> r.2, truth.reports) AS happened,
  arrayMap(r -> r.3, truth.reports) AS labels"""
# Each door loads the challenger in its own time, so a request counts from the moment at which the last door
# that shadows at all has begun; a door that never does shows as requests with one answer.
_SHADOW = """
WITH
  (SELECT maxOrNull(first) FROM (
     SELECT min(requested_at) AS first FROM shadow_predictions
     WHERE model_name = {model:String} AND model_version_used = {challenger:Int32} AND @until@
     GROUP BY door)) AS first_shadow,
  if({since:Int64} = 0, first_shadow, fromUnixTimestamp64Milli({since:Int64}, 'UTC')) AS trial_start
SELECT request_id, unit, champion, challenger, NULL AS assigned, segments,
  toUnixTimestamp64Milli(assumeNotNull(asked)) AS requested, @reported@
FROM (
  SELECT
    coalesce(served.request_id, shadow.request_id) AS request_id,
    coalesce(served.unit, shadow.unit) AS unit,
    served.prediction AS champion,
    shadow.prediction AS challenger,
    coalesce(served.requested, shadow.requested) AS asked,
    if(empty(served.segments), shadow.segments, served.segments) AS segments
  FROM (
    SELECT @request@
    FROM model_prediction_log
    WHERE model_name = {model:String} AND model_version_used = {champion:Int32}
      AND variant = 'champion' AND requested_at >= trial_start AND @until@
    GROUP BY request_id
  ) AS served
  FULL JOIN (
    SELECT @request@
    FROM shadow_predictions
    WHERE model_name = {model:String} AND model_version_used = {challenger:Int32}
      AND requested_at >= trial_start AND @until@
    GROUP BY request_id
  ) AS shadow ON served.request_id = shadow.request_id
) AS assigned_to
LEFT JOIN @reports@ AS truth ON truth.request_id = assigned_to.request_id
ORDER BY requested, request_id
SETTINGS join_use_nulls = 1
"""
# A door takes part once it has sent a request to the challenger. That request is no unit, for it is there
# because of where it went. One that never sends any takes part too, a while behind the first that did: its
# units are what the sample-ratio check would miss. All requests of an entity go to one variant, so the first
# of them stands for it.
_SPLIT = """
WITH (SELECT minOrNull(requested_at) FROM model_prediction_log
      WHERE model_name = {model:String} AND model_version_used = {challenger:Int32}
        AND variant = 'challenger') + toIntervalMillisecond({grace:Int64}) AS latest
SELECT of_unit.1 AS request_id, unit, toUnixTimestamp64Milli(of_unit.2) AS requested, of_unit.4 AS assigned,
  if(assigned, NULL, of_unit.3) AS champion, if(assigned, of_unit.3, NULL) AS challenger,
  of_unit.5 AS segments, @reported@
FROM (
  SELECT unit,
    argMin((request_id, requested, prediction, assigned, segments), (requested, request_id)) AS of_unit
  FROM (
    SELECT @request@, argMin(variant, predicted_at) = 'challenger' AS assigned
    FROM model_prediction_log AS log
    INNER JOIN (
      SELECT door,
        minOrNullIf(requested_at, variant = 'challenger' AND model_version_used = {challenger:Int32}) AS own,
        if(isNull(own), latest, least(assumeNotNull(own), assumeNotNull(latest))) AS begun
      FROM model_prediction_log WHERE model_name = {model:String}
      GROUP BY door
    ) AS doors ON doors.door = log.door
    WHERE model_name = {model:String} AND requested_at > begun AND @until@
      AND (variant, assumeNotNull(model_version_used)) IN
        (('champion', {champion:Int32}), ('challenger', {challenger:Int32}))
    GROUP BY request_id
  )
  GROUP BY unit
) AS entities
LEFT JOIN @reports@ AS truth ON truth.request_id = entities.of_unit.1
ORDER BY requested, request_id
"""
_PARTS = {
    "@request@": _REQUEST,
    "@segments@": _SEGMENTS,
    "@until@": _UNTIL,
    "@reports@": _REPORTS,
    "@reported@": _REPORTED,
}
_NAMES = (
    "request_id", "unit", "requested", "champion", "challenger", "assigned", "segments",
    "arrived", "happened", "labels",
)  # fmt: skip


def read_assignments(
    query: Query,
    model_name: str,
    *,
    champion: int,
    challenger: int,
    mode: str,
    until: int,
    since: int = 0,
    grace: int,
    segments: Sequence[str] = (),
) -> list[Assignment]:
    """Give the requests that the trial had had at `until` (ms), in order of `requested_at`.

    `champion` and `challenger` are versions; `segments` name entities or inputs. A trial in shadow begins by
    itself, or at `since` (ms) where that is given. In split traffic a door takes part when it first sends a
    request to the challenger, `grace` (ms) behind the first door's at the latest. Of labels those are given
    that the log had at `until`. It reads what the warehouse holds: a look is complete once the sink has taken
    what the log held at `until`.
    """
    sql = _SPLIT if mode == SPLIT else _SHADOW
    for name, part in _PARTS.items():
        sql = sql.replace(name, part)
    table = query(
        sql,
        {
            "model": model_name,
            "champion": champion,
            "challenger": challenger,
            "until": until,
            "since": since,
            "grace": grace,
            "segments": list(segments),
        },
    )
    columns = (table.column(name).to_pylist() for name in _NAMES)
    return [
        Assignment(
            unit,
            requested,
            Unit(request, old, new, None, tuple(parts), None if own is None else bool(own)),
            tuple(map(Report, arrived, happened, labels)),
        )
        for request, unit, requested, old, new, own, parts, arrived, happened, labels in zip(
            *columns, strict=True
        )
    ]
