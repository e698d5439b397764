"""The model registry and its artifacts, from settings."""

from augury.clients import codec
from augury.clock import wall_ms
from augury.settings import Settings
from inference.artifacts import ArtifactStore
from inference.registry import Registry, publish_events
from schemas.log import producer
from schemas.records import load


def registry(settings: Settings) -> Registry:
    """Open the registry database, with its tables up to date."""
    settings.home.mkdir(parents=True, exist_ok=True)
    opened = Registry(settings.registry_database_url, wall_ms)
    opened.migrate()
    return opened


def artifacts(settings: Settings) -> ArtifactStore:
    """Open the store of model files."""
    return ArtifactStore(settings.artifacts_url)


def publish(settings: Settings, held: Registry) -> int:
    """Send the registry's outbox to the log; give how many events went."""
    encode = codec(settings).encoder("registry.events", load("registry_event"))
    sender = producer(settings.kafka_bootstrap, **settings.kafka_client())
    sent = publish_events(held, sender, encode)
    sender.close()
    return sent
