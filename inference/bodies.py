"""The HTTP door's bodies: read, written and documented from the same definitions."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from inference.models import LoadedModel, Variants
from inference.records import (
    UNREADABLE,
    Explanation,
    Latency,
    Request,
    RequestError,
    Result,
    VectorRow,
    check_size,
)

_MOST_REQUESTS = 1_000


class Batch(Struct, frozen=True, forbid_unknown_fields=True):
    """Many requests at once; each gets an answer or an error of its own."""

    requests: Annotated[list[Request], Meta(min_length=1, max_length=_MOST_REQUESTS)]


class Prediction(Struct, frozen=True, gc=False):
    """An answer: the prediction or, in a batch, the error; the values used, and the rows they came from.

    The latencies of a batch are the whole batch's.
    """

    request_id: str
    model_name: str
    model_version_used: int | None
    variant: Annotated[str, Meta(description="champion, challenger or pinned")]
    prediction: Annotated[
        float | None,
        Meta(
            description="The value, the first target, the positive class's probability, or of more than two "
            "classes the predicted one's."
        ),
    ]
    outputs: Annotated[
        list[float], Meta(description="All that the model gave: the classes' probabilities, or its targets.")
    ]
    predicted_class: Annotated[str | None, Meta(description="What a classifier decided on.")]
    error: str | None
    feature_values_used: dict[str, float | None]
    groups: list[VectorRow]
    frozen: Annotated[
        tuple[str, ...], Meta(description="Stored features at their defaults, whatever their rows hold.")
    ]
    explanation: Annotated[Explanation | None, Meta(description="Where the request asked to explain.")]
    requested_at: int
    predicted_at: int
    latency_ms: Latency


class Predictions(Struct, frozen=True):
    """The answers of a batch, in the order of its requests."""

    results: list[Prediction]


class ModelBody(Struct, frozen=True):
    """Who answers for a model name, and the champion's contract."""

    model_name: str
    champion_version: int | None
    challenger_version: int | None
    challenger_share: float
    shadow_model_version: int | None
    problems: Annotated[list[str], Meta(description="Versions that could not be loaded, and why.")]
    entities: Annotated[dict[str, list[str]], Meta(description="Entity name to the columns of its key.")]
    inputs: Annotated[dict[str, str], Meta(description="Request-time inputs with their types.")]
    vector: Annotated[list[str], Meta(description="The vector's names, in order.")]


class Models(Struct, frozen=True):
    """All models."""

    models: list[ModelBody]


class _Either(Struct):
    """What tells a batch from a request; the other fields are passed over."""

    requests: msgspec.Raw


encode = msgspec.json.Encoder().encode
_one = msgspec.json.Decoder(Request)
_batch = msgspec.json.Decoder(Batch)
_either = msgspec.json.Decoder(_Either)


def requests_of(body: bytes) -> tuple[list[Request], bool]:
    """Read one request, or a batch of them, which the second value tells; raises `RequestError`."""
    try:
        requests, batch = _decode(body)
    except UNREADABLE as error:
        raise _malformed(error, body) from None
    for request in requests:
        check_size(request)
    return requests, batch


def _decode(body: bytes) -> tuple[list[Request], bool]:
    if b'"requests"' in body:
        try:
            return _batch.decode(body).requests, True
        except UNREADABLE:
            if _is_batch(body):
                raise
    return [_one.decode(body)], False


def _malformed(error: Exception, body: bytes) -> RequestError:
    """Give what is told of a body that does not follow its schema: the field, the rule and the value."""
    _, _, place = str(error).partition(" - at `$")
    found = _value_at(body, place.rstrip("`")) if isinstance(error, msgspec.ValidationError) else ""
    return RequestError(
        "malformed",
        f"a request follows the door's schema (/openapi.json), so nothing was done; {error}{found}",
    )


def prediction(result: Result) -> Prediction:
    """Give a result as its body."""
    return Prediction(
        result.request_id,
        result.model_name,
        result.model_version_used,
        result.variant,
        result.prediction,
        result.outputs,
        result.predicted_class,
        result.error,
        result.feature_values_used.by_name(),
        result.rows,
        result.frozen,
        result.explanation,
        result.requested_at,
        result.predicted_at,
        result.latency,
    )


def model_body(model_name: str, variants: Variants) -> ModelBody:
    """Describe who answers for a model name."""
    champion = variants.champion
    plan = None if champion is None else champion.plan
    return ModelBody(
        model_name=model_name,
        champion_version=_version(champion),
        challenger_version=_version(variants.challenger),
        challenger_share=variants.challenger_share,
        shadow_model_version=_version(variants.shadow),
        problems=list(variants.problems),
        entities={} if plan is None else {name: list(keys) for name, keys in plan.entities.items()},
        inputs={} if plan is None else {name: t.value for name, t in plan.inputs.items()},
        vector=[] if plan is None else list(plan.names),
    )


def _version(model: LoadedModel | None) -> int | None:
    return None if model is None else model.version


def _is_batch(body: bytes) -> bool:
    try:
        _either.decode(body)
    except UNREADABLE:
        return False
    return True


def _value_at(body: bytes, path: str) -> str:
    """Spell the value at a path such as `.requests[0].vector[2]`, or above it where the path is inexact."""
    try:
        value: Any = msgspec.json.decode(body)
    except UNREADABLE:  # a wrong type was met before what is no JSON
        return ""
    for step in path.replace("[", ".[").split("."):
        if step.startswith("[") and step[1:-1].isdigit():
            value = value[int(step[1:-1])]
        elif step and isinstance(value, dict) and step in value:
            value = value[step]
        elif step:
            break
    return f" (found {value!r:.200})"
