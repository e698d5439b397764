"""The outbox: what the registry has recorded goes to the topic `registry.events`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from confluent_kafka import Producer

from inference.registry.registry import Registry

TOPIC = "registry.events"
_DELIVERY_SECONDS = 30


def publish_events(
    registry: Registry, producer: Producer, encode: Callable[[Mapping[str, Any]], bytes]
) -> int:
    """Publish all events that are not yet published, oldest first, and give their number.

    An event is marked only when the log has acknowledged it, so it arrives at least once; its
    `event_id` tells repetitions. Raises `RuntimeError` where Kafka does not take them in time; they
    stay in the outbox.
    """
    count = 0
    while events := registry.unpublished_events():
        delivered: list[str] = []
        for event in events:
            producer.produce(
                TOPIC,
                key=event.model_name.encode(),
                value=encode(asdict(event)),
                on_delivery=partial(_note, delivered, event.event_id),
            )
        producer.flush(_DELIVERY_SECONDS)
        registry.mark_published(delivered)
        count += len(delivered)
        if len(delivered) < len(events):
            raise RuntimeError(
                "registry events are acknowledged by Kafka before they are marked; "
                f"{len(events) - len(delivered)} of {len(events)} were not and stay in the outbox"
            )
    return count


def _note(delivered: list[str], event_id: str, error: object, _message: object) -> None:
    if error is None:
        delivered.append(event_id)
