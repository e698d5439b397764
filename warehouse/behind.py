"""The events behind an alert: what it was raised by, as SELECTs for a person to run."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from clickhouse_connect.driver.binding import format_str

from features.alerts import ESTIMATED, SEQUENTIAL
from features.naming import rows_table
from warehouse.alerts import Incident
from warehouse.dialect import column
from warehouse.events import moment
from warehouse.labels import LAST
from warehouse.outcomes import SERVED, Units, arrived, asked, closed, in_segment
from warehouse.samples import LABEL, PREDICTION, Sample, emitted, labelled, predicted, served, text

_FEATURES = 5
_TEXT = re.compile(r"unhex\('([0-9a-f]*)'\)")


def events_behind(incident: Incident) -> list[str]:
    """Write SELECTs of what the newest alert of an incident was raised by; none where no table has it.

    They take rows as the check has taken them: of drift the values of its window; of performance the answers
    that each rule of harm has counted, with what came true; of segments those in the segments that it names;
    of a canary its answers. Of freshness they are the hours of the group's reads, of an audit what it found,
    of gates what they have judged. An alert whose evidence lacks what they take has none.
    """
    evidence = json.loads(incident.evidence)
    group = re.fullmatch(r"(.+)\.v(\d+)", incident.subject)
    of = text(incident.subject)
    known = "window_start" in evidence and "model_version" in evidence
    if incident.kind == "freshness" and group is not None:
        whole = f"group = {text(group[1])} AND version = {group[2]}"
        found = [f"SELECT * FROM freshness_hourly WHERE {whole} ORDER BY hour DESC LIMIT 48"]
    elif incident.kind == "audit":
        found = [f"SELECT * FROM served_vector_audit FINAL WHERE model_name = {of} ORDER BY until DESC"]
    elif incident.kind == "gate":
        found = [f"SELECT * FROM experiment_gates FINAL WHERE experiment_id = {of} ORDER BY position"]
    elif incident.kind == "drift" and known:
        found = _drift(incident, evidence, None if group is None else (group[1], int(group[2])))
    elif incident.kind in ("performance", "segments") and known and "horizon_ms" in evidence:
        found = _performance(incident, evidence)
    elif incident.kind == "canary" and known:
        found = [_canary(incident, evidence)]
    else:
        found = []
    return [_TEXT.sub(_readable, sql) for sql in found]


def _drift(incident: Incident, evidence: Mapping[str, Any], group: tuple[str, int] | None) -> list[str]:
    since, until, name = evidence["window_start"], incident.latest, incident.model_name or ""
    drifted = [str(f["feature"]) for f in evidence["features"]]
    if group is None:
        labels = labelled(name, since, until)
        answers = predicted(name, evidence["model_version"], since, until)
        found = [_answered(answers, [])] if PREDICTION in drifted else []
        return [*found, f"SELECT * FROM {_pasted(labels)}"] if LABEL in drifted else found
    if evidence.get("values") == "rows":
        table = rows_table(*group)
        shown = ", ".join(map(column, ("event_timestamp", "entity", "seq", *drifted[:_FEATURES])))
        return [f"SELECT {shown} FROM {_pasted(emitted(table, (), since, until))} ORDER BY event_timestamp"]
    return [_answered(served(name, {}, since, until), [f"{group[0]}.{feature}" for feature in drifted])]


def _answered(sample: Sample, features: Iterable[str]) -> str:
    shown = ["requested_at", "request_id", "entity_keys", "model_version_used", "prediction"]
    return f"SELECT {', '.join([*shown, *_values(features)])} FROM {_pasted(sample)} ORDER BY requested_at"


def _performance(incident: Incident, evidence: Mapping[str, Any]) -> list[str]:
    name, version = incident.model_name or "", int(evidence["model_version"])
    horizon, since, until = evidence["horizon_ms"], evidence["window_start"], incident.latest
    segments = evidence["segments"] if incident.kind == "segments" else []
    worse = [in_segment(s["segment_by"], s.get("segment", "")) for s in segments]
    features = [str(f["feature"]) for f in evidence.get("features", ())]
    rules = set(evidence.get("harm", ("measured",)))
    counted = list[Units]()
    if rules - {ESTIMATED, SEQUENTIAL}:
        counted.append(arrived(name, version, horizon, since, until))
    if SEQUENTIAL in rules:
        counted.append(closed(name, version, horizon, until))
    if ESTIMATED in rules:
        counted.append(asked(name, version, since, until))
    return [_with_answers(units, worse, features) for units in counted]


def _with_answers(units: Units, segments: Iterable[str], features: Iterable[str]) -> str:
    shown = ["requested_at", "request_id", "entity_keys", "unit.prediction AS prediction", "label"]
    answers = (
        f"SELECT * FROM model_prediction_log AS log FINAL WHERE {SERVED} "
        "ORDER BY predicted_at LIMIT 1 BY request_id"
    )
    sql = (
        f"SELECT {', '.join([*shown, *_values(features)])} FROM ({units.sql}) AS unit "
        f"INNER JOIN ({answers}) AS answered USING (request_id) "
        f"WHERE {' OR '.join(segments) or '1'} ORDER BY requested_at"
    )
    return _filled(sql, units.parameters)


def _canary(incident: Incident, evidence: Mapping[str, Any]) -> str:
    name = text(incident.model_name or "")
    return (
        "SELECT requested_at, request_id, entity_keys, prediction, label, error, latency_total_ms FROM "
        f"(SELECT * FROM model_prediction_log FINAL WHERE model_name = {name} "
        f"AND model_version_used = {evidence['model_version']:d} "
        f"AND requested_at >= {moment(evidence['window_start'])} AND requested_at < {moment(incident.latest)}"
        f") AS answered LEFT JOIN (SELECT request_id, toNullable({LAST}) AS label "
        f"FROM ground_truth FINAL WHERE model_name = {name} GROUP BY request_id) AS truth USING (request_id) "
        "ORDER BY requested_at"
    )


def _values(features: Iterable[str]) -> list[str]:
    return [f"feature_values_used[{text(name)}]" for name in [*features][:_FEATURES]]


def _pasted(sample: Sample) -> str:
    return _filled(sample.rows, sample.parameters)


def _filled(sql: str, parameters: Mapping[str, Any]) -> str:
    """Put values in the place of a query's typed parameters."""
    for name, value in parameters.items():
        written = f"{value:d}" if isinstance(value, int) else text(value)
        sql = re.sub(rf"\{{{name}:\w+\}}", written, sql)
    return sql


def _readable(written: "re.Match[str]") -> str:
    """Write a text for people, where it can be printed."""
    value = bytes.fromhex(written[1]).decode()
    return str(format_str(value)) if value.isprintable() else written[0]
