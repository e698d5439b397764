"""The alerts that nobody has resolved, by incident: the view `alerts_open`; and the events behind them."""

import json
import re
from dataclasses import dataclass, fields

from clickhouse_connect.driver.client import Client

from warehouse.events import moment
from warehouse.samples import text


@dataclass(frozen=True)
class Incident:
    """Open alerts of one kind, policy and subject; `since` and `latest` are ms on the log's clock."""

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


_COLUMNS = [field.name for field in fields(Incident)]


def open_incidents(client: Client) -> list[Incident]:
    """Give all incidents with open alerts, the newest last."""
    rows = client.query(
        "SELECT incident, kind, subject, model_name, severity, state, alerts, toUnixTimestamp64Milli(since), "
        "toUnixTimestamp64Milli(latest), evidence, owner, playbook, alert_ids "
        "FROM alerts_open ORDER BY latest, incident"
    ).result_rows
    return [Incident(**dict(zip(_COLUMNS, row, strict=True)) | {"alert_ids": tuple(row[-1])}) for row in rows]


def events_behind(incident: Incident) -> str:
    """Write the SELECT of what the newest alert of an incident was raised by; empty where no table has it.

    That of drift, performance, segments and canaries are the answers of its window, with what came true; of
    freshness the hours of the group's reads, of an audit what it found.
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
    features = [f"feature_values_used[{text(f['feature'])}]" for f in evidence.get("features", [])[:5]]
    columns = ", ".join(["requested_at", "request_id", "entity_keys", "prediction", "label", *features])
    return (
        f"SELECT {columns} FROM (SELECT * FROM model_prediction_log FINAL WHERE model_name = "
        f"{text(incident.model_name)} AND model_version_used = {evidence['model_version']:d} "
        f"AND requested_at >= {moment(start)} AND requested_at < {moment(incident.latest)}) AS answered "
        f"LEFT JOIN (SELECT request_id, label FROM ground_truth FINAL WHERE model_name = "
        f"{text(incident.model_name)}) AS truth USING (request_id) ORDER BY requested_at"
    )
