import contextlib
import math
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import records
from schemas.codec import Codec, RefusedRecordError
from schemas.registry import SchemaRegistry

pytestmark = pytest.mark.stack
Encode = Callable[[Mapping[str, Any]], bytes]
MS = {"type": "long", "logicalType": "timestamp-millis"}
EVENT = {
    "type": "record",
    "name": "event",
    "fields": [
        {"name": "at", "type": ["null", MS], "default": None},
        {"name": "text", "type": "string"},
        {"name": "inner", "type": {"type": "array", "items": {"type": "map", "values": MS}}},
    ],
}
UNKNOWN = struct.pack(">bI", 0, 2**31 - 1)


@pytest.fixture(scope="module")
def codec(stack: Any) -> Codec:
    return Codec(SchemaRegistry(stack.settings.registry_url))


@pytest.fixture(scope="module")
def encode(codec: Codec) -> Encode:
    return codec.encoder("codec.events", EVENT)


@pytest.fixture(scope="module")
def encode_request(codec: Codec) -> Encode:
    return codec.encoder("prediction.requests", records.load("prediction_request"))


I64 = st.integers(-(2**63), 2**63 - 1)
EVENTS = st.fixed_dictionaries(
    {
        "at": st.none() | I64,
        "text": st.text(),
        "inner": st.lists(st.dictionaries(st.text(), I64, max_size=3), max_size=3),
    }
)
SCALARS = st.none() | I64 | st.floats(allow_nan=False) | st.booleans() | st.text()


@given(EVENTS)
def test_round_trip(codec: Codec, encode: Encode, event: dict[str, Any]) -> None:
    assert codec.decode(encode(event | {"more": "is left out"})) == event


@given(st.dictionaries(st.text(), SCALARS), st.none() | st.lists(st.floats(allow_nan=False)))
def test_inputs_keep_their_types(
    codec: Codec, encode_request: Encode, inputs: dict[str, Any], vector: list[float] | None
) -> None:
    request = {
        "request_id": "r",
        "model_name": "m",
        "model_version": None,
        "entity_keys": {"carrier": "AA"},
        "inputs": inputs,
        "vector": vector,
        "requested_at": 1,
        "timeout_ms": None,
        "variant": None,
        "explain": False,
        "entity_id": None,
    }
    decoded = codec.decode(encode_request(request))
    assert decoded == request
    assert [type(v) for v in decoded["inputs"].values()] == [type(v) for v in inputs.values()]


def test_defaults_and_order(codec: Codec, encode_request: Encode) -> None:
    decoded = codec.decode(encode_request({"request_id": "r", "model_name": "m", "vector": [math.nan]}))
    assert (decoded["entity_keys"], decoded["inputs"], decoded["requested_at"]) == ({}, {}, None)
    assert math.isnan(decoded["vector"][0])
    inputs = dict.fromkeys(["z", "a", "m"], 1)
    decoded = codec.decode(encode_request({"request_id": "r", "model_name": "m", "inputs": inputs}))
    assert list(decoded["inputs"]) == list(inputs)


@given(st.binary(), st.booleans())
def test_bytes_decode_or_are_refused(codec: Codec, encode: Encode, body: bytes, framed: bool) -> None:
    header = encode({"text": "", "inner": []})[:5] if framed else b""
    with contextlib.suppress(RefusedRecordError):
        codec.decode(header + body)


@given(EVENTS, st.data())
def test_a_cut_record_is_refused(
    codec: Codec, encode: Encode, event: dict[str, Any], data: st.DataObject
) -> None:
    payload = encode(event)
    with pytest.raises(RefusedRecordError):
        codec.decode(payload[: data.draw(st.integers(0, len(payload) - 1))])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "of 0 bytes, with nothing"),
        (b'{"a": 1}', "of 8 bytes, with 7b2261223a"),
        (UNKNOWN, "2147483647 is not"),
    ],
)
def test_what_is_not_framed_or_unknown_is_refused(codec: Codec, payload: bytes, reason: str) -> None:
    with pytest.raises(RefusedRecordError, match=reason):
        codec.decode(payload)


def test_a_schema_that_is_no_record_is_refused(codec: Codec, stack: Any) -> None:
    schema_id = SchemaRegistry(stack.settings.registry_url).register("codec.text-value", {"type": "string"})
    with pytest.raises(RefusedRecordError, match=f"must name an Avro record, and {schema_id} does not"):
        codec.decode(struct.pack(">bI", 0, schema_id) + b"\2a")


def test_text_that_is_not_utf8_is_read_as_java_reads_it(codec: Codec, encode: Encode) -> None:
    payload = encode({"text": "x", "inner": []}).replace(b"x", b"\xff")
    assert codec.decode(payload)["text"] == "\N{REPLACEMENT CHARACTER}"


def test_an_outage_is_not_a_refusal() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        gone = Codec(SchemaRegistry(f"http://127.0.0.1:{taken.getsockname()[1]}"))
        with pytest.raises(httpx.ConnectError):
            gone.decode(UNKNOWN)


def test_a_value_of_another_type_is_an_error(encode: Encode) -> None:
    for event in ({"at": "noon", "text": "x", "inner": []}, {"at": 1}):
        with pytest.raises((TypeError, ValueError)):
            encode(event)


def test_reading_by_another_schema(codec: Codec) -> None:
    def record(name: str, *fields: tuple[Any, ...]) -> dict[str, Any]:
        more = [{"name": f[0], "type": f[1]} | ({"default": f[2]} if len(f) > 2 else {}) for f in fields]
        return {"type": "record", "name": name, "fields": more}

    written = record("old", ("a", "int"), ("b", ["null", "string"], None), ("c", MS))
    payload = codec.encoder("codec.older", written)({"a": 1, "b": None, "c": 5})
    same = record("new", ("c", MS), ("b", ["null", "string"], None), ("a", ["null", "long"], None))
    assert codec.decoder(same)(payload).items() >= {"a": 1, "b": None, "c": 5}.items()
    wider = record("new", ("a", "double"), ("d", ["null", "long"], None), ("e", "string", "x"))
    assert codec.decoder(wider)(payload) == {"a": 1.0, "d": None, "e": "x"}
    for refusing in (
        record("new", ("a", "string")),
        record("new", ("d", "long")),
        record("new", ("b", "string")),
    ):
        with pytest.raises(RefusedRecordError, match="does not follow schema id"):
            codec.decoder(refusing)(payload)
