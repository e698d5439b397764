"""Waiting out the outages of stores."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import httpx
from redis import RedisError

from inference.models import OutageError

_RETRY_SECONDS = 1.0
T = TypeVar("T")
_LOG = logging.getLogger(__name__)


class StoppedError(Exception):
    """The process was told to end while it waited."""


def patiently(
    step: Callable[[], T], stop: threading.Event, tried: Callable[[str], None] = lambda _: None
) -> T:
    """Do a step, again and again in an outage of a store; raises `StoppedError` where `stop` came first.

    `tried` is told at each failure what was away: `redis`, `registry` or `schemas`.
    """
    while not stop.is_set():
        try:
            return step()
        except (RedisError, OutageError, httpx.HTTPError) as error:
            _LOG.warning("requests wait, for a store does not answer: %s", error)
            tried(_away(error))
            stop.wait(_RETRY_SECONDS)
    raise StoppedError


def _away(error: RedisError | OutageError | httpx.HTTPError) -> str:
    if isinstance(error, RedisError):
        return "redis"
    return "registry" if isinstance(error, OutageError) else "schemas"
