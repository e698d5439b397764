"""Alerts as steps of flows: sent to the log, with their playbook on the run's page, and resolved."""

from collections.abc import Mapping
from typing import Any

from prefect import task

from flows.context import current
from flows.steps import RETRIED, show_link


def tell(alert: Mapping[str, Any]) -> None:
    """Send an alert to the log, and link its playbook where documents are published."""
    context = current()
    context.alert(alert)
    if context.documents_url:
        url = f"{context.documents_url.rstrip('/')}/{alert['playbook']}"
        show_link(f"playbook-{alert['kind']}", f"What to do: {alert['kind']} of {alert['subject']}", url)


@task(**RETRIED)
def send(alert: dict[str, Any]) -> None:
    """Tell of an alert, in a step of its own."""
    tell(alert)


@task(**RETRIED)
def clear(incident: str, why: str, at: int) -> None:
    """Resolve the open alerts of an incident that is over."""
    current().resolve(incident, why, at)
