"""Units of a model's performance: answers with what came true, and the holdout of its experiment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from clickhouse_connect.driver.client import Client

from features.definitions import Model
from warehouse.events import moment
from warehouse.labels import on_time
from warehouse.samples import of_entity, text

ALL = ("", "")
"""The segment that holds every unit, by no column."""


@dataclass(frozen=True)
class Units:
    """A SELECT of units: `request_id`, `prediction`, `label` and `segments`, an array of (by, segment)."""

    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)


def arrived(
    model_name: str,
    version: int,
    horizon: int,
    since: int,
    until: int,
    segments: Mapping[str, str] = MappingProxyType({}),
) -> Units:
    """Take the champion's answers whose first label on time the log took in [since, until) (ms).

    A label is on time that the log took within `horizon` (ms) of the request. Of several before `until` the
    last counts. `segments` has what `segment_sql` writes of each.
    """
    within = f"arrived >= {moment(since)} AND arrived < {moment(until)}"
    first = (
        f"request_id IN (SELECT request_id FROM ground_truth WHERE {_MODEL} AND log_time >= {moment(since)})"
    )
    return _labelled(model_name, version, horizon, until, first, within, segments)


def closed(model_name: str, version: int, horizon: int, until: int) -> Units:
    """Take all of the champion's answers with a label on time whose label windows had closed at `until` (ms).

    Which they are does not depend on when labels come, so early ones have no more weight than late ones.
    """
    asked = f"requested_at < {moment(until - horizon)}"
    return _labelled(model_name, version, horizon, until, asked, "1", {})


def asked(model_name: str, version: int, since: int, until: int) -> Units:
    """Take the champion's answers to requests made in [since, until) (ms), without labels."""
    within = f"requested_at >= {moment(since)} AND requested_at < {moment(until)}"
    sql = (
        f"SELECT request_id, prediction, NULL AS label, [('', '')] AS segments FROM ({_answers(within, ())})"
    )
    return Units(sql, {"model": model_name, "version": version})


def holdout(experiment_id: str) -> Units:
    """Take what a version was tried on before it served."""
    sql = (
        "SELECT toString(position) AS request_id, prediction, label, [('', '')] AS segments "
        "FROM holdout_predictions FINAL WHERE experiment_id = {experiment:String}"
    )
    return Units(sql, {"experiment": experiment_id})


def keep_holdout(
    client: Client, experiment_id: str, predictions: Iterable[float], labels: Iterable[float]
) -> None:
    """Write the holdout of an experiment; written again it is the same."""
    pairs = zip(predictions, labels, strict=True)
    rows = [[experiment_id, i, float(p), float(y)] for i, (p, y) in enumerate(pairs)]
    if rows:
        client.insert(
            "holdout_predictions", rows, column_names=["experiment_id", "position", "prediction", "label"]
        )


def segment_sql(model: Model, name: str) -> str:
    """Write the text by which answers are put into segments: of an entity, an input or a feature."""
    if name in {e.name for e in model.entities}:
        return of_entity(name)
    return _of_input(name) if name in model.inputs else _of_feature(name)


def in_segment(name: str, segment: str) -> str:
    """Write the condition that an answer is in a segment; what `name` is, the answer itself tells."""
    of = f"multiIf(mapContains(entity_keys, {text(name)}), {of_entity(name)}, "
    of += f"JSONHas(inputs, {text(name)}), {_of_input(name)}, {_of_feature(name)})"
    return f"{of} = {text(segment)}"


def _of_input(name: str) -> str:
    raw = f"JSONExtractRaw(inputs, {text(name)})"
    return f"if(startsWith({raw}, '\"'), JSONExtractString(inputs, {text(name)}), {raw})"


def _of_feature(name: str) -> str:
    return f"ifNull(toString(feature_values_used[{text(name)}]), 'missing')"


_MODEL = "model_name = {model:String}"
SERVED = (
    f"{_MODEL} AND model_version_used = {{version:Int32}} AND variant = 'champion' "
    "AND isNotNull(log.prediction)"
)
"""The condition that a row of `model_prediction_log AS log` is a champion's answer."""


def _answers(which: str, segments: Sequence[str]) -> str:
    # A request that was delivered twice may have two answers: the first that was given counts. The names of
    # the log's columns are qualified where an alias would hide them.
    held = "".join(f", argMin({sql}, predicted_at) AS _segment_{i}" for i, sql in enumerate(segments))
    return (
        "SELECT request_id, argMin(assumeNotNull(log.prediction), predicted_at) AS prediction, "
        f"min(requested_at) AS requested{held} FROM model_prediction_log AS log "
        f"WHERE {SERVED} AND {which} GROUP BY request_id"
    )


def _labelled(
    model_name: str,
    version: int,
    horizon: int,
    until: int,
    which: str,
    within: str,
    segments: Mapping[str, str],
) -> Units:
    held = [f"_segment_{i}" for i in range(len(segments))]
    by = ", ".join(["('', '')", *(f"({text(name)}, {h})" for name, h in zip(segments, held, strict=True))])
    answers = _answers(which, list(segments.values()))
    labelled = on_time(answers, ["prediction", *held], until=moment(until), horizon=f"{horizon:d}")
    sql = f"SELECT request_id, prediction, label, [{by}] AS segments FROM ({labelled}) WHERE {within}"
    return Units(sql, {"model": model_name, "version": version})
