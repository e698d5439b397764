"""How soon Redis shows an event, at half of the load that the way there takes at most."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from redis import Redis

from augury.clock import wall_ms
from augury.settings import ROOT, child_environment
from benchmarks.cluster import LOGGED, STAMPED, Servers, StalledError
from benchmarks.common import Result
from benchmarks.payments import END, PARTITIONS, Payments, group
from features.layout import clock_key, unpack_clock
from features.plan import GroupPlan
from schemas.log import await_group
from streams.job import submit

TO_REDIS = "produce to visible in Redis"
WINDOWS = 5
_BURST_S = 0.002
_WARMING_MS = 15_000  # from before the materialiser starts
_CLOCK_STEP_MS = 1_000  # a group's clock may stand this far behind the log's
_PATIENCE_S = 600.0
_SYSTEM = f"Augury, {WINDOWS} windows"


def latency(at: Servers, topic: str, payments: Payments, seconds: float) -> list[Result]:
    """Measure the highest load from log to Redis on a backlog, and the latency at half of it."""
    highest = _highest(at, group("to_redis", topic, WINDOWS), payments)
    print(f"to Redis: {highest:,.0f} events/s at most", flush=True)
    plan = group("live", "payments_live", WINDOWS)
    at.topic(plan.source.topic, LOGGED)
    at.topic(plan.topic, STAMPED)
    submit(plan, at.addresses, at.flink("hashmap", 1))
    since = wall_ms() + _WARMING_MS
    with _materialiser(at, plan, since) as process:
        until = max(since, wall_ms()) + int(seconds * 1_000)
        sent, timed, took = _send(at, plan, payments, highest / 2, since, until)
        told = _end(process, at, plan, sent)
    at.stop(plan.label)
    work = f"{TO_REDIS}, half of that"
    names = [f"{p}{where}" for where in ("", " to the row in the log") for p in ("p50", "p99", "p99.9")]
    percentiles = (*told["visible"], *told["logged"])
    return [
        Result(f"{TO_REDIS}, at most", _SYSTEM, "events", highest, "1/s"),
        Result(work, _SYSTEM, "events", sent / took, "1/s"),
        Result(work, _SYSTEM, "events timed", told["count"], ""),
        Result(work, _SYSTEM, "differences", abs(told["count"] - timed), ""),
        *(Result(work, _SYSTEM, n, p, "ms") for n, p in zip(names, percentiles, strict=True)),
    ]


def _highest(at: Servers, plan: GroupPlan, payments: Payments) -> float:
    """Drain a backlog through job and materialiser; time from the first row until Redis shows all."""
    at.topic(plan.topic, LOGGED)
    with _materialiser(at, plan):
        submit(plan, at.addresses, at.flink("hashmap", 1))
        at.await_rows(plan.topic, 1, plan.label, _PATIENCE_S)
        started = time.monotonic()
        _await_clock(at, plan, END - 1 - _CLOCK_STEP_MS)
        took = time.monotonic() - started
    at.stop(plan.label)
    return len(payments) / took


def _send(
    at: Servers, plan: GroupPlan, payments: Payments, rate: float, since: int, until: int
) -> tuple[int, int, float]:
    """Produce payments at an even rate up to `until` (ms), each stamped as it is handed over.

    Gives how many, how many of them at or after `since` (ms), and the seconds that it took.
    """
    encode = at.codec.encoder(plan.source.topic, plan.source.avro)
    cards = payments.cards.tolist()
    sender = at.sender(**{"linger.ms": 1})
    started, sent, timed = time.monotonic(), 0, 0
    while (now := wall_ms()) < until:
        due = int((time.monotonic() - started) * rate)
        for number in range(sent, due):
            now = wall_ms()
            timed += now >= since
            card = cards[number % len(cards)]
            record = {"id": number, "paid_at": now, "card": str(card), "amount": 1.0}
            sender.produce(plan.source.topic, encode(record), partition=card % PARTITIONS)
        sent = due
        sender.poll(_BURST_S)
    took = time.monotonic() - started
    if sender.flush(60):
        raise StalledError(f"the log takes all payments; {len(sender)} have no answer")
    sender.close()
    return sent, timed, took


@contextlib.contextmanager
def _materialiser(at: Servers, plan: GroupPlan, since: int = 0) -> Iterator["subprocess.Popen[str]"]:
    named = (
        "--group",
        plan.name,
        "--topic",
        plan.source.topic,
        "--windows",
        str(WINDOWS),
        "--since",
        str(since),
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.visible", *named],
        cwd=ROOT,
        env=child_environment(**at.settings.environment()),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise StalledError("the materialiser is given the topic's partitions; it ended before")
        yield process
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _end(process: "subprocess.Popen[str]", at: Servers, plan: GroupPlan, sent: int) -> dict[str, Any]:
    """Wait until all rows are in Redis, end the materialiser, and give what it prints."""
    at.await_rows(plan.topic, sent, plan.label, _PATIENCE_S)
    await_group(at.settings.kafka_bootstrap, f"visible.{plan.label}", _PATIENCE_S)
    process.terminate()
    assert process.stdout is not None
    return dict(json.loads(process.stdout.readline()))


def _await_clock(at: Servers, plan: GroupPlan, clock: int) -> None:
    store: Redis = Redis.from_url(at.settings.redis_url)
    deadline, key = time.monotonic() + _PATIENCE_S, clock_key(plan.name, plan.version)
    try:
        while True:
            held = store.get(key)
            if isinstance(held, bytes) and unpack_clock(held) >= clock:
                return
            if time.monotonic() > deadline:
                raise StalledError(f"Redis shows {plan.label} as of {clock} ms; it holds {held!r}")
            time.sleep(0.01)
    finally:
        store.close()
