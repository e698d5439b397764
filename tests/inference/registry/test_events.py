from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from augury.clients import codec
from augury.settings import Settings
from augury.stack import Stack
from inference.registry import Registry, publish_events
from inference.registry.events import TOPIC
from schemas.log import Topic, consumer, create_topics, producer
from schemas.records import load
from tests.registered import register

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = Settings.with_free_ports(Path(tmp_path_factory.mktemp("outbox")))
    with Stack(settings, parts=("kafka", "registry")):
        create_topics(settings.kafka_bootstrap, [Topic(TOPIC)])
        yield settings


@pytest.fixture
def registry(url: str) -> Iterator[Registry]:
    registry = Registry(url, lambda: 1_700_000_000_000)
    registry.migrate()
    yield registry
    registry.close()


def live(registry: Registry, name: str) -> None:
    """Let a model have a history of six events."""
    for place in range(2):
        who = {"by": "ann", "why": "a test"}
        version = register(registry, name, {}, **who)
        if place:
            registry.start_trial(name, version, **who)
        registry.promote(name, version, **who, evidence={"wins": place})


class Dying(Registry):
    """A registry whose process dies when the log has taken the events, before it has noted that."""

    def mark_published(self, ids: Any) -> None:
        raise SystemExit(ids)


def published(settings: Settings, model_name: str) -> list[dict[str, Any]]:
    """Read all that the log has of a model."""
    reader = consumer(settings.kafka_bootstrap, f"of-{model_name}", **{"enable.partition.eof": True})
    reader.subscribe([TOPIC])
    decode, found = codec(settings).decode, []
    while True:
        message = reader.poll(30)
        assert message is not None
        if message.error() is not None:
            break  # the end of the one partition
        event = decode(message.value() or b"")
        if event["model_name"] == model_name:
            found.append(event)
    reader.close()
    return found


def test_the_log_has_what_the_database_has_whoever_dies(
    settings: Settings, registry: Registry, url: str
) -> None:
    name = f"outbox-{url.partition(':')[0].partition('+')[0]}"
    encode = codec(settings).encoder(TOPIC, load("registry_event"))
    live(registry, name)
    kept = [asdict(event) for event in registry.history.events(name)]
    assert [e["kind"] for e in kept] == [
        "registered",
        "promoted",
        "registered",
        "trial_started",
        "retired",
        "promoted",
    ]

    nowhere = Producer({"bootstrap.servers": "127.0.0.1:1", "message.timeout.ms": 200, "log_level": 0})
    with pytest.raises(RuntimeError, match="6 of 6 were not and stay in the outbox"):
        publish_events(registry, nowhere, encode)
    assert published(settings, name) == []

    sender, dying = producer(settings.kafka_bootstrap), Dying(url, lambda: 0)
    with pytest.raises(SystemExit):
        publish_events(dying, sender, encode)
    dying.close()
    assert published(settings, name) == kept
    assert publish_events(registry, sender, encode) == 6
    assert publish_events(registry, sender, encode) == 0
    assert published(settings, name) == kept + kept  # told apart by event_id
    sender.close()
