"""One connection to the HTTP door, cheap enough to ask it thousands of times a second."""

import asyncio
import re
import ssl
from typing import cast

from httpx import URL

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"
PATIENCE_S = 30.0


class Connection(asyncio.Protocol):
    """Asks one request at a time, by HTTP/1.1, and keeps the connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def open(cls, url: URL) -> "Connection":
        """Connect to the host of `url`; raises `OSError`."""
        secure = url.scheme == "https"
        context = ssl.create_default_context() if secure else None
        port = url.port or (443 if secure else 80)
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(cls, url.host, port, ssl=context)
        return made

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a whole request; give the answer's status and body.

        Raises `ConnectionError` where the door hangs up or does not speak HTTP/1.1 with a length, and
        `TimeoutError` after 30 s; the connection is of no more use then.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the door has closed the connection")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._waiting
        except TimeoutError:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer."""
        self._buffer += data
        head = self._buffer.find(_END)
        if head < 0 or self._waiting is None or self._waiting.done():
            return
        length = _LENGTH.search(self._buffer, 0, head)
        if length is None:
            self._waiting.set_exception(ConnectionError("the door's answers have a content-length"))
            self.close()
            return
        end = head + len(_END) + int(length[1])
        if len(self._buffer) >= end:
            status, body = int(self._buffer[9:12]), bytes(self._buffer[head + len(_END) : end])
            del self._buffer[:end]
            self._waiting.set_result((status, body))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError(f"the door hung up: {error or 'without a word'}"))
