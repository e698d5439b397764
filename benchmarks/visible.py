"""Runs a materialiser as a process of its own; at its end it prints how long payments took to be visible."""

import argparse
import json
import signal
import threading
from collections.abc import Mapping
from typing import Any

from redis import Redis

from augury.clients import codec
from augury.clock import wall_ms
from augury.settings import Settings
from benchmarks.payments import group
from features.layout import Layout
from schemas.log import consumer
from streams.lag import Lag
from streams.materialiser import READING, Materialiser

_KEPT = 5_000_000


def main() -> None:
    """Materialise until SIGTERM, then print a JSON object: `count`, and `percentiles` in ms."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--group", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--windows", type=int, required=True)
    parser.add_argument("--since", type=int, required=True, help="ms; payments before it are not timed")
    given = parser.parse_args()
    settings, stop = Settings(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    plan = group(given.group, given.topic, given.windows)

    def produced_at(row: Mapping[str, Any], _: int) -> int | None:
        """Give a payment's own time, which is when it was handed to the producer; decay has none."""
        at = int(row["last_event_time"])
        return at if row["topic"] is not None and at >= given.since else None

    reader = consumer(settings.kafka_bootstrap, f"visible.{plan.label}", **READING)
    layouts = {plan.topic: (plan.name, plan.version, Layout.of(plan))}
    materialiser = Materialiser(
        reader, Redis.from_url(settings.redis_url), codec(settings), layouts, wall_ms, produced_at
    )
    materialiser.lag = Lag(_KEPT)
    materialiser.run(stop, lambda: print("ready", flush=True))
    lag = materialiser.lag
    print(json.dumps({"count": lag.count, "percentiles": lag.percentiles(50, 99, 99.9)}), flush=True)


if __name__ == "__main__":
    main()
