"""An answer as ClickHouse's HTTP interface gives it: headers, pieces, and errors at any moment."""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from warehouse.door.compression import COMPRESSORS, Compressor
from warehouse.door.errors import DoorError

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TYPES = {
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "native": "application/octet-stream",
    "rowbinary": "application/octet-stream",
    "arrow": "application/vnd.apache.arrow.file",
    "arrowstream": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}


class Answer:
    """One answer. `timezone` and `server` are what its headers say."""

    def __init__(self, send: Send, bare: bool, server: str, timezone: str) -> None:
        self.query_id = ""
        self.ended = False
        self._send = send
        self._bare = bare
        self._server = server
        self._timezone = timezone
        self._tag = secrets.token_hex(8)
        self._started = False
        self._compressor: Compressor | None = None

    async def text(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Answer with a whole text."""
        fields = {"content-type": "text/plain; charset=UTF-8", **(headers or {})}
        await self._head(status, {**fields, "content-length": str(len(body))})
        await self._body(body, last=True)

    async def start(
        self,
        form: str | None,
        summary: Mapping[str, str],
        first: bytes,
        complete: bool,
        encoding: str | None = None,
    ) -> None:
        """Send the headers and the first piece, which is the whole body where `complete`.

        `form` is None for a statement that gives no rows; by that clients tell it from an empty result.
        Errors that come later are written into the body, as the exception tag of the headers announces.
        """
        headers = {
            "content-type": TYPES.get((form or "").lower(), "text/plain; charset=UTF-8"),
            "x-clickhouse-timezone": self._timezone,
            "x-clickhouse-summary": json.dumps(summary),
            "x-clickhouse-exception-tag": self._tag,
        }
        if form is not None:
            headers["x-clickhouse-format"] = form
        if encoding is not None and (first or not complete):
            self._compressor = COMPRESSORS[encoding]()
            headers["content-encoding"] = encoding
            headers["vary"] = "Accept-Encoding"
        body = self._squeeze(first, complete)
        if complete:
            headers["content-length"] = str(len(body))
        await self._head(200, headers)
        await self._body(body, last=complete)

    async def piece(self, data: bytes) -> None:
        """Send a piece more."""
        if data:
            await self._body(self._squeeze(data, False))

    async def end(self) -> None:
        """Close the body."""
        await self._body(self._squeeze(b"", True), last=True)

    async def fail(self, error: DoorError, version: str) -> None:
        """Report an error: by status and header while that can be, else at the end of the body."""
        text = error.text if "(version " in error.text else f"{error.text} (version {version})"
        if not self._started:
            headers = {
                "x-clickhouse-exception-code": str(error.code),
                "x-clickhouse-timezone": self._timezone,
            }
            if error.status == 401:
                headers["www-authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
            await self.text(error.status, text.encode("utf-8", "surrogateescape") + b"\n", headers)
            return
        message = text.encode("utf-8", "surrogateescape") + b"\n"
        tag = self._tag.encode()
        block = b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag, message, len(message), tag)
        await self._body(self._squeeze(block, True), last=True)

    def _squeeze(self, data: bytes, last: bool) -> bytes:
        if self._compressor is None:
            return data
        out = self._compressor.piece(data) if data else b""
        return out + self._compressor.end() if last else out

    async def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self._started = True
        named = {**headers, "x-clickhouse-server-display-name": self._server}
        if self.query_id:
            named["x-clickhouse-query-id"] = self.query_id
        raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in named.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _body(self, data: bytes, last: bool = False) -> None:
        self.ended = last
        body = b"" if self._bare else data
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})
