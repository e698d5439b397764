"""Alerts by incident, those that nobody has resolved and those of the past."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from clickhouse_connect.driver.client import Client

from features.alerts import RESOLVED, SEVERITIES, Playbook
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
