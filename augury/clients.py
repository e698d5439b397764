"""Clients of the log, the online store and the warehouse, from settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis

from augury.clock import wall_ms
from augury.settings import Settings
from features.project import Project
from schemas.codec import Codec
from schemas.log import deliver, producer
from schemas.records import TOPICS, load
from schemas.registry import SchemaRegistry
from warehouse.backfill import log_clock
from warehouse.client import Client, connect


def codec(settings: Settings) -> Codec:
    """Give the Avro codec over the schema registry."""
    return Codec(SchemaRegistry(settings.registry_url))


def send_alert(settings: Settings, alert: Mapping[str, Any]) -> None:
    """Send an alert to the log, its `at` as the record's time; return once the log holds it."""
    send(settings, {"alerts": [alert]})


def send_states(settings: Settings, states: Sequence[Mapping[str, Any]]) -> None:
    """Send to the log what followed on alerts; return once the log holds it."""
    send(settings, {"alerts.states": states})


def send(settings: Settings, by_topic: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Send records to the log, by topic, each at its `at` if it has one; return once the log holds them."""
    known, now = codec(settings), wall_ms()
    encoders = {topic: known.encoder(topic, load(TOPICS[topic])) for topic in by_topic}
    messages = [
        {"topic": topic, "value": encoders[topic](record), "timestamp": record.get("at", now)}
        for topic, records in by_topic.items()
        for record in records
    ]
    sender = producer(settings.kafka_bootstrap, **settings.kafka_client())
    try:
        deliver(sender, messages)
    finally:
        sender.close()


def project_clock(client: Client, project: Project) -> int:
    """Give how far (ms) the log's clock has come in the warehouse, in all of a project's sources.

    Raises `ConnectionError` where the warehouse has not read all of a source yet.
    """
    clock = log_clock(client, *project.source_plans.values())
    if clock is None:
        names = ", ".join(project.source_plans)
        raise ConnectionError(f"the warehouse has not read all of {names} yet; is the sink running?")
    return clock


def online_store(settings: Settings, **more: float) -> Redis:
    """Give a client of Redis; it connects at its first use. What the URL states goes before the settings.

    `more` are further options of the client.
    """
    return Redis.from_url(settings.redis_url, **settings.redis_client(), **more)


def warehouse(settings: Settings) -> Client:
    """Connect to the warehouse."""
    return connect(
        settings.warehouse_url,
        database=settings.warehouse_database,
        user=settings.warehouse_user,
        password=settings.warehouse_password.get_secret_value(),
        ca_file=settings.warehouse_ca_file,
    )
