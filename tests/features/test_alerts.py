import json
from pathlib import Path

from features.alerts import Alert, Playbook, incident, state

PLAYBOOKS = Path(__file__).parents[2] / "docs" / "playbooks"
ALERT = Alert("drift/p/1", "p", "drift", "plain.v1", "warning", {"psi": 0.3}, 1, Playbook.DRIFT, "ops")


def test_alerts_of_one_kind_policy_and_subject_are_one_incident() -> None:
    record = ALERT.record
    assert incident(record) == "drift/p/plain.v1"
    assert json.loads(record["evidence"]) == {"psi": 0.3}
    assert record["playbook"] == "docs/playbooks/drift.md"


def test_each_playbook_is_a_document_and_each_document_one_that_alerts_can_name() -> None:
    assert sorted(Playbook) == sorted(path.stem for path in PLAYBOOKS.iterdir())


def test_a_state_names_who_and_why() -> None:
    assert state("a", "resolved", by="ann", why="it is over", at=7) == {
        "alert_id": "a",
        "state": "resolved",
        "by": "ann",
        "why": "it is over",
        "at": 7,
    }
