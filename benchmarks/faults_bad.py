"""Bad inputs: bodies by HTTP and records on Kafka, drawn by Hypothesis from one seed."""

import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from confluent_kafka import KafkaError, Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augury.clients import codec
from augury.settings import LOOPBACK
from benchmarks.faults_world import Site
from benchmarks.serving_cases import SMALL
from inference.records import ID_CHARACTERS, RequestError, request_of
from schemas.codec import Codec, RefusedRecordError
from schemas.log import producer
from schemas.records import load

_TIMEOUT_S = 30.0
_REQUESTS = "prediction.requests"
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_GOOD = {"request_id": "bad", "model_name": SMALL.model, "entity_keys": {"card": "card-1"}}
_FIELDS = st.sampled_from(
    ["request_id", "model_name", "model_version", "entity_keys", "inputs", "vector", "timeout_ms", "requests"]
)
_ODD = st.dictionaries(_FIELDS, _ANYTHING, min_size=1, max_size=3)
_DEEP = st.integers(1, 200_000).map(lambda depth: b"[" * depth)


@st.composite
def _bodies(draw: st.DrawFn) -> bytes:
    """Draw a body: noise, JSON of another shape, a request with odd fields, one that is cut or changed."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(st.binary(max_size=300))
    if kind == 1:
        return draw(_DEEP)
    odd = {name: value for name, value in draw(_ODD).items() if _encodable(value)}
    if kind == 2:
        return orjson.dumps(odd)
    body = orjson.dumps({**_GOOD, **odd})
    if kind == 3:
        return body[: draw(st.integers(0, len(body) - 1))]
    place = draw(st.integers(0, len(body) - 1))
    return body[:place] + draw(st.binary(min_size=1, max_size=3)) + body[place + 1 :]


def _encodable(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits, lone surrogates
        return False
    return True


@dataclass
class BadHttp:
    """What bodies were tried, and the statuses they got; `wrong` are answers that state no problem."""

    tried: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def bad_bodies(site: Site, count: int, seen: BadHttp) -> None:
    """Send bad bodies to the door, and bytes that are no HTTP; note what each is told."""
    port = site.settings.http_port
    with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", timeout=_TIMEOUT_S) as client:

        def send(body: bytes | Any) -> None:  # noqa: ANN401 (an iterator is sent in chunks)
            answer = client.post("/v1/predict", content=body)
            seen.tried += 1
            seen.statuses[answer.status_code] += 1
            problem = answer.headers.get("content-type") == "application/problem+json"
            if answer.status_code >= 500 or not (answer.is_success or problem):
                seen.wrong.append(f"{answer.status_code} {answer.text[:200]} for {str(body)[:200]}")

        @settings(
            max_examples=count,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(_bodies())
        def each(body: bytes) -> None:
            send(body)

        each()
        send(b" " * (2 << 20))
        send(iter([b" " * (1 << 18)] * 8))
        send(b"[" * (1 << 20))
        send(b'{"requests":' + b"[" * 1_000_000)

    @settings(max_examples=count // 4, derandomize=True, deadline=None, database=None)
    @given(st.binary(min_size=1, max_size=200))
    def raw(noise: bytes) -> None:
        with socket.create_connection((LOOPBACK, port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(noise + b"\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass
        seen.tried += 1

    raw()


@dataclass
class BadKafka:
    """How many bad records there are, and what is due for them: results by request id, letters by place.

    At the places in `wrong` there are requests, which have a letter where they are refused.
    """

    tried: int = 0
    results: Counter[str] = field(default_factory=Counter)
    letters: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    wrong: set[tuple[str, int, int]] = field(default_factory=set)


def bad_records(site: Site, count: int, run: str, seen: BadKafka) -> None:
    """Write bad records: noise, cut and changed ones, unknown schemas, requests with odd values."""
    schemas = codec(site.settings)
    encode = schemas.encoder(_REQUESTS, load("prediction_request"))
    topics = (_REQUESTS, "prediction.batches", "ground_truth", "registry.events", site.group.topic)
    sender = producer(site.settings.kafka_bootstrap, log_level=0)

    def refused(error: KafkaError | None, message: Message) -> None:
        seen.letters[_place(error, message)] += 1

    def wrong(error: KafkaError | None, message: Message) -> None:
        seen.wrong.add(_place(error, message))

    @st.composite
    def records(draw: st.DrawFn) -> bytes:
        kind = draw(st.integers(0, 4))
        if kind == 0:
            return draw(st.binary(max_size=100))
        if kind == 1:  # a schema that nobody has registered, of few ids, for each is asked for
            unknown = draw(st.integers(2**31 - 20, 2**31 + 20) | st.just(2**32 - 1))
            return b"\0" + unknown.to_bytes(4, "big") + draw(st.binary(max_size=50))
        whole = encode(
            {
                "request_id": f"{run}-bad-{draw(st.integers(0, 10**9))}",
                "model_name": draw(st.sampled_from([SMALL.model, "", "nobody", "é" * 600])),
                "entity_keys": draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)),
                "timeout_ms": draw(st.none() | st.integers(-5, 5)),
            }
        )
        if kind == 2:
            return whole
        if kind == 3:
            return whole[: draw(st.integers(0, len(whole) - 1))]
        place = draw(st.integers(5, len(whole) - 1))
        return whole[:place] + draw(st.binary(min_size=1, max_size=4)) + whole[place + 1 :]

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(records(), st.sampled_from(topics))
    def each(payload: bytes, topic: str) -> None:
        name, valid = _told(schemas, payload) if topic == _REQUESTS else (None, False)
        if name is not None:
            seen.results[name] += 1
        sender.produce(topic, payload, "bad", on_delivery=wrong if valid else refused)
        sender.poll(0)
        seen.tried += 1

    each()
    left = sender.flush(_TIMEOUT_S)
    assert not left, f"{left} bad records are not in the log"


def _place(error: KafkaError | None, message: Message) -> tuple[str, int, int]:
    assert error is None, error
    return str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)


def _told(schemas: Codec, payload: bytes) -> tuple[str | None, bool]:
    """Give the request id under which a record is answered, if any, and whether it is a valid request."""
    try:
        record = schemas.decode(payload)
    except RefusedRecordError:
        return None, False
    name = record.get("request_id")
    told = name if isinstance(name, str) and len(name) <= ID_CHARACTERS else None
    try:
        request_of(record)
    except RequestError:
        return told, False
    return told, True
