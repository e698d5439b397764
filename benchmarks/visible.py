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
    """Materialise until SIGTERM, then print a JSON object.

    It has `count`, and p50, p99 and p99.9 (ms) until a row is `visible`, and until it is `logged` before.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--group", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--windows", type=int, required=True)
    parser.add_argument("--since", type=int, required=True, help="ms; payments before it are not timed")
    given = parser.parse_args()
    settings, stop = Settings(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    plan = group(given.group, given.topic, given.windows)

    logged = Lag(_KEPT)

    def produced_at(row: Mapping[str, Any], kafka_time: int) -> int | None:
        """Give a payment's own time, which is when it was handed to the producer; decay has none."""
        at = int(row["last_event_time"])
        if row["topic"] is None or at < given.since:
            return None
        logged.add([kafka_time - at])
        return at

    reader = consumer(settings.kafka_bootstrap, f"visible.{plan.label}", **READING)
    layouts = {plan.topic: (plan.name, plan.version, Layout.of(plan))}
    materialiser = Materialiser(
        reader, Redis.from_url(settings.redis_url), codec(settings), layouts, wall_ms, produced_at
    )
    materialiser.lag = Lag(_KEPT)
    materialiser.run(stop, lambda: print("ready", flush=True))
    told = {"visible": materialiser.lag, "logged": logged}
    percentiles = {name: lag.percentiles(50, 99, 99.9) for name, lag in told.items()}
    print(json.dumps({"count": materialiser.lag.count, **percentiles}), flush=True)


if __name__ == "__main__":
    main()
