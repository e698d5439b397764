"""What the serving processes need to know, from settings."""

from pathlib import Path

from augury.clock import wall_ms
from augury.settings import Settings
from inference.access import Access
from inference.serving import Addresses, Tls


def addresses(settings: Settings) -> Addresses:
    """Give what the serving processes need to know."""
    return Addresses(
        kafka=settings.kafka_bootstrap,
        schema_registry=settings.registry_url,
        redis=settings.redis_url,
        registry=settings.registry_database_url,
        artifacts=settings.artifacts_url,
        kafka_options=settings.kafka_client(),
        redis_options=settings.redis_client(),
    )


def spool(settings: Settings) -> Path:
    """Give the folder of the HTTP door's spool."""
    return settings.home / "spool"


def tls(settings: Settings) -> Tls | None:
    """Give the HTTP door's certificate, where it has one."""
    if settings.http_tls_cert is None or settings.http_tls_key is None:
        return None
    return Tls(settings.http_tls_cert, settings.http_tls_key, settings.http_tls_client_ca)


def access(settings: Settings) -> Access:
    """Give who may ask the HTTP door. Raises `OSError` and `TokenError` for a tokens file that is wrong."""
    token = settings.http_token
    return Access(wall_ms, None if token is None else token.get_secret_value(), settings.http_tokens_file)
