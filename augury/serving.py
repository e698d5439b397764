"""What the serving processes need to know, from settings."""

from pathlib import Path

from augury.settings import Settings
from inference.serving import Addresses


def addresses(settings: Settings) -> Addresses:
    """Give what the serving processes need to know."""
    return Addresses(
        kafka=settings.kafka_bootstrap,
        schema_registry=settings.registry_url,
        redis=settings.redis_url,
        registry=settings.registry_database_url,
        artifacts=settings.artifacts_url,
        kafka_options=settings.kafka_client(),
    )


def spool(settings: Settings) -> Path:
    """Give the folder of the HTTP door's spool."""
    return settings.home / "spool"
