"""The alerts that nobody has resolved, by incident: the view `alerts_open`."""

from dataclasses import dataclass, fields

from clickhouse_connect.driver.client import Client


@dataclass(frozen=True)
class Incident:
    """Open alerts of one kind, policy and subject; `since` and `latest` are ms on the log's clock."""

    incident: str
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
        "SELECT incident, severity, state, alerts, toUnixTimestamp64Milli(since), "
        "toUnixTimestamp64Milli(latest), evidence, owner, playbook, alert_ids "
        "FROM alerts_open ORDER BY latest, incident"
    ).result_rows
    return [Incident(**dict(zip(_COLUMNS, row, strict=True)) | {"alert_ids": tuple(row[-1])}) for row in rows]
