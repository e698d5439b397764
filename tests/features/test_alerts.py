import json

from features.alerts import Alert, incident, state

ALERT = Alert("drift/p/1", "p", "drift", "plain.v1", "warning", {"psi": 0.3}, 1, "drift", owner="ops")


def test_alerts_of_one_kind_policy_and_subject_are_one_incident() -> None:
    record = ALERT.record
    assert incident(record) == "drift/p/plain.v1"
    assert json.loads(record["evidence"]) == {"psi": 0.3}
    assert record["playbook"] == "docs/playbooks/drift.md"


def test_a_state_names_who_and_why() -> None:
    assert state("a", "resolved", by="ann", why="it is over", at=7) == {
        "alert_id": "a",
        "state": "resolved",
        "by": "ann",
        "why": "it is over",
        "at": 7,
    }
