"""Alerts of groups that stand still."""

import ssl
from collections import Counter
from collections.abc import Callable
from threading import Event
from typing import Any

import faust
from prometheus_client import CollectorRegistry

from augury.clients import codec, send_alert, send_states
from augury.clock import wall_ms
from augury.settings import Settings
from features.project import Project
from schemas.metrics import Sampled, gauge
from streams.freshness import QUIET, STALLED, Changes, Limits
from streams.freshness_agent import FreshnessAgent


def run(
    project: Project, settings: Settings, stop: Event, ready: Callable[[], None], metrics: CollectorRegistry
) -> None:
    """Raise and resolve alerts of freshness, by what the materialiser reports."""

    def send(changes: Changes) -> None:
        for alert in changes.alerts:
            send_alert(settings, alert)
        if changes.states:
            send_states(settings, changes.states)

    limits = {plan.label: Limits.of(plan) for plan in project.group_plans.values()}
    agent = FreshnessAgent(
        settings.kafka_bootstrap,
        codec(settings),
        limits,
        send,
        wall_ms,
        settings.home / "faust",
        settings.freshness_ms / 1_000,
        **_security(settings),
    )

    def found() -> dict[str, int]:
        counts = Counter(agent.verdicts.values())
        return {verdict: counts[verdict] for verdict in (STALLED, QUIET)}

    meaning = "Feature groups that have an alert of freshness open, by what it says."
    metrics.register(Sampled(lambda: [gauge("augury_groups_not_fresh", meaning, ("verdict",), found())]))
    agent.run(stop, ready)


def _security(settings: Settings) -> dict[str, Any]:
    """Give the options of `faust.App` by which it proves who it is; none for the embedded log."""
    protocol = settings.kafka_security_protocol
    context = None
    if protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=settings.kafka_ca_file)
        if settings.kafka_certificate_file is not None:
            password = settings.kafka_key_password.get_secret_value() or None
            context.load_cert_chain(settings.kafka_certificate_file, settings.kafka_key_file, password)
    if protocol.startswith("SASL"):
        return {
            "broker_credentials": faust.SASLCredentials(
                username=settings.kafka_username,
                password=settings.kafka_password.get_secret_value(),
                mechanism=settings.kafka_sasl_mechanism,
                ssl_context=context,
            )
        }
    return {} if context is None else {"broker_credentials": faust.SSLCredentials(context)}
