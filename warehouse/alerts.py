"""Alerts by incident, those that nobody has resolved and those of the past; and the events behind them."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from clickhouse_connect.driver.client import Client

from features.alerts import RESOLVED, SEVERITIES, Playbook
from warehouse.events import moment
from warehouse.outcomes import in_segment
from warehouse.samples import text


@dataclass(frozen=True)
class Incident:
    """Alerts of one kind, policy and subject that are open, or were resolved at one moment, `ended`.

    `since`, `latest` and `ended` are ms on the log's clock.
    """

    incident: str
    kind: str
    subject: str
    model_name: str | None
    severity: str
    state: str
    alerts: int
    since: int
    latest: int
    evidence: str
    owner: str
    playbook: str
    alert_ids: tuple[str, ...]
    ended: int | None = None
    by: str = ""
    why: str = ""


_COLUMNS = [field.name for field in fields(Incident)]


def open_incidents(client: Client) -> list[Incident]:
    """Give all incidents with open alerts, the newest last."""
    return _incidents(
        client,
        "SELECT incident, kind, subject, model_name, severity, state, alerts, toUnixTimestamp64Milli(since), "
        "toUnixTimestamp64Milli(latest), evidence, owner, playbook, alert_ids, NULL, '', '' "
        "FROM alerts_open ORDER BY latest, incident",
    )


def lacking(client: Client, alert_ids: Sequence[str], state: str) -> list[str]:
    """Give those of the alerts that are in another state."""
    found = client.query(
        "SELECT alert_id FROM alerts_with_state "
        "WHERE alert_id IN {ids:Array(String)} AND state != {state:String}",
        parameters={"ids": list(alert_ids), "state": state},
    )
    return [str(row[0]) for row in found.result_rows]


def stalled_groups(client: Client) -> set[str]:
    """Give the labels of the groups of which an open alert says that their pipeline stands still."""
    found = client.query(
        "SELECT subject FROM alerts_open "
        f"WHERE kind = 'freshness' AND endsWith(playbook, '{Playbook.STALLED_PIPELINE}.md')"
    )
    return {str(row[0]) for row in found.result_rows}


def past_incidents(client: Client) -> list[Incident]:
    """Give all incidents whose alerts are resolved, the last to end last."""
    mildest_first = ", ".join(text(severity) for severity in SEVERITIES)
    return _incidents(
        client,
        "SELECT concat(kind, '/', policy, '/', subject) AS incident, kind, subject, any(model_name), "
        f"arrayElement([{mildest_first}], max(indexOf([{mildest_first}], toString(severity)))), any(state), "
        "count(), toUnixTimestamp64Milli(min(at)), toUnixTimestamp64Milli(max(at)), argMax(evidence, at), "
        "argMax(owner, at), argMax(playbook, at), arraySort(groupArray(alert_id)), "
        "toUnixTimestamp64Milli(state_at) AS ended, any(state_by), any(state_why) "
        f"FROM alerts_with_state WHERE state = {text(RESOLVED)} "
        "GROUP BY kind, policy, subject, state_at ORDER BY ended, incident",
    )


def _incidents(client: Client, sql: str) -> list[Incident]:
    rows = (dict(zip(_COLUMNS, row, strict=True)) for row in client.query(sql).result_rows)
    return [Incident(**row | {"alert_ids": tuple(row["alert_ids"])}) for row in rows]


def events_behind(incident: Incident) -> str:
    """Write the SELECT of what the newest alert of an incident was raised by; empty where no table has it.

    That of drift, performance, segments and canaries are the answers of its window, with what came true; of
    segments those in the segments that it names; of freshness the hours of the group's reads, of an audit
    what it found.
    """
    evidence = json.loads(incident.evidence)
    group = re.fullmatch(r"(.+)\.v(\d+)", incident.subject)
    if incident.kind == "freshness" and group is not None:
        return (
            f"SELECT * FROM freshness_hourly WHERE group = {text(group[1])} AND version = {group[2]} "
            "ORDER BY hour DESC LIMIT 48"
        )
    if incident.kind == "audit":
        return (
            f"SELECT * FROM served_vector_audit FINAL WHERE model_name = {text(incident.subject)} "
            "ORDER BY until DESC"
        )
    start = evidence.get("window_start")
    if incident.model_name is None or start is None:
        return ""
    within_group = f"{group[1]}." if incident.kind == "drift" and group is not None else ""
    named = [f"{within_group}{f['feature']}" for f in evidence.get("features", [])[:5]]
    features = [f"feature_values_used[{text(name)}]" for name in named if "." in name]  # not of outputs
    columns = ", ".join(["requested_at", "request_id", "entity_keys", "prediction", "label", *features])
    worse = evidence.get("segments", []) if incident.kind == "segments" else []
    within = " OR ".join(in_segment(s["segment_by"], s.get("segment", "")) for s in worse) or "1"
    return (
        f"SELECT {columns} FROM (SELECT * FROM model_prediction_log FINAL WHERE model_name = "
        f"{text(incident.model_name)} AND model_version_used = {evidence['model_version']:d} "
        f"AND requested_at >= {moment(start)} AND requested_at < {moment(incident.latest)} "
        f"AND ({within})) AS answered "
        f"LEFT JOIN (SELECT request_id, label FROM ground_truth FINAL WHERE model_name = "
        f"{text(incident.model_name)}) AS truth USING (request_id) ORDER BY requested_at"
    )
