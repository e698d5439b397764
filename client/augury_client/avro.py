"""Avro as it is on the log: a zero byte, the schema's id in four bytes, the record."""

import json
import struct
from io import BytesIO
from typing import Any
from urllib.parse import quote

import fastavro
import httpx

_HEADER = struct.Struct(">bI")


class Schemas:
    """The schema registry's Confluent-compatible API at `url`. Every method may raise `httpx.HTTPError`."""

    def __init__(self, url: str, timeout: float) -> None:
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=timeout)
        self._known: dict[int, Any] = {}

    def latest(self, subject: str) -> tuple[int, Any]:
        """Give the id and the parsed schema that a subject's records are written with now."""
        found = self._get(f"/subjects/{quote(subject, safe='')}/versions/latest")
        return int(found["id"]), _parsed(found["schema"])

    def decode(self, payload: bytes) -> dict[str, Any]:
        """Give a record as its writer's schema has it, timestamps in ms since the epoch."""
        _, schema_id = _HEADER.unpack_from(payload)
        if schema_id not in self._known:
            self._known[schema_id] = _parsed(self._get(f"/schemas/ids/{schema_id}")["schema"])
        body = BytesIO(payload)
        body.seek(_HEADER.size)
        record: Any = fastavro.schemaless_reader(body, self._known[schema_id], None)
        return dict(record)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _get(self, path: str) -> Any:  # noqa: ANN401
        answer = self._http.get(path)
        answer.raise_for_status()
        return answer.json()


def encode(schema_id: int, schema: Any, record: dict[str, Any]) -> bytes:  # noqa: ANN401
    """Give a record's bytes. Raises `ValueError` or `TypeError` for a value that the schema forbids."""
    out = BytesIO()
    out.write(_HEADER.pack(0, schema_id))
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def _parsed(text: str) -> Any:  # noqa: ANN401
    return fastavro.parse_schema(_plain(json.loads(text)))


def _plain(node: Any) -> Any:  # noqa: ANN401
    """Leave logical types out, so that a timestamp stays the integer that it is on the wire."""
    if isinstance(node, dict):
        return {key: _plain(held) for key, held in node.items() if key != "logicalType"}
    return [_plain(item) for item in node] if isinstance(node, list) else node
