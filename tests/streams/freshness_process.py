"""Runs the agent of freshness as a process of its own: arguments are the addresses, a folder and a label.

It tells what it does in lines on stdout: `ready`, `raised ID`, `resolved ID`.
"""

import signal
import sys
import threading
from pathlib import Path

from schemas.codec import Codec
from schemas.registry import SchemaRegistry
from streams.freshness import Changes, Limits
from streams.freshness_agent import FreshnessAgent


def tell(changes: Changes) -> None:
    for alert in changes.alerts:
        print("raised", alert["alert_id"], flush=True)
    for state in changes.states:
        print(state["state"], state["alert_id"], flush=True)


def main(bootstrap: str, registry: str, folder: str, label: str, lag_ms: str, alert_ms: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    FreshnessAgent(
        bootstrap,
        Codec(SchemaRegistry(registry)),
        {label: Limits(label, "", int(lag_ms), int(alert_ms))},
        tell,
        lambda: 0,  # groups are judged at their reports' times alone
        Path(folder),
        0.1,
    ).run(stop, lambda: print("ready", flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
