from dataclasses import replace

import pytest

from features.alerts import ACKNOWLEDGED, RESOLVED, Alert, state
from warehouse.alerts import open_incidents, past_incidents, stalled_groups
from warehouse.client import Client
from warehouse.targets import RECORDS

pytestmark = pytest.mark.stack


def write(client: Client, *alerts: Alert) -> None:
    target = RECORDS["alerts"]
    rows = [[*target.row(alert.record), alert.at] for alert in alerts]
    client.insert(target.table, rows, column_names=target.columns)


def follow(client: Client, alert_id: str, reached: str, at: int = 5) -> None:
    target = RECORDS["alerts.states"]
    row = target.row(state(alert_id, reached, by="ann", why="mended", at=at))
    client.insert(target.table, [[*row, 5]], column_names=target.columns)


def alert(at: int, severity: str = "warning", subject: str = "plain.v1") -> Alert:
    return Alert(f"drift/{subject}/{at}", "p", "drift", subject, severity, {"at": at}, at, "drift", "ops")


def test_what_nobody_resolved_is_open_by_incident(database: Client) -> None:
    write(database, alert(1), alert(3, "critical"), alert(2), alert(4, subject="other.v1"), alert(1))
    plain, other = open_incidents(database)
    assert (plain.incident, plain.severity, plain.state, plain.alerts) == (
        *("drift/p/plain.v1", "critical", "open", 3),
    )
    assert (plain.since, plain.latest, plain.evidence, plain.owner) == (1, 3, '{"at": 3}', "ops")
    assert plain.alert_ids == ("drift/plain.v1/1", "drift/plain.v1/2", "drift/plain.v1/3")
    assert other.incident == "drift/p/other.v1"


def test_states_only_go_forward_in_whatever_order_they_come(database: Client) -> None:
    follow(database, "drift/plain.v1/1", RESOLVED)
    follow(database, "drift/plain.v1/1", ACKNOWLEDGED)
    follow(database, "drift/plain.v1/2", ACKNOWLEDGED)
    write(database, alert(1), alert(2))
    (incident,) = open_incidents(database)
    assert (incident.alert_ids, incident.state) == (("drift/plain.v1/2",), "acknowledged")
    follow(database, "drift/plain.v1/2", RESOLVED)
    assert open_incidents(database) == []


def test_what_was_resolved_together_is_an_incident_of_the_past(database: Client) -> None:
    write(database, alert(1), alert(2, "critical"), alert(7), alert(9))
    for at, ended in ((1, 5), (2, 5), (7, 8)):
        follow(database, f"drift/plain.v1/{at}", RESOLVED, ended)
    follow(database, "drift/plain.v1/9", ACKNOWLEDGED, 10)
    first, second = past_incidents(database)
    assert (first.incident, first.severity, first.state, first.alerts) == (
        *("drift/p/plain.v1", "critical", "resolved", 2),
    )
    assert (first.since, first.latest, first.ended, first.by, first.why) == (1, 2, 5, "ann", "mended")
    assert (first.evidence, first.alert_ids) == ('{"at": 2}', ("drift/plain.v1/1", "drift/plain.v1/2"))
    assert (second.alert_ids, second.ended) == (("drift/plain.v1/7",), 8)
    assert [i.alert_ids for i in open_incidents(database)] == [("drift/plain.v1/9",)]


def test_groups_that_stand_still_are_those_of_open_alerts_that_say_so(database: Client) -> None:
    stands_still = replace(alert(1), kind="freshness", playbook="stalled-pipeline")
    quiet = replace(stands_still, alert_id="q", subject="other.v1", playbook="quiet-source")
    write(database, stands_still, quiet)
    assert stalled_groups(database) == {"plain.v1"}
