"""The Confluent wire format: a zero byte, the schema's id in four bytes, the Avro body."""

import struct
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import fastavro
from fastavro.types import Schema

from schemas.registry import SchemaRegistry, UnknownSchemaError

_HEADER = struct.Struct(">bI")


class RefusedRecordError(ValueError):
    """A payload that no retry will ever decode; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Codec:
    """Encodes and decodes records; timestamps are integers, ms since the epoch. Shareable between threads."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._parsed: dict[int, Schema] = {}

    def encoder(self, topic: str, schema: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bytes]:
        """Register `schema` as the values of `topic`, and give the function that encodes one record.

        A mapping may hold more than the schema's fields. The function raises `ValueError` or `TypeError`
        for a value that the schema does not allow; this raises `httpx.HTTPError` as the registry does.
        """
        header = self.header(topic, schema)
        parsed = _parse(schema)

        def encode(record: Mapping[str, Any]) -> bytes:
            out = BytesIO()
            out.write(header)
            fastavro.schemaless_writer(out, parsed, record)
            return out.getvalue()

        return encode

    def header(self, topic: str, schema: Mapping[str, Any]) -> bytes:
        """Register `schema` as the values of `topic`, and give the bytes before each record's Avro body."""
        return _HEADER.pack(0, self._registry.register(f"{topic}-value", schema))

    def decode(self, payload: bytes) -> dict[str, Any]:
        """Give the record in `payload`, as its writer's schema has it.

        Raises `RefusedRecordError` for what is not framed, has an unknown schema id or does not decode. An
        outage of the registry is none of these: it raises `httpx.HTTPError`, and the caller tries again.
        """
        return self._read(payload, self._id(payload), None)

    def decoder(self, schema: Mapping[str, Any]) -> Callable[[bytes], dict[str, Any]]:
        """Give the function that decodes like `decode`, but as `schema` has it, whatever the writer's schema.

        Avro's rules of resolution hold: a field that the writer lacks takes its default, one without default
        or of another type is refused. The record's name does not matter.
        """
        readers: dict[int, Schema | None] = {}

        def decode(payload: bytes) -> dict[str, Any]:
            schema_id = self._id(payload)
            if schema_id not in readers:
                writer = self._writer(schema_id)
                assert isinstance(writer, dict)
                named = {**schema, "name": writer["name"], "namespace": ""}
                # Resolution is three times the work, so it is done only where it changes something.
                readers[schema_id] = None if _fits(writer, schema) else _parse(named)
            return self._read(payload, schema_id, readers[schema_id])

        return decode

    def _id(self, payload: bytes) -> int:
        if len(payload) < _HEADER.size or payload[0] != 0:
            raise RefusedRecordError(
                "a record starts with a zero byte and a schema id of four bytes; "
                f"this one, of {len(payload)} bytes, with {payload[: _HEADER.size].hex() or 'nothing'}"
            )
        return int(_HEADER.unpack_from(payload)[1])

    def _writer(self, schema_id: int) -> Schema:
        parsed = self._parsed.get(schema_id)
        if parsed is None:
            try:
                parsed = _parse(self._registry.schema(schema_id))
            except (UnknownSchemaError, fastavro.schema.SchemaParseException) as error:
                raise RefusedRecordError(str(error)) from error
            self._parsed[schema_id] = parsed
        return parsed

    def _read(self, payload: bytes, schema_id: int, reader: Schema | None) -> dict[str, Any]:
        writer = self._writer(schema_id)
        body = BytesIO(payload)
        body.seek(_HEADER.size)
        try:
            # Bytes that are not UTF-8 become U+FFFD, as they do in Java, so that every reader of the log
            # refuses the same records.
            record = fastavro.schemaless_reader(body, writer, reader, handle_unicode_errors="replace")
        except Exception as error:
            raise RefusedRecordError(
                f"a record must follow its schema, and this one does not follow schema id {schema_id}: "
                f"{type(error).__name__}: {error}"
            ) from error
        assert isinstance(record, dict)  # the registry gives records only
        return record


def _fits(writer: Mapping[str, Any], reader: Mapping[str, Any]) -> bool:
    """Tell whether what `writer` writes is what `reader` reads, field by field."""
    written = {field["name"]: _shape(field["type"]) for field in writer["fields"]}
    for field in reader["fields"]:
        nullable, shape = _shape(field["type"])
        found = written.get(field["name"])
        if found is None or found[1] != shape or (found[0] and not nullable):
            return False
    return True


def _shape(avro: object) -> tuple[bool, object]:
    """Give whether a type is nullable, and what its values are in Python."""
    if isinstance(avro, list):
        rest = [branch for branch in avro if branch != "null"]
        nullable = len(rest) < len(avro)
        return (nullable, _shape(rest[0])[1]) if len(rest) == 1 else (nullable, rest)
    plain = _plain(avro)
    if isinstance(plain, dict) and set(plain) == {"type"}:
        plain = plain["type"]
    widened = {"int": "long", "float": "double"}
    return False, widened.get(plain, plain) if isinstance(plain, str) else plain


def _parse(schema: Mapping[str, Any]) -> Schema:
    """Parse `schema` without its logical types, so that values stay as they are on the wire."""
    return fastavro.parse_schema({key: _plain(value) for key, value in schema.items()})


def _plain(node: object) -> object:
    if isinstance(node, Mapping):
        # A default may be a mapping too, and is a value: it stays as it is.
        return {
            key: value if key == "default" else _plain(value)
            for key, value in node.items()
            if key != "logicalType"
        }
    return [_plain(item) for item in node] if isinstance(node, list) else node
