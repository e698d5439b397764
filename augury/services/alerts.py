"""Alerts to people."""

from collections.abc import Callable
from threading import Event

from prometheus_client import CollectorRegistry

from augury.clients import codec
from augury.settings import Settings
from features.project import Project
from features.windows import milliseconds
from flows.channels import PrefectEvents, by_apprise
from flows.incidents import Incidents
from flows.notifier import Notifier
from schemas.log import consumer
from schemas.metrics import LogLag, Sampled


def run(
    _project: Project, settings: Settings, stop: Event, ready: Callable[[], None], metrics: CollectorRegistry
) -> None:
    """Tell people of alerts: by the URLs of the settings, and in Prefect."""
    incidents = Incidents(milliseconds(settings.alert_repeat, "AUGURY_ALERT_REPEAT"))
    events = PrefectEvents(settings.prefect_api_url, settings.prefect_auth.get_secret_value() or None)
    channels = by_apprise(settings.alert_urls.get_secret_value().split(), settings.documents_url)
    lag = LogLag()
    metrics.register(Sampled(lambda: [lag.metric()]))
    reader = consumer(settings.kafka_bootstrap, "augury.alerts", **lag.options, **settings.kafka_client())
    try:
        Notifier(reader, codec(settings), incidents, {**channels, "Prefect": events}).run(stop, ready)
    finally:
        events.close()
