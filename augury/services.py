"""Augury's own processes: each by name, from a project and settings, until it is told to stop."""

import signal
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from threading import Event
from typing import Any

from redis import Redis

from augury.clock import wall_ms
from augury.settings import ROOT, Settings
from augury.wiring import (
    Datasets,
    Query,
    addresses,
    artifacts,
    codec,
    publish,
    registry,
    spool,
    warehouse,
)
from features.layout import Layout
from features.policies import DriftPolicy, EvaluationPolicy
from features.project import Project
from flows.bridge import Bridge
from flows.context import Context, configure
from flows.evaluate import evaluate, start_trial
from flows.retrain import retrain
from flows.runs import PrefectRuns
from flows.triggers import Triggers
from flows.worker import FlowWorker
from inference.registry import Registry
from inference.serving import run_worker, serve_http
from schemas.log import consumer, producer
from schemas.records import load
from streams.materialiser import Materialiser
from warehouse.sink import Sink
from warehouse.targets import targets

Ready = Callable[[], None]
_TICK_S = 60.0


def run(name: str, project: Project, settings: Settings, ready: Ready) -> None:
    """Run a service until SIGTERM or SIGINT; `ready` is called once it works."""
    service = SERVICES[name]
    if service is http:  # its server has signal handlers of its own
        http(project, settings, Event(), ready)
        return
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service(project, settings, stop, ready)


def materialiser(project: Project, settings: Settings, stop: Event, ready: Ready) -> None:
    """Put feature rows into the online store."""
    layouts = {p.topic: (p.name, p.version, Layout.of(p)) for p in project.group_plans.values()}
    reader = consumer(settings.kafka_bootstrap, "augury.materialiser", **settings.kafka_client())
    store = Redis.from_url(settings.redis_url)
    ready()
    Materialiser(reader, store, codec(settings), layouts, wall_ms).run(stop)


def sink(project: Project, settings: Settings, stop: Event, ready: Ready) -> None:
    """Write the log into the warehouse."""
    reader = consumer(settings.kafka_bootstrap, "augury.sink", **settings.kafka_client())
    sender = producer(settings.kafka_bootstrap, **settings.kafka_client())
    routes = targets(project.source_plans.values(), project.group_plans.values())
    ready()
    Sink(reader, warehouse(settings), codec(settings), routes, sender).run(stop)


def http(_project: Project, settings: Settings, _stop: Event, _ready: Ready) -> None:
    """Serve the HTTP door; it is ready when /readyz says so."""
    token = settings.http_token
    serve_http(
        addresses(settings),
        host=settings.http_host,
        port=settings.http_port,
        spool=spool(settings),
        clock=wall_ms,
        replay=settings.replay,
        token=None if token is None else token.get_secret_value(),
    )


def worker(_project: Project, settings: Settings, stop: Event, ready: Ready) -> None:
    """Answer the prediction requests on Kafka."""
    ready()
    run_worker(addresses(settings), stop, clock=wall_ms, replay=settings.replay)


def bridge(project: Project, settings: Settings, stop: Event, ready: Ready) -> None:
    """Turn events into flow runs."""
    held = registry(settings)
    encode = codec(settings).encoder("dead_letters", load("dead_letter"))
    sender = producer(settings.kafka_bootstrap, **settings.kafka_client())

    def refuse(letter: Mapping[str, Any]) -> None:
        sender.produce("dead_letters", value=encode(letter))
        sender.flush()

    triggers = Triggers(
        [p for p in project.policies if isinstance(p, DriftPolicy)],
        [p for p in project.policies if isinstance(p, EvaluationPolicy)],
    )
    reader = consumer(settings.kafka_bootstrap, "augury.bridge", **settings.kafka_client())
    with PrefectRuns(settings.prefect_api_url) as runs:
        ready()
        on_trial = partial(_on_trial, held)
        Bridge(reader, codec(settings), triggers, on_trial, runs, refuse).run(stop)


def flows(project: Project, settings: Settings, stop: Event, ready: Ready) -> None:
    """Execute flow runs."""
    held = registry(settings)
    client = warehouse(settings)
    configure(
        Context(
            project=project,
            registry=held,
            artifacts=artifacts(settings),
            dataset=Datasets(client, project),
            query=Query(client),
            publish=partial(publish, settings, held),
            code_version=code_version(),
        )
    )
    FlowWorker(settings.prefect_api_url, [retrain, start_trial, evaluate], "flows").run(stop, ready)


def ticker(project: Project, settings: Settings, stop: Event, ready: Ready) -> None:
    """Append a clock tick to every partition of every source each minute, so that quiet windows decay."""
    sender = producer(settings.kafka_bootstrap, **settings.kafka_client())
    ready()
    while not stop.is_set():
        now = wall_ms()
        for source in project.source_plans.values():
            for partition in range(source.partitions):
                sender.produce(source.topic, value=None, partition=partition, timestamp=now)
        sender.flush()
        stop.wait(_TICK_S)


def code_version() -> str:
    """Name the commit of the code, or `unknown` outside a checkout."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _on_trial(held: Registry, model_name: str) -> int | None:
    return held.serving_config(model_name).shadow_model_version


SERVICES: dict[str, Callable[[Project, Settings, Event, Ready], None]] = {
    "materialiser": materialiser,
    "sink": sink,
    "http": http,
    "worker": worker,
    "bridge": bridge,
    "flows": flows,
    "ticker": ticker,
}
