"""Events into flow runs."""

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

from prometheus_client import CollectorRegistry

from augury.clients import codec
from augury.models import registry
from augury.settings import Settings
from features.policies import DriftPolicy, EvaluationPolicy, MonitoringPolicy
from features.project import Project
from flows.bridge import Bridge
from flows.runs import PrefectRuns
from flows.triggers import Triggers
from inference.registry import publish_events
from schemas.log import consumer, deliver, producer
from schemas.metrics import LogLag, Sampled, counter, dead_letters
from schemas.records import load


def run(
    project: Project, settings: Settings, stop: Event, ready: Callable[[], None], metrics: CollectorRegistry
) -> None:
    """Turn events into flow runs."""
    held = registry(settings)
    encode = codec(settings).encoder("dead_letters", load("dead_letter"))
    sender = producer(settings.kafka_bootstrap, **settings.kafka_client())

    def refuse(letter: Mapping[str, Any]) -> None:
        deliver(sender, [{"topic": "dead_letters", "value": encode(letter)}])

    def on_trial(model_name: str) -> int | None:
        return held.serving_config(model_name).on_trial

    encode_event = codec(settings).encoder("registry.events", load("registry_event"))

    def publish() -> int:
        return publish_events(held, sender, encode_event)

    triggers = Triggers(
        [p for p in project.policies if isinstance(p, DriftPolicy)],
        [p for p in project.policies if isinstance(p, EvaluationPolicy)],
        [p for p in project.policies if isinstance(p, MonitoringPolicy)],
    )
    lag = LogLag()
    reader = consumer(settings.kafka_bootstrap, "augury.bridge", **lag.options, **settings.kafka_client())
    with PrefectRuns(settings.prefect_api_url, settings.prefect_auth.get_secret_value()) as runs:
        bridge = Bridge(reader, codec(settings), triggers, on_trial, runs, refuse, publish)
        metrics.register(
            Sampled(
                lambda: (
                    counter(
                        "augury_flow_runs_asked_total",
                        "Runs that events have asked Prefect for; one that is asked for twice is made once.",
                        ("flow",),
                        bridge.asked,
                    ),
                    dead_letters("bridge", bridge.refused),
                    lag.metric(),
                )
            )
        )
        bridge.run(stop, ready)
