"""The client of a Confluent-compatible schema registry."""

import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx


class UnknownSchemaError(LookupError):
    """The registry answers, and has no Avro schema of this id."""


class SchemaRegistry:
    """Schemas by subject and id. Safe to share between threads.

    `url` is the base of the Confluent API, for Apicurio `http://host:port/apis/ccompat/v7`. Every method
    raises `httpx.HTTPError` when the registry cannot be reached or answers with an error.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._schemas: dict[int, dict[str, Any]] = {}
        # Each call has a connection of its own, for calls are rare; only the TLS context is dear.
        self._tls = ssl.create_default_context()

    def register(self, subject: str, schema: Mapping[str, Any]) -> int:
        """Register `schema` under `subject` and give its id; the same schema gets the same id again.

        Raises `httpx.HTTPStatusError` with status 409 for a schema that the subject's compatibility level
        forbids.
        """
        answer = self._call(
            "POST", f"/subjects/{quote(subject, safe='')}/versions", {"schema": json.dumps(schema)}
        )
        answer.raise_for_status()
        return int(answer.json()["id"])

    def schema(self, schema_id: int) -> dict[str, Any]:
        """Give the record schema of `schema_id`; a schema once read is kept, for ids never change meaning.

        Raises `UnknownSchemaError` if there is no such id, or what it names is not an Avro record;
        `httpx.HTTPStatusError` for a 404 that is not the registry's own word.
        """
        known = self._schemas.get(schema_id)
        if known is not None:
            return known
        answer = self._call("GET", f"/schemas/ids/{schema_id}")
        if answer.status_code == httpx.codes.NOT_FOUND and _says_unknown(answer):
            raise UnknownSchemaError(f"a schema id must be registered, and {schema_id} is not")
        answer.raise_for_status()
        body = answer.json()
        schema = json.loads(body["schema"]) if body.get("schemaType", "AVRO") == "AVRO" else None
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise UnknownSchemaError(f"a schema id must name an Avro record, and {schema_id} does not")
        self._schemas[schema_id] = schema
        return schema

    def set_compatibility(self, level: str) -> None:
        """Set the registry's global compatibility level, such as `BACKWARD`."""
        self._call("PUT", "/config", {"compatibility": level}).raise_for_status()

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        return httpx.request(method, self._url + path, json=body, timeout=30.0, verify=self._tls)


def _says_unknown(answer: httpx.Response) -> bool:
    """Tell a registry's own 404 from that of another server, such as a proxy before it or a wrong address."""
    try:
        body = answer.json()
    except ValueError:
        return False
    code = body.get("error_code") if isinstance(body, dict) else None
    return isinstance(code, int) and code // 100 == httpx.codes.NOT_FOUND
