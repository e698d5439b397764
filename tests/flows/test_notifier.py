import json
import logging
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from features.alerts import RESOLVED, Alert, state
from flows.channels import ChannelError, PrefectEvents, by_apprise
from flows.incidents import Incidents, Notice
from flows.notifier import Notifier
from schemas.codec import Codec
from schemas.log import Topic, consumer, create_topics, deliver, producer
from schemas.records import TOPICS, load
from schemas.registry import SchemaRegistry
from tests.flows.test_bridge import eventually


class Door(HTTPServer):
    """Takes what is posted; refuses the first `refusals`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refusals = 0
        self.taken: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Door

    def do_POST(self) -> None:
        posted = json.loads(self.rfile.read(int(self.headers["content-length"])))
        refused = self.server.refusals > 0
        self.server.refusals -= refused
        if not refused:
            self.server.taken.append(posted)
        self.send_response(500 if refused else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    thread = Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def alert(name: str, subject: str, severity: str = "critical") -> dict[str, Any]:
    features = [{"feature": f"f{n}", "psi": 1 / 3, "causes": ["nulls", "stale"]} for n in range(7)]
    evidence = {
        "looks_like": "a change of the data",
        "features": features,
        "segments": [],
        "of": 9,
        "q": None,
    }
    return Alert(name, "p", "drift", subject, severity, evidence, 1_700_000_000_000, "drift", "ops").record


def test_a_webhook_gets_evidence_owner_and_playbook(door: Door) -> None:
    urls = [f"json://:secret@127.0.0.1:{door.server_port}/hook"]
    ((name, tell),) = by_apprise(urls, "https://example.com/augury").items()
    assert "secret" not in name
    assert tell(Notice("drift/p/x", "opened", alert("a", "x")))
    (posted,) = door.taken
    assert posted["title"] == "drift of x: opened (critical)"
    assert posted["type"] == "failure"
    lines = posted["message"].split("\n")
    assert [line for line in lines if line.startswith(("features", "segments", "of", "q"))] == [
        *(f"features: feature f{n}, psi 0.3333, causes nulls and stale" for n in range(5)),
        "features: 2 more",
        "of: 9",
    ]
    for line in (
        "looks_like: a change of the data",
        "owner: ops",
        "playbook: https://example.com/augury/docs/playbooks/drift.md",
        "the events behind it: augury alerts show 'drift/p/x'",
        "augury alerts ack 'drift/p/x'",
    ):
        assert line in lines


def test_addresses_are_never_shown(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ChannelError, match="place 2") as refused:
        by_apprise([f"json://127.0.0.1:{door.server_port}", "nonsense-secret"])
    assert "secret" not in str(refused.value)
    door.refusals = 1
    ((_, tell),) = by_apprise([f"json://ann:secret@127.0.0.1:{door.server_port}"]).items()
    assert not tell(Notice("drift/p/x", "opened", alert("a", "x")))
    assert "secret" not in "".join(r.getMessage() for r in caplog.records if r.name.startswith("apprise"))


class Log:
    """The two topics, and notifiers that read them; what others wrote has subjects of its own."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.codec = Codec(SchemaRegistry(settings.registry_url))
        self.subject = uuid.uuid4().hex
        forever = {"retention.ms": "-1"}
        create_topics(
            settings.kafka_bootstrap, [Topic(t, config=forever) for t in ("alerts", "alerts.states")]
        )

    def write(self, topic: str, record: dict[str, Any]) -> None:
        encode = self.codec.encoder(topic, load(TOPICS[topic]))
        sender = producer(self.settings.kafka_bootstrap)
        deliver(sender, [{"topic": topic, "value": encode(record)}])
        sender.close()

    def notify(self, door: Door, until: int) -> list[str]:
        """Run a notifier until the door has taken so many notices of this subject; give their titles."""
        reader = consumer(self.settings.kafka_bootstrap, f"alerts-{self.subject}")
        channels = by_apprise([f"json://127.0.0.1:{door.server_port}"])
        stop = Event()
        notifier = Notifier(reader, self.codec, Incidents(1), channels)
        thread = Thread(target=notifier.run, args=(stop,))
        thread.start()
        try:
            eventually(lambda: len(self.titles(door)) >= until)
        finally:
            stop.set()
            thread.join(30)
        return self.titles(door)

    def titles(self, door: Door) -> list[str]:
        return [p["title"].replace(self.subject, "x") for p in door.taken if self.subject in p["title"]]


@pytest.mark.stack
def test_the_log_is_told_of_once_also_after_a_restart_and_a_failure(stack: Any, door: Door) -> None:
    log = Log(stack.settings)
    log.write("alerts", alert(f"a-{log.subject}", log.subject))
    log.write("alerts", alert(f"a-{log.subject}", log.subject))
    door.refusals = 1
    assert log.notify(door, 1) == ["drift of x: opened (critical)"]
    log.write("alerts.states", state(f"a-{log.subject}", RESOLVED, by="ann", why="", at=5))
    assert log.notify(door, 2) == ["drift of x: opened (critical)", "drift of x: resolved (critical)"]
    log.write("alerts", alert(f"b-{log.subject}", log.subject))
    assert log.notify(door, 3)[2:] == ["drift of x: opened (critical)"]


@pytest.mark.stack
def test_prefect_has_an_event_of_each_notice(stack: Any) -> None:
    subject = uuid.uuid4().hex
    events = PrefectEvents(stack.settings.prefect_api_url)
    try:
        assert events(Notice(f"drift/p/{subject}", "opened", alert("a", subject)))
    finally:
        events.close()
    resource = {"id": [f"augury.alert.drift/p/{subject}"]}
    occurred = {"since": "2023-11-14T00:00:00Z", "until": "2023-11-16T00:00:00Z"}

    def found() -> list[dict[str, Any]]:
        answer = httpx.post(
            f"{stack.settings.prefect_api_url}/events/filter",
            json={"filter": {"resource": resource, "occurred": occurred}},
            timeout=30,
        )
        return list(answer.raise_for_status().json()["events"])

    eventually(lambda: bool(found()))
    assert found()[0]["event"] == "augury.alert.opened"
    assert found()[0]["payload"]["owner"] == "ops"
