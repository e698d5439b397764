import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from augury.cli import app
from augury.clients import codec, warehouse
from augury.settings import Settings
from augury.stack import Stack
from features.alerts import RESOLVED, Alert, state
from schemas.log import Topic, consumer, create_topics
from tests.warehouse.reported import MODEL, START, answering
from warehouse.client import Client, migrate
from warehouse.targets import RECORDS

pytestmark = pytest.mark.stack
DAY = 86_400_000
STATES = "alerts.states"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["alerts", *arguments])


def alert(name: str, kind: str, subject: str, severity: str = "warning", **evidence: object) -> Alert:
    return Alert(
        alert_id=name,
        policy=f"{kind}/{subject}",
        kind=kind,
        subject=subject,
        severity=severity,
        evidence=evidence,
        at=START + DAY,
        playbook=kind,
        owner="ann",
        model_name=MODEL if kind == "drift" else None,
    )


@pytest.fixture
def client(stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    """A warehouse of its own with a drift that was found twice, and a group that stands still."""
    for name, value in stack.settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AUGURY_WAREHOUSE_DATABASE", f"db_{uuid.uuid4().hex[:8]}")
    monkeypatch.setenv("COLUMNS", "200")
    create_topics(stack.settings.kafka_bootstrap, [Topic(STATES, config={"retention.ms": "-1"})])
    client = warehouse(Settings())
    migrate(client)
    found = [
        alert("d1", "drift", "plain.v1", model_version=1, window_start=START, features=[{"feature": "n"}]),
        alert("d2", "drift", "plain.v1", "critical", model_version=1, window_start=START, features=[]),
        alert("f1", "freshness", "plain.v1", "critical", verdict="stalled"),
    ]
    target = RECORDS["alerts"]
    rows = [[*target.row(each.record), each.at + n] for n, each in enumerate(found)]
    client.insert(target.table, rows, column_names=target.columns)
    yield client
    client.close()


def told(stack: Stack, named: str) -> list[dict[str, object]]:
    """Read the states that were sent of an alert."""
    reader = consumer(
        stack.settings.kafka_bootstrap, f"told.{uuid.uuid4().hex}", **{"auto.offset.reset": "earliest"}
    )
    reader.subscribe([STATES])
    decode, found = codec(stack.settings).decode, []
    while not found:
        for message in reader.consume(100, 1.0):
            if message.error() is None:
                record = decode(message.value() or b"")
                found += [record] if record["alert_id"] == named else []
    reader.close()
    return found


def test_what_is_open_is_listed_by_incident_and_is_a_failure(client: Client) -> None:
    done = run("list")
    assert done.exit_code == 1
    assert "drift/drift/plain.v1/plain.v1" in done.output
    listed = json.loads(run("list", "--json").stdout)
    assert {(i["kind"], i["alerts"], i["severity"]) for i in listed} == {
        ("drift", 2, "critical"),
        ("freshness", 1, "critical"),
    }
    client.command("TRUNCATE TABLE alerts")
    done = run("list")
    assert (done.exit_code, done.output.strip()) == (0, "nothing is open")


def test_one_is_shown_with_a_query_of_the_events_behind_it(client: Client) -> None:
    answering(client)
    done = run("show", "d1")
    assert done.exit_code == 0, done.output
    assert "playbook: docs/playbooks/drift.md" in done.output
    query = done.output.split("the events behind it:")[1].strip().rstrip(";").replace("\n", " ")
    rows = client.query(query).result_rows
    wanted = client.query(
        "SELECT uniqExact(request_id) FROM model_prediction_log FINAL WHERE isNull(error) AND "
        f"toUnixTimestamp64Milli(requested_at) BETWEEN {START} AND {START + DAY}"
    ).result_rows[0][0]
    assert len(rows) == wanted > 0
    shown = run("show", "f1").output
    query = shown.split("the events behind it:")[1].strip().rstrip(";").replace("\n", " ")
    assert client.query(query).result_rows
    done = run("show", "nothing")
    assert (done.exit_code, "'nothing' is not" in done.output) == (2, True)


def test_what_was_resolved_is_shown_and_is_no_failure(client: Client) -> None:
    target = RECORDS[STATES]
    for name in ("d1", "d2", "f1"):
        row = target.row(state(name, RESOLVED, by="bob", why="[mended]", at=START + 2 * DAY))
        client.insert(target.table, [[*row, START]], column_names=target.columns)
    assert run("list").output.strip() == "nothing is open"
    done = run("list", "--all", "--json")
    assert (done.exit_code, [i["alert_ids"] for i in json.loads(done.stdout)]) == (0, [["d1", "d2"], ["f1"]])
    shown = run("show", "d1")
    assert shown.exit_code == 0
    assert "by bob: [mended]" in shown.output
    assert "the events behind it:" in shown.output
    over = run("ack", "d1")
    assert (over.exit_code, "resolved" in over.output, "already" in over.output) == (2, True, True)


def test_somebody_sees_to_one_and_closes_it_by_the_log(client: Client, stack: Stack) -> None:
    name = f"own-{uuid.uuid4().hex}"
    own = alert(name, "drift", name)
    target = RECORDS["alerts"]
    client.insert(target.table, [[*target.row(own.record), own.at]], column_names=target.columns)
    done = run("ack", name, "--why", "seen", "--by", "bob")
    assert done.exit_code == 0, done.output
    (state,) = told(stack, name)
    assert (state["state"], state["by"], state["why"]) == ("acknowledged", "bob", "seen")
    assert "1 alert acknowledged" in done.output
    states = RECORDS[STATES]
    client.insert(states.table, [[*states.row(state), START]], column_names=states.columns)
    assert "is acknowledged already" in run("ack", name).output
    later = alert(f"{name}-later", "drift", name)
    client.insert(target.table, [[*target.row(later.record), later.at + 1]], column_names=target.columns)
    assert "2 alerts acknowledged" in run("ack", name).output  # of one nobody knew yet
    assert run("resolve", name).exit_code == 2  # without a reason
    assert run("resolve", name, "--why", "mended").exit_code == 0
    assert [s["state"] for s in told(stack, name)] == ["acknowledged", "acknowledged", "resolved"]
