"""The online store as the doors read it: multi-gets over one connection, and no waiting in an outage."""

import socket
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

_PAUSE_SECONDS = 0.5
_QUICK = getattr(socket, "TCP_QUICKACK", None)  # Linux


class Rows(Protocol):
    """What a predictor asks of the online store."""

    def mget(self, keys: Sequence[str]) -> Any:  # noqa: ANN401 (redis types it for async clients too)
        """Give the value under each key, or None; raises `redis.RedisError`."""


class OnlineStore:
    """Multi-gets over one connection of `client`, safe from any thread.

    A connection that the server has closed meanwhile is opened anew. A store that does not answer is left
    alone for half a second, in which every multi-get fails at once: nobody else waits for its time-out.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._connection: Any = client.connection_pool.make_connection()
        self._mutex = threading.Lock()
        self._down_until = 0.0

    def mget(self, keys: Sequence[str]) -> Any:  # noqa: ANN401 (as in `Rows`)
        """Give the value under each key, or None; raises `redis.RedisError`."""
        with self._mutex:
            left = self._down_until - time.monotonic()
            if left > 0:
                raise RedisConnectionError(
                    "a store that does not answer is not asked again at once, so there are no rows; the next "
                    f"try is in {left:.1f} s"
                )
            try:
                return self._ask(keys)
            except RedisError:
                self._connection.disconnect()
                self._down_until = time.monotonic() + _PAUSE_SECONDS
                raise

    def ping(self) -> None:
        """Raise `redis.RedisError` where the store does not answer."""
        self._client.ping()

    def close(self) -> None:
        """Close the connections."""
        self._connection.disconnect()
        self._client.close()

    def _ask(self, keys: Sequence[str]) -> Any:  # noqa: ANN401 (as in `Rows`)
        used = self._connection.is_connected
        try:
            return self._exchange(keys)
        except RedisConnectionError:
            self._connection.disconnect()
            if not used:
                raise
        # the server has closed an idle connection, as it does when it is started anew
        return self._exchange(keys)

    def _exchange(self, keys: Sequence[str]) -> Any:  # noqa: ANN401 (as in `Rows`)
        self._connection.send_command("MGET", *keys)
        _acknowledge_at_once(self._connection._sock)
        return self._connection.read_response()


def _acknowledge_at_once(link: socket.socket) -> None:
    """Let the next segments be acknowledged as they come, where the system can do that.

    Acknowledged late (after 40 ms, on Linux), the first part of a long answer may hold up the rest.
    """
    if _QUICK is not None and link.family != socket.AF_UNIX:
        link.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)  # it does not last
