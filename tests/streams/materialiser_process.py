"""Runs a materialiser as a process of its own: arguments are the addresses and the topic."""

import signal
import sys
import threading
import time

from redis import Redis

from features.layout import Layout
from features.plan import Feature
from features.types import DataType
from schemas.codec import Codec
from schemas.log import consumer
from schemas.registry import SchemaRegistry
from streams.materialiser import Materialiser

FEATURES = (Feature("n", DataType.INTEGER), Feature("name", DataType.TEXT))


def main(bootstrap: str, registry: str, redis: str, topic: str, group: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Materialiser(
        consumer(bootstrap, f"materialiser.{group}", **{"session.timeout.ms": 6_000}),
        Redis.from_url(redis),
        Codec(SchemaRegistry(registry)),
        {topic: (group, 1, Layout(7, FEATURES))},
        clock=lambda: time.monotonic_ns() // 1_000_000,
    ).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
