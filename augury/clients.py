"""Clients of the log's codec and of the warehouse, from settings."""

from augury.settings import Settings
from schemas.codec import Codec
from schemas.registry import SchemaRegistry
from warehouse.client import Client, connect


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
