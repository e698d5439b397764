"""Results as Avro records, written field by field.

All of an answer's log record that does not change from answer to answer (the features' names, the groups'
names and versions) is encoded once, and the numbers are packed between by one `struct` call. The bytes are
those of any Avro writer (Apache Avro 1.12 specification, "Binary Encoding"); the tests compare them with
fastavro's, which takes three times as long for a vector of 50 features.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, TypeVar

from features.types import Value
from inference.delivery import Outgoing
from inference.records import Explanation, FeatureValues, Latency, Result, VectorRow
from schemas.codec import Codec
from schemas.records import TOPICS, load

RESULTS, SHADOW = "prediction.results", "prediction.shadow"
_FIELDS = (
    *("deduplication_key", "request_id", "model_name", "model_version_used", "variant", "door", "prediction"),
    *("error", "entity_keys", "inputs", "feature_values_used", "rows", "requested_at", "predicted_at"),
    *("latency_features_ms", "latency_on_demand_ms", "latency_model_ms", "latency_total_ms"),
    *("outputs", "predicted_class", "bias", "contributions", "frozen"),
)
T = TypeVar("T")
_DOUBLE = Struct("<d").pack
_LATENCIES = Struct("<4d").pack
_NULL, _SECOND, _END = b"\x00", b"\x02", b"\x00"  # the first and the second branch of a union; no more blocks
_TRUE, _FALSE = b"\x01", b"\x00"
_UNEXPLAINED = _NULL + _END
_SHORT = 1 << 10


def long(value: int) -> bytes:
    """Encode an integer of 64 bits: zig-zag, then seven bits a byte, the lowest first."""
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    if rest < _PAIRS:
        return _LAST[rest]
    out = []
    while rest >= _PAIRS:
        out.append(_MORE[rest & _PAIRS - 1])
        rest >>= 14
    out.append(_LAST[rest])
    return b"".join(out)


_PAIRS = 1 << 14  # two bytes' worth of bits, which a table has at once
_MORE = [bytes((bits & 0x7F | 0x80, bits >> 7 | 0x80)) for bits in range(_PAIRS)]
_LAST = [bytes((bits,)) if bits < 0x80 else bytes((bits & 0x7F | 0x80, bits >> 7)) for bits in range(_PAIRS)]
_LENGTHS = [long(length) for length in range(_SHORT)]


def text(value: str) -> bytes:
    """Encode a string: its length in bytes, and UTF-8."""
    data = value.encode()
    return (_LENGTHS[len(data)] if len(data) < _SHORT else long(len(data))) + data


class ResultEncoder:
    """Turns results into records of `prediction.results` and `prediction.shadow`, keyed by request.

    Raises `ValueError` where the topics' schema has other fields than are written here.
    """

    def __init__(self, codec: Codec) -> None:
        self._headers: dict[str, bytes] = {}
        for topic in (RESULTS, SHADOW):
            schema = load(TOPICS[topic])
            found = tuple(field["name"] for field in schema["fields"])
            if found != _FIELDS:
                raise ValueError(
                    f"a result is written in the order of its schema, or nobody could read it; {topic} has "
                    f"the fields {', '.join(found)}"
                )
            self._headers[topic] = codec.header(topic, schema)

    def records(self, topic: str, results: Sequence[Result]) -> list[Outgoing]:
        """Encode results for `topic`."""
        header = self._headers[topic]
        return [Outgoing(topic, result.request_id.encode(), encode(result, header)) for result in results]


def encode(result: Result, header: bytes = b"") -> bytes:
    """Give the Avro body of a result, behind its header."""
    prediction, error = result.prediction, result.error
    decided, explanation = result.predicted_class, result.explanation
    return b"".join(
        (
            header,
            text(result.deduplication_key),
            text(result.request_id),
            _answerer(result.model_name, result.model_version_used, result.variant, result.door),
            _NULL if prediction is None else _SECOND + _DOUBLE(prediction),
            _NULL if error is None else _SECOND + text(error),
            _map(result.entity_keys, text),
            _map(result.inputs, _scalar),
            _features(result.feature_values_used),
            _rows(result.rows),
            _times(result.requested_at, result.predicted_at, result.latency),
            _doubles(result.outputs),
            _NULL if decided is None else _SECOND + text(decided),
            _UNEXPLAINED if explanation is None else _explanation(explanation),
            _texts(result.frozen) if result.frozen else _END,
        )
    )


@lru_cache(maxsize=1024)
def _answerer(model_name: str, version: int | None, variant: str, door: str) -> bytes:
    used = _NULL if version is None else _SECOND + long(version)
    return text(model_name) + used + text(variant) + text(door)


@lru_cache(maxsize=16)
def _times(requested_at: int, predicted_at: int, took: Latency) -> bytes:
    """Encode a result's times, which a batch shares."""
    parts = _LATENCIES(took.features, took.on_demand, took.model, took.total)
    return long(requested_at) + long(predicted_at) + parts


@lru_cache(maxsize=256)
def _texts(values: tuple[str, ...]) -> bytes:
    return b"".join((long(len(values)), *map(text, values), _END))


def _doubles(values: Sequence[float]) -> bytes:
    if not values:
        return _END
    return b"%b%b%b" % (long(len(values)), _packer(len(values))(*values), _END)


@lru_cache(maxsize=256)
def _packer(count: int) -> Callable[..., bytes]:
    return Struct(f"<{count}d").pack


def _explanation(explanation: Explanation) -> bytes:
    return _SECOND + _DOUBLE(explanation.bias) + _map(explanation.contributions, _DOUBLE)


def _map(values: Mapping[str, T], encode_value: Callable[[T], bytes]) -> bytes:
    if not values:
        return _END
    parts = [long(len(values))]
    for name, value in values.items():
        parts += (text(name), encode_value(value))
    parts.append(_END)
    return b"".join(parts)


def _scalar(value: Value) -> bytes:
    """Encode a value of the union of null, long, double, boolean and string."""
    if value is None:
        return b"\x00"
    if isinstance(value, bool):
        return b"\x06\x01" if value else b"\x06\x00"
    if isinstance(value, int):
        return b"\x02" + long(value)
    if isinstance(value, float):
        return b"\x04" + _DOUBLE(value)
    return b"\x08" + text(value)


def _features(used: FeatureValues) -> bytes:
    names, found = used
    if not names:
        return _END
    pack, template = _template(names)
    if None not in found:
        parts = template.copy()
        parts[1:-1:2] = found
        return pack(*parts)
    out: list[bytes] = []
    for key, value in zip(template[::2], found, strict=False):
        # each key ends with the union's second branch
        out += (key[:-1], _NULL) if value is None else (key, _DOUBLE(value))
    out.append(_END)
    return b"".join(out)


@lru_cache(maxsize=256)
def _template(names: tuple[str, ...]) -> tuple[Callable[..., bytes], list[Any]]:
    """Give the function that packs a map of these names, and its arguments with holes for the numbers."""
    keys = [text(name) + _SECOND for name in names]
    keys[0] = long(len(names)) + keys[0]
    parts: list[Any] = []
    for key in keys:
        parts += (key, 0.0)
    return Struct("<" + "".join(f"{len(key)}sd" for key in keys) + "1s").pack, [*parts, _END]


def _rows(rows: Sequence[VectorRow]) -> bytes:
    if not rows:
        return _END
    parts = [long(len(rows))]
    for row in rows:
        parts += (
            _group(row.group, row.version),
            _key(row.entity),
            long(row.event_timestamp),
            long(row.seq),
            _standing(row.state, row.age_ms, row.defaulted),
        )
    parts.append(_END)
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _group(group: str, version: int) -> bytes:
    return text(group) + long(version)


_key = lru_cache(maxsize=16)(text)  # that of the row before, mostly


@lru_cache(maxsize=1024)
def _standing(state: str, age: int | None, defaulted: bool) -> bytes:
    """Encode how a row stood, which the rows of a batch share."""
    waited = _NULL if age is None else _SECOND + long(age)
    return text(state) + waited + (_TRUE if defaulted else _FALSE)
