"""Clients and collaborators, built from settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from augury.clock import wall_ms
from augury.settings import Settings
from features.project import Project
from inference.artifacts import ArtifactStore
from inference.registry import Registry, publish_events
from inference.serving import Addresses
from schemas.codec import Codec
from schemas.log import producer
from schemas.records import load
from schemas.registry import SchemaRegistry
from warehouse import datasets
from warehouse.client import connect


def codec(settings: Settings) -> Codec:
    """Give the Avro codec over the schema registry."""
    return Codec(SchemaRegistry(settings.registry_url))


def warehouse(settings: Settings) -> Client:
    """Connect to the warehouse."""
    return connect(
        settings.warehouse_url,
        database=settings.warehouse_database,
        user=settings.warehouse_user,
        password=settings.warehouse_password.get_secret_value(),
    )


def registry(settings: Settings) -> Registry:
    """Open the registry database, with its tables up to date."""
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


@dataclass(frozen=True)
class StoredDataset:
    """A training set in the warehouse, as the flows read it."""

    client: Client
    stored: datasets.Dataset

    @property
    def name(self) -> str:
        """The name it was built under."""
        return self.stored.name

    @property
    def version(self) -> int:
        """The version under the name."""
        return self.stored.version

    @property
    def rows(self) -> int:
        """How many labelled vectors it holds."""
        return self.stored.rows

    @property
    def content_hash(self) -> str:
        """The content's hash."""
        return self.stored.content_hash

    def read(self) -> pa.Table:
        """Read the labelled vectors in order of prediction."""
        return datasets.read(self.client, self.stored)


@dataclass(frozen=True)
class Datasets:
    """Builds training sets from the rows that the stream emitted; one name is built once."""

    client: Client
    project: Project

    def __call__(self, model_name: str, name: str, end: int) -> StoredDataset:
        """Build the set of all labels that the log held at `end` (ms), or give the one that stands."""
        plan = self.project.model_plans[model_name]
        stored = datasets.find(self.client, name, plan)
        if stored is None:
            stored = datasets.build(self.client, name, plan, 0, end, origin=datasets.STREAM)
        return StoredDataset(self.client, stored)


@dataclass(frozen=True)
class Query:
    """Runs SELECTs of the flows in the warehouse."""

    client: Client

    def __call__(self, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        """Give the result as an Arrow table."""
        return self.client.query_arrow(sql, parameters=dict(parameters), use_strings=True)


def spool(settings: Settings) -> Path:
    """Give the folder of the HTTP door's spool."""
    return settings.home / "spool"
