"""Traces, where the settings name a collector."""

from importlib.metadata import version

from augury.settings import Settings
from schemas.tracing import Tracing


def tracer(settings: Settings, service: str) -> Tracing | None:
    """Give what a service traces with, to be closed when it ends; None where no collector is named."""
    if not settings.otlp_endpoint:
        return None
    return Tracing.to(settings.otlp_endpoint, service, version("augury"), settings.trace_share)
