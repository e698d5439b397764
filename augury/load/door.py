"""Where the HTTP door is, and how to ask it."""

import httpx

from augury.settings import Settings


def door_url(settings: Settings, url: str | None = None) -> str:
    """Give the address of the HTTP door: `url`, or by the settings."""
    return (url or f"http://{settings.http_host}:{settings.http_port}").rstrip("/")


def door_token(settings: Settings) -> str | None:
    """Give the door's token, where it has one."""
    return None if settings.http_token is None else settings.http_token.get_secret_value()


def http_client(settings: Settings, url: str | None = None) -> httpx.Client:
    """Give a client of the HTTP door, which brings its token."""
    token = door_token(settings)
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return httpx.Client(base_url=door_url(settings, url), headers=headers, timeout=30.0)
