"""Connections of the HTTP door, with bounds on clients that are slow to send or do not read."""

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_WHOLE_SECONDS = 20.0
_HEAD_BYTES = 64 << 10
_UNREAD_MS = 30_000


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, ended where a request is not whole in 20 s, or has a head beyond 64 KiB.

    uvicorn itself waits for ever for the rest of a request, and keeps heads of any size.
    """

    _timer: asyncio.TimerHandle | None = None
    _head: int | None = 0  # bytes of the head that comes; None behind it

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 (as uvicorn has it)
        """Wait for a first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request."""
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > _HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of a request has at most 64 KiB, so nothing was done.")
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()  # what has come does not begin a request, and is no sign of one either

    def on_message_begin(self) -> None:
        """Wait for the rest of a request."""
        super().on_message_begin()
        self._head = 0
        self._wait()

    def on_headers_complete(self) -> None:
        """Take the end of a head."""
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait no more, for the request is whole."""
        self._stop()
        super().on_message_complete()

    def _wait(self) -> None:
        self._stop()
        self._timer = self.loop.call_later(_WHOLE_SECONDS, self._late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self.flow.read_paused:  # it is the door that does not read, while it answers what came before
            self._wait()
        else:
            self.transport.abort()


def bound_unread(listening: socket.socket) -> None:
    """Have a socket's connections ended where a client takes nothing for 30 s, if the system can do that."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux
    if option is not None:
        listening.setsockopt(socket.IPPROTO_TCP, option, _UNREAD_MS)
