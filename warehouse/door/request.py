"""A request as ClickHouse's HTTP interface states it: query, parameters, settings, user, body."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from warehouse.door.compression import Decoder
from warehouse.door.errors import ClientGoneError, refusal

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

PIECE = 1 << 20
# Parameters of the interface itself; every other one is a setting of the engine.
RESERVED = {
    "query", "database", "default_format", "session_id", "session_timeout", "session_check", "close_session",
    "query_id", "user", "password", "quota_key", "compress", "decompress", "buffer_size", "wait_end_of_query",
    "client_protocol_version", "role", "stacktrace",
}  # fmt: skip
EXTERNAL = re.compile(r"(.+)_(structure|format|types)")
DISPOSITION = re.compile(rb'name="([^"]*)"(?:;\s*filename="([^"]*)")?', re.IGNORECASE)


class Body:
    """The body as it arrives, still encoded."""

    def __init__(self, receive: Receive, encoding: str) -> None:
        self._receive = receive
        self._decoder = Decoder(encoding)
        self.ended = False

    async def take(self, size: int = PIECE) -> bytes:
        """Return about `size` bytes of the wire, fewer only at the end; ClientGoneError if it breaks off."""
        parts: list[bytes] = []
        held = 0
        while held < size and not self.ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part = message.get("body", b"")
            parts.append(part)
            held += len(part)
            self.ended = not message.get("more_body", False)
        return b"".join(parts)

    def decode(self, raw: bytes) -> bytes:
        """Decode what `take` gave; DoorError where the body is not as stated, or ends too early."""
        plain = self._decoder.decode(raw)
        if self.ended:
            self._decoder.end()
        return plain

    async def rest(self) -> bytes:
        """Return all that is left, decoded."""
        parts = []
        while not self.ended:
            parts.append(self.decode(await self.take()))
        return b"".join(parts)


@dataclass
class External:
    """A table that the client sends along with its query."""

    structure: str
    format: str
    data: bytes


@dataclass
class Request:
    """One request; `settings` are the engine's, `parameters` the query's own (without `param_`)."""

    method: str
    path: str
    headers: dict[str, str]
    query: bytes
    database: str | None
    format: str | None
    settings: dict[str, str]
    parameters: dict[str, str]
    options: dict[str, str]
    body: Body
    external: dict[str, External] = field(default_factory=dict)

    def credentials(self) -> tuple[str, str] | None:
        """Return (user, password) from the headers or the parameters; a bearer token has no user ("")."""
        scheme, _, secret = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return "", secret.strip()
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(secret).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise refusal(
                    516, "AUTHENTICATION_FAILED", "The Authorization header is not Basic"
                ) from error
            return user, password
        if "x-clickhouse-user" in self.headers or "x-clickhouse-key" in self.headers:
            return self.headers.get("x-clickhouse-user", "default"), self.headers.get("x-clickhouse-key", "")
        if "user" in self.options or "password" in self.options:
            return self.options.get("user", "default"), self.options.get("password", "")
        return None


def read(scope: MutableMapping[str, Any], receive: Receive) -> Request:
    """Read a request's line and headers; the body is left to be read."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    request = Request(
        method=scope["method"],
        path=scope["path"],
        headers=headers,
        query=b"",
        database=headers.get("x-clickhouse-database"),
        format=headers.get("x-clickhouse-format"),
        settings={},
        parameters={},
        options={},
        body=Body(receive, headers.get("content-encoding", "")),
    )
    # Clients send UTF-8 raw as well as escaped by %.
    line = scope["query_string"].decode("utf-8", "surrogateescape")
    for name, value in parse_qsl(line, keep_blank_values=True, errors="surrogateescape"):
        _take(request, name, value)
    for name in ("compress", "decompress"):
        if request.options.get(name, "0") not in ("0", "false"):
            raise refusal(
                48,
                "NOT_IMPLEMENTED",
                f"{name}=1 asks for ClickHouse's own block frames, which this server does not speak; "
                "use Content-Encoding and Accept-Encoding",
            )
    return request


async def read_form(request: Request) -> None:
    """Read a multipart body: `query`, parameters, and external tables."""
    found = re.search(r'boundary="?([^";]+)', request.headers.get("content-type", ""))
    if found is None:
        raise refusal(36, "BAD_ARGUMENTS", "A multipart body needs a boundary in its Content-Type")
    files: dict[str, bytes] = {}
    mark = b"\r\n--" + found[1].encode("latin-1")
    for part in (b"\r\n" + await request.body.rest()).split(mark)[1:]:
        head, separator, content = part.partition(b"\r\n\r\n")
        disposition = DISPOSITION.search(head)
        if not separator or disposition is None:
            continue
        name = disposition[1].decode("utf-8", "surrogateescape")
        if disposition[2] is None:
            _take(request, name, content.decode("utf-8", "surrogateescape"))
        else:
            files[name] = content
    for name, data in files.items():
        structure = request.options.get(f"{name}_structure") or request.options.get(f"{name}_types")
        if structure is None:
            raise refusal(36, "BAD_ARGUMENTS", f"The external table {name} needs {name}_structure")
        if f"{name}_structure" not in request.options:
            structure = ", ".join(f"_{i} {kind}" for i, kind in enumerate(structure.split(","), 1))
        request.external[name] = External(structure, request.options.get(f"{name}_format", "TSV"), data)


def _take(request: Request, name: str, value: str) -> None:
    if name == "query":
        request.query = value.encode("utf-8", "surrogateescape")
    elif not _is_text(name + value):
        raise refusal(36, "BAD_ARGUMENTS", f"Parameters are UTF-8; {name!r} or its value is not")
    elif name == "database":
        request.database = value or None
    elif name == "default_format":
        request.format = value
    elif name.startswith("param_"):
        request.parameters[name.removeprefix("param_")] = value
    elif name in RESERVED or (EXTERNAL.fullmatch(name) and _is_form(request)):
        request.options[name] = value
    else:
        request.settings[name] = value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("multipart/form-data")
