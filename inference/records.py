"""Requests and results: what both doors take in and give out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, get_args

from msgspec import DecodeError, Meta, Struct, ValidationError, convert, field

from features.types import MAX_TIME, MIN_TIME, DataType, Value, fits

ID_CHARACTERS = 256
"""The longest `request_id` and `model_name`: they are keys of the log."""
Variant = Literal["champion", "challenger", "shadow"]
UNREADABLE = (DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a body that is no UTF-8, or nested too deeply, is none of its own errors."""
_KEY_BYTES = 4 << 10
_CHARACTER_BYTES = 4  # at most, in UTF-8
_INPUT_BYTES = 64 << 10


class RequestError(ValueError):
    """A request cannot be answered: `kind` names the rule, the text has the consequence and the value too."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Request(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A request for one prediction: entities with their inputs, or a ready vector.

    `entity_id` stands for `entity_keys` where the model has one entity. A ready vector replaces entities and
    inputs. Who names a `model_version` or a `variant`, not both, has it answer whatever the traffic's split
    is; such an answer is `pinned`, and no trial counts it.
    """

    request_id: Annotated[
        str,
        Meta(min_length=1, max_length=ID_CHARACTERS, description="The caller's; a label names it later."),
    ]
    model_name: str
    model_version: Annotated[
        Annotated[int, Meta(ge=1, le=2**31 - 1)] | None, Meta(description="The champion when absent.")
    ] = None
    entity_keys: Annotated[
        dict[str, str], Meta(description="Entity name to key text; the columns of a key are joined by |.")
    ] = field(default_factory=dict)
    entity_id: Annotated[str | None, Meta(description="The key, where the model has one entity.")] = None
    inputs: Annotated[
        dict[str, Value],
        Meta(description="What on-demand features need; timestamps in ms since the epoch."),
    ] = field(default_factory=dict)
    vector: Annotated[
        list[float | None] | None,
        Meta(description="A ready vector in the model's order; null is a missing value."),
    ] = None
    requested_at: Annotated[
        Annotated[int, Meta(ge=0, le=MAX_TIME)] | None,
        Meta(description="In ms since the epoch; trusted only by a door that replays."),
    ] = None
    timeout_ms: Annotated[
        Annotated[int, Meta(ge=1, le=3_600_000)] | None,
        Meta(description="How long the caller waits; what cannot be begun by then is not done, and said."),
    ] = None
    variant: Annotated[
        Variant | None, Meta(description="Who has this part now answers; in place of model_version.")
    ] = None
    explain: Annotated[
        bool, Meta(description="Whether the answer tells what each feature contributed; for models of trees.")
    ] = False


class VectorRow(Struct, frozen=True, gc=False):
    """The identity of a row in a vector, and how it stood at the request.

    `state` is fresh, stale or missing; `age_ms` how far the group's clock lay behind the request. A
    missing row has `event_timestamp` 0 and `seq` -1. `defaulted` tells that the vector has the group's
    defaults in its place.
    """

    group: str
    version: int
    entity: str
    event_timestamp: int
    seq: int
    state: str
    age_ms: int | None
    defaulted: bool


class FeatureValues(NamedTuple):
    """A vector by name: `names` and, in their order, `values`, where None is a missing value."""

    names: tuple[str, ...] = ()
    values: Sequence[float | None] = ()

    def by_name(self) -> dict[str, float | None]:
        """Give each value under its name, in order."""
        return dict(zip(self.names, self.values, strict=True))


class Latency(Struct, frozen=True, gc=False):
    """Where a batch's time went, in ms."""

    features: float = 0.0
    on_demand: float = 0.0
    model: float = 0.0
    total: float = 0.0


class Explanation(Struct, frozen=True):
    """What made a prediction: `bias` and the features' contributions add up to the model's raw score.

    The raw score is a value as it is, and of a probability its log-odds; of one of several classes, what the
    softmax takes.
    """

    bias: float
    contributions: dict[str, float]


class Result(Struct, frozen=True, gc=False):
    """One answer, field by field the record `prediction_result`.

    There latencies, and the two parts of an explanation, are fields of their own. `frozen` names the stored
    features that stand at their defaults, whatever their rows hold.
    """

    deduplication_key: str
    request_id: str
    model_name: str
    model_version_used: int | None
    variant: str
    door: str
    prediction: float | None
    error: str | None
    entity_keys: dict[str, str]
    inputs: dict[str, Value]
    feature_values_used: FeatureValues
    rows: list[VectorRow]
    requested_at: int
    predicted_at: int
    latency: Latency = Latency()
    outputs: list[float] = field(default_factory=list)
    predicted_class: str | None = None
    explanation: Explanation | None = None
    frozen: tuple[str, ...] = ()


def request_of(record: object) -> Request:
    """Read a decoded `prediction_request`, whoever wrote its schema; raises `RequestError`."""
    fields = record if isinstance(record, dict) else {}
    found = {name: value for name, value in fields.items() if value is not None and name in _FIELDS}
    try:
        request = convert(found, Request)
    except ValidationError:  # what is wrong is told by field and value; that HTTP is stricter is no fault
        request = _checked(found)
    check_size(request)
    return request


def _checked(found: dict[str, Any]) -> Request:
    for name, value in found.items():
        if not _FIELDS[name](value):
            _malformed(name, value)
    for name in _REQUIRED:
        if name not in found:
            _malformed(name, None)
    return Request(**found)


def check_size(request: Request) -> None:
    """Raise `RequestError` for texts so long that the log might not take them."""
    for name, text in (("request_id", request.request_id), ("model_name", request.model_name)):
        if len(text) > ID_CHARACTERS:
            raise RequestError(
                "too-large",
                f"a {name} has at most {ID_CHARACTERS} characters; this one, of {len(text)}, is not logged, "
                "so there is no answer",
            )
    keys = [*request.entity_keys, *request.entity_keys.values(), request.entity_id or ""]
    inputs = [*request.inputs, *[value for value in request.inputs.values() if isinstance(value, str)]]
    for name, texts, limit in (("entity keys", keys, _KEY_BYTES), ("inputs", inputs, _INPUT_BYTES)):
        if _CHARACTER_BYTES * sum(map(len, texts)) <= limit:
            continue
        size = sum(len(text.encode(errors="replace")) for text in texts)
        if size > limit:
            raise RequestError(
                "too-large",
                f"the text of a request's {name} has at most {limit} bytes; this one's, of {size}, is not "
                "logged, so there is no answer",
            )


def _malformed(name: str, value: object) -> NoReturn:
    raise RequestError(
        "malformed",
        "a request follows the schema of prediction_request, so it cannot be read; "
        f"its {name} is {value!r:.200}",
    )


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_moment(value: object) -> bool:
    return isinstance(value, int) and _is_integer(value) and MIN_TIME <= value <= MAX_TIME


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, bool | float | str) or _is_integer(value)


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, float) or _is_integer(value)


def _is_version(value: object) -> bool:
    return isinstance(value, int) and _is_integer(value) and 1 <= value < 2**31


_REQUIRED: dict[str, Callable[[object], bool]] = {
    "request_id": lambda name: isinstance(name, str) and 0 < len(name) <= ID_CHARACTERS,
    "model_name": _is_text,
}
_OPTIONAL: dict[str, Callable[[object], bool]] = {
    "model_version": _is_version,
    "explain": lambda explain: isinstance(explain, bool),
    "entity_id": _is_text,
    "variant": lambda variant: variant in get_args(Variant),
    "entity_keys": lambda keys: isinstance(keys, dict) and all(map(_is_text, keys.values())),
    "inputs": lambda inputs: isinstance(inputs, dict) and all(map(_is_scalar, inputs.values())),
    "vector": lambda vector: isinstance(vector, list) and all(map(_is_number, vector)),
    "requested_at": _is_moment,
    "timeout_ms": lambda ms: _is_integer(ms) and ms > 0,  # type: ignore[operator]
}
_FIELDS = _REQUIRED | _OPTIONAL


def check_inputs(given: Mapping[str, Value], declared: Mapping[str, DataType]) -> dict[str, Value]:
    """Give the declared inputs, each of its type or NULL; raises `RequestError`."""
    inputs: dict[str, Value] = {}
    for name, data_type in declared.items():
        if name not in given:
            raise RequestError(
                "missing-input",
                f"a request brings every input of its model ({', '.join(declared)}); the on-demand features "
                f"cannot be computed without {name!r}",
            )
        if not _is_scalar(given[name]):
            raise RequestError(
                "wrong-input",
                f"an input is NULL, a boolean, a text or a number, an integer of 64 bits at most; {name!r}, "
                f"a {data_type.value}, is none of these, so the on-demand features cannot be computed",
            )
        inputs[name] = _typed(name, given[name], data_type)
    return inputs


def loggable(inputs: Mapping[str, Value]) -> dict[str, Value]:
    """Keep of a refused request's inputs what Avro can hold."""
    return {name: value for name, value in inputs.items() if _is_scalar(value)}


def _typed(name: str, value: Value, data_type: DataType) -> Value:
    if value is None:
        return None
    if fits(value, data_type):
        return float(value) if data_type is DataType.DOUBLE else value
    if data_type is DataType.TIMESTAMP and _is_integer(value):
        raise RequestError(
            "wrong-input",
            f"a timestamp lies in the years 1900 to 2299, as in every engine; input {name!r} is {value!r} ms",
        )
    unit = " (ms since the epoch)" if data_type is DataType.TIMESTAMP else ""
    raise RequestError(
        "wrong-input",
        f"input {name!r} is of type {data_type.value}{unit}; the on-demand features cannot be computed "
        f"from {value!r}",
    )
