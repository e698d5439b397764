"""The model registry and its artifacts, from settings."""

from itertools import count

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


def unused(held: Registry, experiment: str) -> str:
    """Give an experiment's id, with a number where something was made or refused under it before."""
    ids = (experiment if n == 1 else f"{experiment}-{n}" for n in count(1))
    return next(i for i in ids if held.experiments.find(i) is None and not held.gates.results(i))


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
